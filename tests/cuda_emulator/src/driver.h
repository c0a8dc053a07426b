// The objects behind the handles of the CUDA driver API, and the order in which the work given to streams is done.
#pragma once
#define CUDA_ENABLE_DEPRECATED
#include <cuda.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>

#include "device_memory.h"
#include "launch.h"

#define CUEMU_API extern "C" __attribute__((visibility("default")))

namespace cuemu {

// A piece of work in a stream. It is done when somebody waits for it, not before; then all that it comes after is
// done first.
struct Work {
    std::function<CUresult()> run;
    vector<std::shared_ptr<Work>> after;
    CUctx_st* context = nullptr;
    bool done = false;
    std::chrono::steady_clock::time_point time;
};
using WorkPtr = std::shared_ptr<Work>;

}  // namespace cuemu

struct CUstream_st {
    CUctx_st* context = nullptr;
    unsigned flags = 0;
    int priority = 0, polls = 0;
    cuemu::WorkPtr tail;
};

struct CUctx_st {
    int device = 0;
    bool primary = false;
    unsigned flags = 0;
    int references = 0;
    CUresult sticky = CUDA_SUCCESS;  // after a fault in a kernel nothing works any more
    cuemu::u64 peers = 0;            // a bit for each device
    std::set<CUstream_st*> streams;
    std::set<CUmod_st*> modules;
    cuemu::WorkPtr legacyTail;
    std::unique_ptr<CUstream_st> perThread;
    std::map<int, size_t> limits;
};

struct CUevent_st {
    CUctx_st* context = nullptr;
    unsigned flags = 0;
    int polls = 0;
    cuemu::WorkPtr record;
};

struct CUfunc_st {
    CUmod_st* module;
    std::string name;
    std::unique_ptr<cuemu::Program> program;
    int maxDynamicShared = 48 << 10, carveout = -1;
    // What the calls before CUDA 4 set piece by piece.
    unsigned block[3] = {1, 1, 1}, dynamicShared = 0;
    std::vector<unsigned char> parameters;
};

struct CUmod_st {
    CUctx_st* context;
    std::shared_ptr<cuemu::ptx::Module> ptx;
    cuemu::Symbols symbols;
    std::map<std::string, std::unique_ptr<CUfunc_st>> functions;
};

namespace cuemu {

struct Driver {
    std::recursive_mutex mutex;
    int count = 0, capability = 75;
    bool eager = false;
    vector<CUctx_st> primary;
    std::set<CUctx_st*> contexts;
    std::set<CUevent_st*> events;
    std::unique_ptr<DeviceMemory> memory;
    std::mt19937_64 random;
    u64 launches = 0;

    static Driver* get();  // null before cuInit, and in a forked child, which no CUDA driver serves
    static CUresult init();
    bool valid(CUdevice device) const { return device >= 0 && device < count; }
};

CUctx_st* currentContext();
vector<CUctx_st*>& contextStack();

// Puts work at the end of a stream; null, 1 and 2 are the default ones. `also` comes before it too.
WorkPtr submit(CUctx_st& context, CUstream stream, std::function<CUresult()> run, WorkPtr also = nullptr);
CUresult finish(const WorkPtr& work);
CUresult finishStream(CUctx_st& context, CUstream stream);
CUresult finishContext(CUctx_st& context);
bool knownStream(CUctx_st& context, CUstream stream);

// Faults are told on stderr, in the file CUEMU_REPORT names, and by cuemuLastReport.
void report(const string& text);
void countLaunch(const string& kernel, const Counters& counters);

// Runs the body of an API function under the lock, and turns a Fault into a result.
template <class F> CUresult guarded(F body) {
    Driver* driver = Driver::get();
    if (!driver) return CUDA_ERROR_NOT_INITIALIZED;
    std::lock_guard<std::recursive_mutex> lock(driver->mutex);
    try {
        return body(*driver);
    } catch (const Fault& fault) {
        report(fault.what());
        return CUresult(fault.status);
    } catch (const std::bad_alloc&) {
        return CUDA_ERROR_OUT_OF_MEMORY;
    } catch (const std::exception& error) {
        report(error.what());
        return CUDA_ERROR_UNKNOWN;
    }
}

template <class F> CUresult inContext(F body) {
    return guarded([&](Driver& driver) {
        CUctx_st* context = currentContext();
        if (!context) return CUDA_ERROR_INVALID_CONTEXT;
        if (context->sticky) return context->sticky;
        return body(driver, *context);
    });
}

}  // namespace cuemu
