// Devices and contexts.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "driver.h"

using namespace cuemu;

namespace {

template <class F> CUresult onDevice(CUdevice device, F body) {
    return guarded([&](Driver& driver) { return driver.valid(device) ? body(driver) : CUDA_ERROR_INVALID_DEVICE; });
}

// The figures of a small device of compute capability 7.5; what is not named is 0.
int attributeOf(const Driver& driver, CUdevice_attribute attribute, CUdevice device) {
    switch (attribute) {
        case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
        case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X:
        case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y:
        case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR: return 1024;
        case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z: return 64;
        case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X:
        case CU_DEVICE_ATTRIBUTE_MAX_PITCH: return 2147483647;
        case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y:
        case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z: return 65535;
        case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK: return 48 << 10;
        case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN:
        case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR: return 64 << 10;
        case CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY:
        case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK:
        case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR: return 65536;
        case CU_DEVICE_ATTRIBUTE_WARP_SIZE: return 32;
        case CU_DEVICE_ATTRIBUTE_CLOCK_RATE:
        case CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE: return 1000000;
        case CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT:
        case CU_DEVICE_ATTRIBUTE_SURFACE_ALIGNMENT: return 512;
        case CU_DEVICE_ATTRIBUTE_TEXTURE_PITCH_ALIGNMENT: return 32;
        case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
        case CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT: return 2;
        case CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR: return 16;
        case CU_DEVICE_ATTRIBUTE_GPU_OVERLAP:
        case CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY:
        case CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS:
        case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
        case CU_DEVICE_ATTRIBUTE_STREAM_PRIORITIES_SUPPORTED:
        case CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY:
        case CU_DEVICE_ATTRIBUTE_GLOBAL_L1_CACHE_SUPPORTED:
        case CU_DEVICE_ATTRIBUTE_LOCAL_L1_CACHE_SUPPORTED:
        case CU_DEVICE_ATTRIBUTE_INTEGRATED: break;
        case CU_DEVICE_ATTRIBUTE_PCI_BUS_ID: return device + 1;
        case CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH: return 256;
        case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE: return 1 << 20;
        case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: return driver.capability / 10;
        case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: return driver.capability % 10;
        default: return 0;
    }
    return attribute != CU_DEVICE_ATTRIBUTE_INTEGRATED;
}

bool known(Driver& driver, CUcontext context) { return driver.contexts.count(context) > 0; }

// Waits for the context's work and gives back all that it holds.
void clear(Driver& driver, CUctx_st& context) {
    finishContext(context);
    driver.memory->releaseAllOf(&context);
    for (auto* module : context.modules) delete module;
    for (auto* stream : context.streams) delete stream;
    context.modules.clear();
    context.streams.clear();
    context.perThread.reset();
    context.legacyTail.reset();
    context.sticky = CUDA_SUCCESS;
    context.peers = 0;
    context.limits.clear();
}

void removeFromStack(CUcontext context) {
    auto& stack = contextStack();
    stack.erase(std::remove(stack.begin(), stack.end(), context), stack.end());
}

CUresult create(CUcontext* out, unsigned flags, CUdevice device) {
    return onDevice(device, [&](Driver& driver) {
        auto* context = new CUctx_st();
        context->device = device;
        context->flags = flags;
        context->references = 1;
        driver.contexts.insert(context);
        contextStack().push_back(context);
        *out = context;
        return CUDA_SUCCESS;
    });
}

}  // namespace

CUEMU_API CUresult cuDriverGetVersion(int* version) {
    *version = CUDA_VERSION;
    return CUDA_SUCCESS;
}

CUEMU_API CUresult cuDeviceGetCount(int* count) {
    return guarded([&](Driver& driver) {
        *count = driver.count;
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuDeviceGet(CUdevice* out, int ordinal) {
    return onDevice(ordinal, [&](Driver&) {
        *out = ordinal;
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuDeviceGetName(char* name, int size, CUdevice device) {
    return onDevice(device, [&](Driver&) {
        std::snprintf(name, size_t(size), "Emulated device %d", device);
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuDeviceGetUuid(CUuuid* uuid, CUdevice device) {
    return onDevice(device, [&](Driver&) {
        std::memcpy(uuid->bytes, "emulated device", sizeof uuid->bytes);
        uuid->bytes[15] = char(device);
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuDeviceTotalMem(size_t* bytes, CUdevice device) {
    return onDevice(device, [&](Driver& driver) {
        *bytes = driver.memory->total();
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuDeviceComputeCapability(int* major, int* minor, CUdevice device) {
    return onDevice(device, [&](Driver& driver) {
        *major = driver.capability / 10;
        *minor = driver.capability % 10;
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice device) {
    return onDevice(device, [&](Driver& driver) {
        *value = attributeOf(driver, attribute, device);
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuDeviceGetPCIBusId(char* text, int size, CUdevice device) {
    return onDevice(device, [&](Driver&) {
        std::snprintf(text, size_t(size), "0000:%02x:00.0", device + 1);
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuDeviceGetByPCIBusId(CUdevice* device, const char* text) {
    return guarded([&](Driver& driver) {
        unsigned domain = 0, bus = 0;
        if (std::sscanf(text, "%x:%x", &domain, &bus) != 2 || bus < 1 || int(bus) > driver.count)
            return CUDA_ERROR_INVALID_DEVICE;
        *device = int(bus) - 1;
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuDeviceCanAccessPeer(int* can, CUdevice device, CUdevice peer) {
    return onDevice(device, [&](Driver& driver) {
        if (!driver.valid(peer)) return CUDA_ERROR_INVALID_DEVICE;
        *can = device != peer && !std::getenv("CUEMU_NO_PEERS");
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuDevicePrimaryCtxRetain(CUcontext* out, CUdevice device) {
    return onDevice(device, [&](Driver& driver) {
        *out = &driver.primary[size_t(device)];
        (*out)->references++;
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuDevicePrimaryCtxRelease(CUdevice device) {
    return onDevice(device, [&](Driver& driver) {
        auto& context = driver.primary[size_t(device)];
        if (context.references == 0) return CUDA_ERROR_INVALID_CONTEXT;
        if (--context.references == 0) clear(driver, context);
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuDevicePrimaryCtxReset(CUdevice device) {
    return onDevice(device, [&](Driver& driver) {
        clear(driver, driver.primary[size_t(device)]);
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned* flags, int* active) {
    return onDevice(device, [&](Driver& driver) {
        *flags = driver.primary[size_t(device)].flags;
        *active = driver.primary[size_t(device)].references > 0;
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuDevicePrimaryCtxSetFlags(CUdevice device, unsigned flags) {
    return onDevice(device, [&](Driver& driver) {
        driver.primary[size_t(device)].flags = flags;
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuCtxCreate(CUcontext* out, CUctxCreateParams*, unsigned flags, CUdevice device) {
    return create(out, flags, device);
}
#undef cuCtxCreate
CUEMU_API CUresult cuCtxCreate_v2(CUcontext* out, unsigned flags, CUdevice device) {
    return create(out, flags, device);
}

CUEMU_API CUresult cuCtxDestroy(CUcontext context) {
    return guarded([&](Driver& driver) {
        if (!known(driver, context) || context->primary) return CUDA_ERROR_INVALID_CONTEXT;
        clear(driver, *context);
        removeFromStack(context);
        driver.contexts.erase(context);
        delete context;
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuCtxAttach(CUcontext* out, unsigned) {
    return inContext([&](Driver&, CUctx_st& context) {
        context.references++;
        *out = &context;
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuCtxDetach(CUcontext context) {
    return guarded([&](Driver& driver) {
        if (!known(driver, context)) return CUDA_ERROR_INVALID_CONTEXT;
        if (context->primary) {
            removeFromStack(context);
            return CUDA_SUCCESS;
        }
        return --context->references > 0 ? CUDA_SUCCESS : cuCtxDestroy(context);
    });
}

CUEMU_API CUresult cuCtxPushCurrent(CUcontext context) {
    return guarded([&](Driver& driver) {
        if (!known(driver, context)) return CUDA_ERROR_INVALID_CONTEXT;
        contextStack().push_back(context);
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuCtxPopCurrent(CUcontext* out) {
    return guarded([&](Driver&) {
        auto& stack = contextStack();
        if (stack.empty()) return CUDA_ERROR_INVALID_CONTEXT;
        if (out) *out = stack.back();
        stack.pop_back();
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuCtxSetCurrent(CUcontext context) {
    return guarded([&](Driver& driver) {
        if (context && !known(driver, context)) return CUDA_ERROR_INVALID_CONTEXT;
        auto& stack = contextStack();
        if (!stack.empty()) stack.pop_back();
        if (context) stack.push_back(context);
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuCtxGetCurrent(CUcontext* out) {
    return guarded([&](Driver&) {
        *out = currentContext();
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuCtxGetDevice(CUdevice* device) {
    return guarded([&](Driver&) {
        if (!currentContext()) return CUDA_ERROR_INVALID_CONTEXT;
        *device = currentContext()->device;
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuCtxGetFlags(unsigned* flags) {
    return inContext([&](Driver&, CUctx_st& context) {
        *flags = context.flags;
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuCtxGetApiVersion(CUcontext, unsigned* version) {
    *version = CUDA_VERSION;
    return CUDA_SUCCESS;
}

CUEMU_API CUresult cuCtxSynchronize() {
    return inContext([&](Driver&, CUctx_st& context) { return finishContext(context); });
}

CUEMU_API CUresult cuCtxGetLimit(size_t* value, CUlimit limit) {
    return inContext([&](Driver&, CUctx_st& context) {
        auto found = context.limits.find(limit);
        *value = found != context.limits.end() ? found->second : limit == CU_LIMIT_STACK_SIZE ? 1024 : 8u << 20;
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuCtxSetLimit(CUlimit limit, size_t value) {
    return inContext([&](Driver&, CUctx_st& context) {
        context.limits[limit] = value;
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuCtxGetCacheConfig(CUfunc_cache* config) {
    *config = CU_FUNC_CACHE_PREFER_NONE;
    return CUDA_SUCCESS;
}

CUEMU_API CUresult cuCtxSetCacheConfig(CUfunc_cache) { return CUDA_SUCCESS; }

CUEMU_API CUresult cuCtxGetSharedMemConfig(CUsharedconfig* config) {
    *config = CU_SHARED_MEM_CONFIG_FOUR_BYTE_BANK_SIZE;
    return CUDA_SUCCESS;
}

CUEMU_API CUresult cuCtxSetSharedMemConfig(CUsharedconfig) { return CUDA_SUCCESS; }

CUEMU_API CUresult cuCtxGetStreamPriorityRange(int* least, int* greatest) {
    *least = 0;
    *greatest = -1;
    return CUDA_SUCCESS;
}

CUEMU_API CUresult cuCtxEnablePeerAccess(CUcontext peer, unsigned) {
    return inContext([&](Driver& driver, CUctx_st& context) {
        if (!known(driver, peer)) return CUDA_ERROR_INVALID_CONTEXT;
        if (peer->device == context.device) return CUDA_ERROR_INVALID_DEVICE;
        u64 bit = u64(1) << peer->device;
        if (context.peers & bit) return CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED;
        context.peers |= bit;
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuCtxDisablePeerAccess(CUcontext peer) {
    return inContext([&](Driver& driver, CUctx_st& context) {
        if (!known(driver, peer)) return CUDA_ERROR_INVALID_CONTEXT;
        u64 bit = u64(1) << peer->device;
        if (!(context.peers & bit)) return CUDA_ERROR_PEER_ACCESS_NOT_ENABLED;
        context.peers &= ~bit;
        return CUDA_SUCCESS;
    });
}
