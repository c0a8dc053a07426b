// Functions and launches: attributes, occupancy, parameters by array, by buffer, and piece by piece as before CUDA 4.
#include <algorithm>

#include "driver.h"

using namespace cuemu;

namespace {

CUresult refuse(const string& kernel, const string& why) {
    report(format("launch of %s refused: %s", kernel.c_str(), why.c_str()));
    return CUDA_ERROR_INVALID_VALUE;
}

// The buffer that `extra` points to: pairs of a key and a value up to CU_LAUNCH_PARAM_END.
bool fromExtra(void** extra, vector<u8>& out) {
    const u8* buffer = nullptr;
    size_t size = 0;
    for (int i = 0; extra[i] != CU_LAUNCH_PARAM_END; i += 2) {
        if (extra[i] == CU_LAUNCH_PARAM_BUFFER_POINTER)
            buffer = static_cast<const u8*>(extra[i + 1]);
        else if (extra[i] == CU_LAUNCH_PARAM_BUFFER_SIZE)
            size = *static_cast<size_t*>(extra[i + 1]);
        else
            return false;
    }
    if (buffer) out.assign(buffer, buffer + size);
    return true;
}

CUresult checkShape(const CUfunc_st& f, const Launch& launch, int capability) {
    const u32 *g = launch.grid, *b = launch.block;
    u64 threads = u64(b[0]) * b[1] * b[2];
    if (!threads || !g[0] || !g[1] || !g[2]) return refuse(f.name, "a size of the grid or block is 0");
    if (g[0] > 2147483647u || g[1] > 65535 || g[2] > 65535)
        return refuse(f.name, format("grid (%u,%u,%u)", g[0], g[1], g[2]));
    if (b[0] > 1024 || b[1] > 1024 || b[2] > 64 || threads > 1024)
        return refuse(f.name, format("block (%u,%u,%u)", b[0], b[1], b[2]));
    if (threads > f.program->maxThreads)
        return refuse(f.name, format("%llu threads, but __launch_bounds__ says %u", (unsigned long long)threads,
                                     f.program->maxThreads));
    u64 shared = u64(f.program->staticShared) + launch.dynamicShared, most = capability >= 80 ? 99 << 10 : 64 << 10;
    if (int(launch.dynamicShared) > f.maxDynamicShared || shared > most ||
        (shared > 48 << 10 && f.maxDynamicShared <= 48 << 10))
        return refuse(f.name, format("%llu bytes of shared memory; more than 48 KB need "
                                     "CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES",
                                     (unsigned long long)shared));
    return CUDA_SUCCESS;
}

CUresult launchKernel(Driver& driver, CUctx_st& context, CUfunc_st& f, std::shared_ptr<Launch> launch,
                      CUstream stream) {
    launch->program = f.program.get();
    launch->checks = Checks::fromEnvironment();
    launch->number = driver.launches++;
    if (CUresult wrong = checkShape(f, *launch, driver.capability)) return wrong;
    u32 wanted = f.program->parameterBytes;
    if (launch->parameters.size() < wanted)
        return refuse(f.name,
                      format("%u bytes of parameters are expected, %zu given", wanted, launch->parameters.size()));
    CUctx_st* owner = f.module->context;
    if (&context != owner) return refuse(f.name, "the function belongs to another context");
    launch->parameters.resize(wanted);
    submit(context, stream, [launch, owner, &driver, name = f.name] {
        auto view = driver.memory->view(owner->device, owner->peers);
        launch->memory = view.get();
        countLaunch(name, cuemu::run(*launch));
        return CUDA_SUCCESS;
    });
    return CUDA_SUCCESS;
}

std::shared_ptr<Launch> shaped(unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                               unsigned shared) {
    auto launch = std::make_shared<Launch>();
    const u32 grid[] = {gx, gy, gz}, block[] = {bx, by, bz};
    std::copy(grid, grid + 3, launch->grid);
    std::copy(block, block + 3, launch->block);
    launch->dynamicShared = shared;
    return launch;
}

int blocksPerProcessor(const CUfunc_st& f, int threads, size_t dynamicShared) {
    size_t shared = f.program->staticShared + dynamicShared;
    int byThreads = threads > 0 ? 1024 / ((threads + 31) / 32 * 32) : 0;
    int byShared = shared ? int((64u << 10) / shared) : 16;
    return std::min({byThreads, byShared, 16});
}

void putParameter(CUfunction f, int offset, const void* data, size_t size) {
    if (f->parameters.size() < size_t(offset) + size) f->parameters.resize(size_t(offset) + size);
    std::memcpy(&f->parameters[size_t(offset)], data, size);
}

}  // namespace

CUEMU_API CUresult cuLaunchKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                                  unsigned bz, unsigned shared, CUstream stream, void** parameters, void** extra) {
    return inContext([&](Driver& driver, CUctx_st& context) {
        if (!f) return CUDA_ERROR_INVALID_HANDLE;
        auto launch = shaped(gx, gy, gz, bx, by, bz, shared);
        auto& slots = f->program->kernel().parameters;
        if (extra) {
            if (parameters || !fromExtra(extra, launch->parameters)) return CUDA_ERROR_INVALID_VALUE;
        } else if (!slots.empty()) {
            if (!parameters) return refuse(f->name, "no parameters given");
            launch->parameters.resize(f->program->parameterBytes);
            for (size_t i = 0; i < slots.size(); i++)
                std::memcpy(&launch->parameters[slots[i].offset], parameters[i], slots[i].size);
        }
        return launchKernel(driver, context, *f, launch, stream);
    });
}

CUEMU_API CUresult cuFuncGetAttribute(int* value, CUfunction_attribute attribute, CUfunction f) {
    return inContext([&](Driver& driver, CUctx_st&) {
        const Program& p = *f->program;
        switch (attribute) {
            case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: *value = int(p.maxThreads); break;
            case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES: *value = int(p.staticShared); break;
            case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES: *value = int(p.kernel().localBytes); break;
            case CU_FUNC_ATTRIBUTE_NUM_REGS: *value = 32; break;  // ptxas knows; nobody here does
            case CU_FUNC_ATTRIBUTE_PTX_VERSION: *value = p.module->target; break;
            case CU_FUNC_ATTRIBUTE_BINARY_VERSION: *value = driver.capability; break;
            case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES: *value = f->maxDynamicShared; break;
            case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT: *value = f->carveout; break;
            default: *value = 0;
        }
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuFuncSetAttribute(CUfunction f, CUfunction_attribute attribute, int value) {
    return inContext([&](Driver& driver, CUctx_st&) {
        if (attribute == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) {
            int most = driver.capability >= 80 ? 99 << 10 : 64 << 10;
            if (value < 0 || value + int(f->program->staticShared) > most) return CUDA_ERROR_INVALID_VALUE;
            f->maxDynamicShared = value;
        } else if (attribute == CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT) {
            f->carveout = value;
        } else {
            return CUDA_ERROR_INVALID_VALUE;
        }
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuFuncSetCacheConfig(CUfunction, CUfunc_cache) { return CUDA_SUCCESS; }
CUEMU_API CUresult cuFuncSetSharedMemConfig(CUfunction, CUsharedconfig) { return CUDA_SUCCESS; }

CUEMU_API CUresult cuFuncGetModule(CUmodule* out, CUfunction f) {
    *out = f->module;
    return CUDA_SUCCESS;
}

CUEMU_API CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, CUfunction f, int threads,
                                                               size_t shared) {
    return inContext([&](Driver&, CUctx_st&) {
        *blocks = blocksPerProcessor(*f, threads, shared);
        return CUDA_SUCCESS;
    });
}
CUEMU_API CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, CUfunction f, int threads,
                                                                        size_t shared, unsigned) {
    return cuOccupancyMaxActiveBlocksPerMultiprocessor(blocks, f, threads, shared);
}

CUEMU_API CUresult cuOccupancyMaxPotentialBlockSize(int* grid, int* block, CUfunction f,
                                                    CUoccupancyB2DSize sizeOfShared, size_t shared, int limit) {
    return inContext([&](Driver&, CUctx_st&) {
        int best = 0, most = int(f->program->maxThreads);
        if (limit) most = std::min(most, limit);
        for (int threads = most / 32 * 32; threads >= 32; threads -= 32) {
            int blocks = blocksPerProcessor(*f, threads, sizeOfShared ? sizeOfShared(threads) : shared);
            if (blocks * threads > best) {
                best = blocks * threads;
                *block = threads;
                *grid = 2 * blocks;
            }
        }
        return best ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    });
}
CUEMU_API CUresult cuOccupancyMaxPotentialBlockSizeWithFlags(int* grid, int* block, CUfunction f,
                                                             CUoccupancyB2DSize size, size_t shared, int limit,
                                                             unsigned) {
    return cuOccupancyMaxPotentialBlockSize(grid, block, f, size, shared, limit);
}

// As it was before CUDA 4.

CUEMU_API CUresult cuFuncSetBlockShape(CUfunction f, int x, int y, int z) {
    const unsigned block[] = {unsigned(x), unsigned(y), unsigned(z)};
    std::copy(block, block + 3, f->block);
    return CUDA_SUCCESS;
}
CUEMU_API CUresult cuFuncSetSharedSize(CUfunction f, unsigned bytes) {
    f->dynamicShared = bytes;
    return CUDA_SUCCESS;
}
CUEMU_API CUresult cuParamSetSize(CUfunction f, unsigned bytes) {
    f->parameters.resize(bytes);
    return CUDA_SUCCESS;
}
CUEMU_API CUresult cuParamSeti(CUfunction f, int offset, unsigned value) {
    putParameter(f, offset, &value, sizeof value);
    return CUDA_SUCCESS;
}
CUEMU_API CUresult cuParamSetf(CUfunction f, int offset, float value) {
    putParameter(f, offset, &value, sizeof value);
    return CUDA_SUCCESS;
}
CUEMU_API CUresult cuParamSetv(CUfunction f, int offset, void* data, unsigned bytes) {
    putParameter(f, offset, data, bytes);
    return CUDA_SUCCESS;
}
CUEMU_API CUresult cuLaunchGridAsync(CUfunction f, int width, int height, CUstream stream) {
    return inContext([&](Driver& driver, CUctx_st& context) {
        auto launch =
            shaped(unsigned(width), unsigned(height), 1, f->block[0], f->block[1], f->block[2], f->dynamicShared);
        launch->parameters = f->parameters;
        return launchKernel(driver, context, *f, launch, stream);
    });
}
CUEMU_API CUresult cuLaunchGrid(CUfunction f, int width, int height) {
    return cuLaunchGridAsync(f, width, height, nullptr);
}
CUEMU_API CUresult cuLaunch(CUfunction f) { return cuLaunchGridAsync(f, 1, 1, nullptr); }
