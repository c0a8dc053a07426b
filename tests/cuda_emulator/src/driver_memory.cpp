// Allocation, copies and fills. Whatever a copy or fill may not touch is refused at once, with the address in the
// report.
#include <algorithm>

#include "driver.h"

using namespace cuemu;

namespace {

u64 addressOf(const void* p) { return reinterpret_cast<u64>(p); }

// One side of a copy: host memory, or a range within one allocation.
struct Side {
    u8* bytes = nullptr;
    u8* written = nullptr;
};

Side deviceSide(Driver& driver, u64 address, u64 size, const char* what) {
    Allocation* a = driver.memory->find(address, size);
    if (!a)
        throw Fault(CUDA_ERROR_INVALID_VALUE,
                    format("%s of %llu bytes at 0x%llx: %s", what, (unsigned long long)size,
                           (unsigned long long)address, driver.memory->describe(address, size, -1).c_str()));
    return {a->host + (address - a->base), a->written ? a->written + (address - a->base) : nullptr};
}

// A pointer that may be of either kind, as unified addressing has it.
Side anySide(Driver& driver, u64 address, u64 size, const char* what) {
    if (DeviceMemory::isDeviceAddress(address)) return deviceSide(driver, address, size, what);
    return {reinterpret_cast<u8*>(address), nullptr};
}

void transfer(const Side& to, const Side& from, size_t n) {
    std::memmove(to.bytes, from.bytes, n);
    if (to.written && from.written)
        std::memmove(to.written, from.written, n);
    else if (to.written)
        std::memset(to.written, 1, n);
}

bool isPageable(Driver& driver, u64 address) { return !driver.memory->find(address); }

// Device ranges are looked up when the copy is asked for and again when it is done: they may have been freed between.
CUresult copy(u64 to, u64 from, size_t size, CUstream stream, bool wait) {
    return inContext([&](Driver& driver, CUctx_st& context) {
        if (!size) return CUDA_SUCCESS;
        anySide(driver, to, size, "copy to");
        anySide(driver, from, size, "copy from");
        std::shared_ptr<vector<u8>> staged;
        if (!wait && !DeviceMemory::isDeviceAddress(from) &&
            isPageable(driver, from))  // as drivers do: taken at once
            staged = std::make_shared<vector<u8>>(reinterpret_cast<u8*>(from), reinterpret_cast<u8*>(from) + size);
        if (!DeviceMemory::isDeviceAddress(to) && isPageable(driver, to))
            wait = true;  // ordinary memory is never written later
        WorkPtr work = submit(context, stream, [=, &driver] {
            Side source = staged ? Side{staged->data(), nullptr} : anySide(driver, from, size, "copy from");
            transfer(anySide(driver, to, size, "copy to"), source, size);
            return CUDA_SUCCESS;
        });
        return wait ? finish(work) : CUDA_SUCCESS;
    });
}

template <class T>
CUresult fill(CUdeviceptr to, size_t pitch, T value, size_t width, size_t height, CUstream stream) {
    return inContext([&](Driver& driver, CUctx_st& context) {
        if (!width || !height) return CUDA_SUCCESS;
        if (to % sizeof(T) || (height > 1 && (pitch % sizeof(T) || pitch < width * sizeof(T))))
            return CUDA_ERROR_INVALID_VALUE;
        size_t span = (height > 1 ? pitch * (height - 1) : 0) + width * sizeof(T);
        deviceSide(driver, to, span, "fill");
        submit(context, stream, [=, &driver] {
            Side side = deviceSide(driver, to, span, "fill");
            for (size_t row = 0; row < height; row++) {
                auto* cells = reinterpret_cast<T*>(side.bytes + row * pitch);
                std::fill(cells, cells + width, value);
                if (side.written) std::memset(side.written + row * pitch, 1, width * sizeof(T));
            }
            return CUDA_SUCCESS;
        });
        return CUDA_SUCCESS;
    });
}

struct Box {  // one side of a copy in three dims
    u64 base;
    size_t x, y, z, pitch, height;
    u64 at(size_t row, size_t slice) const { return base + ((z + slice) * height + y + row) * pitch + x; }
};

bool baseOf(CUmemorytype type, const void* host, CUdeviceptr device, u64& base) {
    if (type == CU_MEMORYTYPE_ARRAY) return false;
    base = type == CU_MEMORYTYPE_HOST ? addressOf(host) : device;
    return true;
}

CUresult copyBox(const Box& to, const Box& from, size_t width, size_t height, size_t depth, CUstream stream,
                 bool wait) {
    return inContext([&](Driver& driver, CUctx_st& context) {
        if (!width || !height || !depth) return CUDA_SUCCESS;
        for (size_t slice = 0; slice < depth; slice++)
            for (size_t row = 0; row < height; row++) {
                anySide(driver, to.at(row, slice), width, "copy to");
                anySide(driver, from.at(row, slice), width, "copy from");
            }
        bool host = !DeviceMemory::isDeviceAddress(to.base) || !DeviceMemory::isDeviceAddress(from.base);
        bool pageable = (!DeviceMemory::isDeviceAddress(to.base) && isPageable(driver, to.base)) ||
                        (!DeviceMemory::isDeviceAddress(from.base) && isPageable(driver, from.base));
        WorkPtr work = submit(context, stream, [=, &driver] {
            for (size_t slice = 0; slice < depth; slice++)
                for (size_t row = 0; row < height; row++)
                    transfer(anySide(driver, to.at(row, slice), width, "copy to"),
                             anySide(driver, from.at(row, slice), width, "copy from"), width);
            return CUDA_SUCCESS;
        });
        return wait || (host && pageable) ? finish(work) : CUDA_SUCCESS;
    });
}

CUresult copy2D(const CUDA_MEMCPY2D& c, CUstream stream, bool wait) {
    u64 to, from;
    if (!baseOf(c.dstMemoryType, c.dstHost, c.dstDevice, to) ||
        !baseOf(c.srcMemoryType, c.srcHost, c.srcDevice, from))
        return CUDA_ERROR_NOT_SUPPORTED;
    return copyBox({to, c.dstXInBytes, c.dstY, 0, c.dstPitch ? c.dstPitch : c.WidthInBytes, c.Height},
                   {from, c.srcXInBytes, c.srcY, 0, c.srcPitch ? c.srcPitch : c.WidthInBytes, c.Height},
                   c.WidthInBytes, c.Height, 1, stream, wait);
}

template <class C> CUresult copy3D(const C& c, CUstream stream, bool wait) {
    u64 to, from;
    if (!baseOf(c.dstMemoryType, c.dstHost, c.dstDevice, to) ||
        !baseOf(c.srcMemoryType, c.srcHost, c.srcDevice, from))
        return CUDA_ERROR_NOT_SUPPORTED;
    return copyBox({to, c.dstXInBytes, c.dstY, c.dstZ, c.dstPitch ? c.dstPitch : c.WidthInBytes,
                    c.dstHeight ? c.dstHeight : c.Height},
                   {from, c.srcXInBytes, c.srcY, c.srcZ, c.srcPitch ? c.srcPitch : c.WidthInBytes,
                    c.srcHeight ? c.srcHeight : c.Height},
                   c.WidthInBytes, c.Height, c.Depth, stream, wait);
}

CUresult allocateHost(void** out, size_t size, Origin origin) {
    return inContext([&](Driver& driver, CUctx_st& context) {
        if (!size) return CUDA_ERROR_INVALID_VALUE;
        *out = driver.memory->allocateHost(context.device, size, origin, &context).host;
        return CUDA_SUCCESS;
    });
}

}  // namespace

CUEMU_API CUresult cuMemGetInfo(size_t* free, size_t* total) {
    return inContext([&](Driver& driver, CUctx_st& context) {
        *total = driver.memory->total();
        *free = *total - driver.memory->used(context.device);
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuMemAlloc(CUdeviceptr* out, size_t size) {
    return inContext([&](Driver& driver, CUctx_st& context) {
        if (!size) return CUDA_ERROR_INVALID_VALUE;
        *out = driver.memory->allocate(context.device, size, Origin::Device, &context).base;
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuMemAllocPitch(CUdeviceptr* out, size_t* pitch, size_t width, size_t height, unsigned element) {
    if (element != 4 && element != 8 && element != 16) return CUDA_ERROR_INVALID_VALUE;
    *pitch = (width + 511) / 512 * 512;
    return cuMemAlloc(out, *pitch * height);
}

CUEMU_API CUresult cuMemFree(CUdeviceptr pointer) {
    return guarded([&](Driver& driver) {
        if (!pointer) return CUDA_SUCCESS;
        Allocation* a = driver.memory->find(pointer);
        if (!a || a->base != pointer || (a->origin != Origin::Device && a->origin != Origin::Managed))
            throw Fault(CUDA_ERROR_INVALID_VALUE, format("free of 0x%llx: %s", (unsigned long long)pointer,
                                                         driver.memory->describe(pointer, 1, -1).c_str()));
        CUresult result = CUDA_SUCCESS;
        if (a->context) result = finishContext(*static_cast<CUctx_st*>(const_cast<void*>(a->context)));
        driver.memory->release(*a);
        return result;
    });
}

CUEMU_API CUresult cuMemGetAddressRange(CUdeviceptr* base, size_t* size, CUdeviceptr pointer) {
    return inContext([&](Driver& driver, CUctx_st&) {
        Allocation* a = driver.memory->find(pointer);
        if (!a) return CUDA_ERROR_NOT_FOUND;
        if (base) *base = a->base;
        if (size) *size = a->size;
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuMemHostAlloc(void** out, size_t size, unsigned) {
    return allocateHost(out, size, Origin::Pinned);
}
CUEMU_API CUresult cuMemAllocHost(void** out, size_t size) { return allocateHost(out, size, Origin::Pinned); }

CUEMU_API CUresult cuMemAllocManaged(CUdeviceptr* out, size_t size, unsigned) {
    void* pointer = nullptr;
    CUresult result = allocateHost(&pointer, size, Origin::Managed);
    *out = addressOf(pointer);
    return result;
}

CUEMU_API CUresult cuMemFreeHost(void* pointer) {
    return guarded([&](Driver& driver) {
        Allocation* a = driver.memory->find(addressOf(pointer));
        if (!a || a->host != pointer || a->origin != Origin::Pinned) return CUDA_ERROR_INVALID_VALUE;
        CUresult result = finishContext(*static_cast<CUctx_st*>(const_cast<void*>(a->context)));
        driver.memory->release(*a);
        return result;
    });
}

CUEMU_API CUresult cuMemHostRegister(void* pointer, size_t size, unsigned) {
    return inContext([&](Driver& driver, CUctx_st& context) {
        if (!pointer || !size) return CUDA_ERROR_INVALID_VALUE;
        if (driver.memory->find(addressOf(pointer))) return CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
        driver.memory->registerHost(context.device, pointer, size, &context);
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuMemHostUnregister(void* pointer) {
    return guarded([&](Driver& driver) {
        Allocation* a = driver.memory->find(addressOf(pointer));
        if (!a || a->host != pointer || a->origin != Origin::Registered) return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
        CUresult result = finishContext(*static_cast<CUctx_st*>(const_cast<void*>(a->context)));
        driver.memory->release(*a);
        return result;
    });
}

CUEMU_API CUresult cuMemHostGetDevicePointer(CUdeviceptr* out, void* pointer, unsigned) {
    return inContext([&](Driver& driver, CUctx_st&) {
        if (!driver.memory->find(addressOf(pointer))) return CUDA_ERROR_INVALID_VALUE;
        *out = addressOf(pointer);
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuMemHostGetFlags(unsigned* flags, void* pointer) {
    return inContext([&](Driver& driver, CUctx_st&) {
        *flags = CU_MEMHOSTALLOC_DEVICEMAP;
        return driver.memory->find(addressOf(pointer)) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    });
}

CUEMU_API CUresult cuPointerGetAttribute(void* out, CUpointer_attribute attribute, CUdeviceptr pointer) {
    return guarded([&](Driver& driver) {
        Allocation* a = driver.memory->find(pointer);
        if (!a) return CUDA_ERROR_INVALID_VALUE;
        bool host = a->origin == Origin::Pinned || a->origin == Origin::Registered;
        switch (attribute) {
            case CU_POINTER_ATTRIBUTE_CONTEXT: *static_cast<const void**>(out) = a->context; break;
            case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
                *static_cast<unsigned*>(out) = host ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE;
                break;
            case CU_POINTER_ATTRIBUTE_DEVICE_POINTER: *static_cast<u64*>(out) = pointer; break;
            case CU_POINTER_ATTRIBUTE_HOST_POINTER:
                if (DeviceMemory::isDeviceAddress(pointer)) return CUDA_ERROR_INVALID_VALUE;
                *static_cast<u64*>(out) = pointer;
                break;
            case CU_POINTER_ATTRIBUTE_IS_MANAGED: *static_cast<unsigned*>(out) = a->origin == Origin::Managed; break;
            case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL: *static_cast<int*>(out) = a->device; break;
            case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR: *static_cast<u64*>(out) = a->base; break;
            case CU_POINTER_ATTRIBUTE_RANGE_SIZE: *static_cast<size_t*>(out) = a->size; break;
            default: return CUDA_ERROR_NOT_SUPPORTED;
        }
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuMemcpy(CUdeviceptr to, CUdeviceptr from, size_t n) { return copy(to, from, n, nullptr, true); }
CUEMU_API CUresult cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, size_t n, CUstream s) {
    return copy(to, from, n, s, false);
}
CUEMU_API CUresult cuMemcpyHtoD(CUdeviceptr to, const void* from, size_t n) {
    return copy(to, addressOf(from), n, nullptr, true);
}
CUEMU_API CUresult cuMemcpyDtoH(void* to, CUdeviceptr from, size_t n) {
    return copy(addressOf(to), from, n, nullptr, true);
}
CUEMU_API CUresult cuMemcpyDtoD(CUdeviceptr to, CUdeviceptr from, size_t n) {
    return copy(to, from, n, nullptr, false);
}
CUEMU_API CUresult cuMemcpyHtoDAsync(CUdeviceptr to, const void* from, size_t n, CUstream s) {
    return copy(to, addressOf(from), n, s, false);
}
CUEMU_API CUresult cuMemcpyDtoHAsync(void* to, CUdeviceptr from, size_t n, CUstream s) {
    return copy(addressOf(to), from, n, s, false);
}
CUEMU_API CUresult cuMemcpyDtoDAsync(CUdeviceptr to, CUdeviceptr from, size_t n, CUstream s) {
    return copy(to, from, n, s, false);
}

// The other device's default stream has to be waited for too.
CUEMU_API CUresult cuMemcpyPeer(CUdeviceptr to, CUcontext toContext, CUdeviceptr from, CUcontext fromContext,
                                size_t n) {
    return inContext([&](Driver&, CUctx_st&) {
        if (CUresult result = finishContext(*fromContext)) return result;
        if (CUresult result = finishContext(*toContext)) return result;
        return copy(to, from, n, nullptr, true);
    });
}
CUEMU_API CUresult cuMemcpyPeerAsync(CUdeviceptr to, CUcontext, CUdeviceptr from, CUcontext, size_t n, CUstream s) {
    return copy(to, from, n, s, false);
}

CUEMU_API CUresult cuMemcpy2D(const CUDA_MEMCPY2D* c) { return copy2D(*c, nullptr, true); }
CUEMU_API CUresult cuMemcpy2DUnaligned(const CUDA_MEMCPY2D* c) { return copy2D(*c, nullptr, true); }
CUEMU_API CUresult cuMemcpy2DAsync(const CUDA_MEMCPY2D* c, CUstream s) { return copy2D(*c, s, false); }
CUEMU_API CUresult cuMemcpy3D(const CUDA_MEMCPY3D* c) { return copy3D(*c, nullptr, true); }
CUEMU_API CUresult cuMemcpy3DAsync(const CUDA_MEMCPY3D* c, CUstream s) { return copy3D(*c, s, false); }
CUEMU_API CUresult cuMemcpy3DPeer(const CUDA_MEMCPY3D_PEER* c) { return copy3D(*c, nullptr, true); }
CUEMU_API CUresult cuMemcpy3DPeerAsync(const CUDA_MEMCPY3D_PEER* c, CUstream s) { return copy3D(*c, s, false); }

CUEMU_API CUresult cuMemsetD8(CUdeviceptr p, unsigned char v, size_t n) { return fill<u8>(p, 0, v, n, 1, nullptr); }
CUEMU_API CUresult cuMemsetD16(CUdeviceptr p, unsigned short v, size_t n) {
    return fill<u16>(p, 0, v, n, 1, nullptr);
}
CUEMU_API CUresult cuMemsetD32(CUdeviceptr p, unsigned v, size_t n) { return fill<u32>(p, 0, v, n, 1, nullptr); }
CUEMU_API CUresult cuMemsetD8Async(CUdeviceptr p, unsigned char v, size_t n, CUstream s) {
    return fill<u8>(p, 0, v, n, 1, s);
}
CUEMU_API CUresult cuMemsetD16Async(CUdeviceptr p, unsigned short v, size_t n, CUstream s) {
    return fill<u16>(p, 0, v, n, 1, s);
}
CUEMU_API CUresult cuMemsetD32Async(CUdeviceptr p, unsigned v, size_t n, CUstream s) {
    return fill<u32>(p, 0, v, n, 1, s);
}
CUEMU_API CUresult cuMemsetD2D8(CUdeviceptr p, size_t pitch, unsigned char v, size_t w, size_t h) {
    return fill<u8>(p, pitch, v, w, h, nullptr);
}
CUEMU_API CUresult cuMemsetD2D16(CUdeviceptr p, size_t pitch, unsigned short v, size_t w, size_t h) {
    return fill<u16>(p, pitch, v, w, h, nullptr);
}
CUEMU_API CUresult cuMemsetD2D32(CUdeviceptr p, size_t pitch, unsigned v, size_t w, size_t h) {
    return fill<u32>(p, pitch, v, w, h, nullptr);
}
CUEMU_API CUresult cuMemsetD2D8Async(CUdeviceptr p, size_t pitch, unsigned char v, size_t w, size_t h, CUstream s) {
    return fill<u8>(p, pitch, v, w, h, s);
}
CUEMU_API CUresult cuMemsetD2D16Async(CUdeviceptr p, size_t pitch, unsigned short v, size_t w, size_t h, CUstream s) {
    return fill<u16>(p, pitch, v, w, h, s);
}
CUEMU_API CUresult cuMemsetD2D32Async(CUdeviceptr p, size_t pitch, unsigned v, size_t w, size_t h, CUstream s) {
    return fill<u32>(p, pitch, v, w, h, s);
}
