// Initialisation, the order of work, and the reports.
#include <cstdio>
#include <cstdlib>
#include <algorithm>

#include <pthread.h>

#include "driver.h"

namespace cuemu {
namespace {

std::mutex reportMutex;
string lastReport;
std::map<string, Counters> statistics;
Driver* instance = nullptr;
bool forked = false;

u64 numberFrom(const char* name, u64 otherwise) {
    const char* text = std::getenv(name);
    return text && *text ? std::strtoull(text, nullptr, 0) : otherwise;
}

string statisticsText() {
    string text = "{";
    for (auto& entry : statistics)
        text += (text.size() > 1 ? ",\n \"" : "\"") + entry.first + "\": " + entry.second.json();
    return text + "}\n";
}

struct AtExit {
    ~AtExit() {
        const char* name = std::getenv("CUEMU_STATS");
        if (!name || statistics.empty()) return;
        if (FILE* file = std::fopen(name, "w")) {
            std::fputs(statisticsText().c_str(), file);
            std::fclose(file);
        }
    }
} atExit;

}  // namespace

Driver* Driver::get() { return forked ? nullptr : instance; }

CUresult Driver::init() {
    static std::mutex mutex;
    std::lock_guard<std::mutex> lock(mutex);
    if (forked) return CUDA_ERROR_NOT_INITIALIZED;
    if (instance) return CUDA_SUCCESS;
    int count = int(numberFrom("CUEMU_DEVICES", 2));
    if (count == 0 || std::getenv("CUEMU_NO_DEVICE")) return CUDA_ERROR_NO_DEVICE;
    auto driver = std::make_unique<Driver>();
    driver->count = std::min(count, 16);
    driver->capability = int(numberFrom("CUEMU_CAPABILITY", 75));
    const char* schedule = std::getenv("CUEMU_SCHEDULE");
    driver->eager = schedule && string(schedule) == "eager";
    driver->random.seed(numberFrom("CUEMU_SEED", 1));
    try {
        driver->memory = std::make_unique<DeviceMemory>(driver->count, numberFrom("CUEMU_MEMORY_MB", 2048) << 20);
    } catch (const Fault& fault) {
        report(fault.what());
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    driver->primary = vector<CUctx_st>(size_t(driver->count));
    for (int d = 0; d < driver->count; d++) {
        driver->primary[size_t(d)].device = d;
        driver->primary[size_t(d)].primary = true;
        driver->contexts.insert(&driver->primary[size_t(d)]);
    }
    instance = driver.release();
    pthread_atfork(nullptr, nullptr, [] { forked = true; });
    return CUDA_SUCCESS;
}

vector<CUctx_st*>& contextStack() {
    static thread_local vector<CUctx_st*> stack;
    return stack;
}

CUctx_st* currentContext() { return contextStack().empty() ? nullptr : contextStack().back(); }

static bool isLegacy(CUstream stream) { return !stream || stream == CU_STREAM_LEGACY; }

static CUstream_st& streamOf(CUctx_st& context, CUstream stream) {
    if (stream != CU_STREAM_PER_THREAD) return *stream;
    if (!context.perThread) {
        context.perThread = std::make_unique<CUstream_st>();
        context.perThread->context = &context;
    }
    return *context.perThread;
}

bool knownStream(CUctx_st& context, CUstream stream) {
    if (isLegacy(stream) || stream == CU_STREAM_PER_THREAD || context.streams.count(stream)) return true;
    for (CUctx_st* other : Driver::get()->contexts)
        if (other->streams.count(stream)) return true;
    return false;
}

WorkPtr submit(CUctx_st& current, CUstream stream, std::function<CUresult()> run, WorkPtr also) {
    if (!knownStream(current, stream))
        throw Fault(CUDA_ERROR_INVALID_HANDLE, "this is no stream, or it was destroyed");
    CUctx_st& context = isLegacy(stream) ? current : *streamOf(current, stream).context;
    auto work = std::make_shared<Work>();
    work->run = std::move(run);
    work->context = &context;
    auto comesAfter = [&](const WorkPtr& other) {
        if (other && !other->done) work->after.push_back(other);
    };
    comesAfter(also);
    if (isLegacy(stream)) {
        comesAfter(context.legacyTail);
        for (auto* s : context.streams)
            if (!(s->flags & CU_STREAM_NON_BLOCKING)) comesAfter(s->tail);
        if (context.perThread) comesAfter(context.perThread->tail);
        context.legacyTail = work;
    } else {
        CUstream_st& s = streamOf(current, stream);
        comesAfter(s.tail);
        if (!(s.flags & CU_STREAM_NON_BLOCKING)) comesAfter(context.legacyTail);
        s.tail = work;
        s.polls = 0;
    }
    if (Driver::get()->eager) finish(work);
    return work;
}

// Does what the work comes after, in an order by chance, then the work.
CUresult finish(const WorkPtr& wanted) {
    if (!wanted) return CUDA_SUCCESS;
    vector<WorkPtr> stack{wanted};
    while (!stack.empty()) {
        WorkPtr work = stack.back();
        if (work->done) {
            stack.pop_back();
            continue;
        }
        auto& after = work->after;
        after.erase(std::remove_if(after.begin(), after.end(), [](const WorkPtr& w) { return w->done; }),
                    after.end());
        if (!after.empty()) {
            std::shuffle(after.begin(), after.end(), Driver::get()->random);
            stack.insert(stack.end(), after.begin(), after.end());
            continue;
        }
        stack.pop_back();
        work->done = true;
        CUctx_st& context = *work->context;
        if (!context.sticky) {
            CUresult result = CUDA_SUCCESS;
            try {
                if (work->run) result = work->run();
            } catch (const Fault& fault) {
                report(fault.what());
                result = CUresult(fault.status);
            }
            if (result) context.sticky = result;
        }
        work->time = std::chrono::steady_clock::now();
        work->run = nullptr;
    }
    return wanted->context->sticky;
}

CUresult finishStream(CUctx_st& context, CUstream stream) {
    if (!knownStream(context, stream)) return CUDA_ERROR_INVALID_HANDLE;
    if (!isLegacy(stream)) return finish(streamOf(context, stream).tail);
    // Waiting for the default stream waits for those it waits for.
    finish(context.legacyTail);
    for (auto* s : context.streams)
        if (!(s->flags & CU_STREAM_NON_BLOCKING)) finish(s->tail);
    return context.sticky;
}

CUresult finishContext(CUctx_st& context) {
    vector<WorkPtr> all{context.legacyTail, context.perThread ? context.perThread->tail : nullptr};
    for (auto* s : context.streams) all.push_back(s->tail);
    std::shuffle(all.begin(), all.end(), Driver::get()->random);
    for (auto& work : all) finish(work);
    return context.sticky;
}

void report(const string& text) {
    std::lock_guard<std::mutex> lock(reportMutex);
    lastReport = text;
    const char* name = std::getenv("CUEMU_REPORT");
    if (name && *name) {
        if (FILE* file = std::fopen(name, "a")) {
            std::fprintf(file, "%s\n", text.c_str());
            std::fclose(file);
        }
    }
    if (!std::getenv("CUEMU_QUIET")) std::fprintf(stderr, "cuemu: %s\n", text.c_str());
}

void countLaunch(const string& kernel, const Counters& counters) {
    std::lock_guard<std::mutex> lock(reportMutex);
    statistics[kernel].add(counters);
}

}  // namespace cuemu

using namespace cuemu;

// What went wrong last, or an empty text.
CUEMU_API const char* cuemuLastReport() {
    static thread_local string kept;
    std::lock_guard<std::mutex> lock(reportMutex);
    kept = lastReport;
    return kept.c_str();
}

// Counters of every kernel since the start or the last reset, as JSON.
CUEMU_API const char* cuemuStats() {
    static thread_local string kept;
    std::lock_guard<std::mutex> lock(reportMutex);
    kept = statisticsText();
    return kept.c_str();
}

CUEMU_API void cuemuResetStats() {
    std::lock_guard<std::mutex> lock(reportMutex);
    statistics.clear();
}

// Lets contexts work again after a fault, which real ones never do: tests of many faults need one process.
CUEMU_API void cuemuClearFaults() {
    if (Driver* driver = Driver::get()) {
        std::lock_guard<std::recursive_mutex> lock(driver->mutex);
        for (auto* context : driver->contexts) context->sticky = CUDA_SUCCESS;
    }
    std::lock_guard<std::mutex> lock(reportMutex);
    lastReport.clear();
}

CUEMU_API CUresult cuInit(unsigned flags) { return flags ? CUDA_ERROR_INVALID_VALUE : Driver::init(); }
