// Streams and events. Nothing runs until somebody waits; who only asks gets "not ready" once, so that polling ends
// all the same.
#include "driver.h"

using namespace cuemu;

namespace {

CUresult createStream(CUstream* out, unsigned flags, int priority) {
    return inContext([&](Driver&, CUctx_st& context) {
        auto* stream = new CUstream_st();
        stream->context = &context;
        stream->flags = flags;
        stream->priority = priority;
        context.streams.insert(stream);
        *out = stream;
        return CUDA_SUCCESS;
    });
}

CUresult poll(CUctx_st& context, const WorkPtr& work, int& polls) {
    if (!work || work->done) return context.sticky;
    if (++polls < 2) return CUDA_ERROR_NOT_READY;
    polls = 0;
    return finish(work);
}

template <class F> CUresult withEvent(CUevent event, F body) {
    return inContext([&](Driver& driver, CUctx_st& context) {
        return driver.events.count(event) ? body(driver, context) : CUDA_ERROR_INVALID_HANDLE;
    });
}

}  // namespace

CUEMU_API CUresult cuStreamCreate(CUstream* out, unsigned flags) { return createStream(out, flags, 0); }
CUEMU_API CUresult cuStreamCreateWithPriority(CUstream* out, unsigned flags, int priority) {
    return createStream(out, flags, priority);
}

CUEMU_API CUresult cuStreamDestroy(CUstream stream) {
    return guarded([&](Driver& driver) {
        for (auto* context : driver.contexts)
            if (context->streams.count(stream)) {
                CUresult result = finish(stream->tail);
                context->streams.erase(stream);
                delete stream;
                return result;
            }
        return CUDA_ERROR_INVALID_HANDLE;
    });
}

CUEMU_API CUresult cuStreamSynchronize(CUstream stream) {
    return inContext([&](Driver&, CUctx_st& context) { return finishStream(context, stream); });
}

CUEMU_API CUresult cuStreamQuery(CUstream stream) {
    return inContext([&](Driver&, CUctx_st& context) {
        if (!knownStream(context, stream)) return CUDA_ERROR_INVALID_HANDLE;
        static int defaultPolls = 0;
        if (u64(stream) <= 2) {
            CUresult result = poll(context, context.legacyTail, defaultPolls);
            return result ? result : finishStream(context, stream);
        }
        return poll(context, stream->tail, stream->polls);
    });
}

CUEMU_API CUresult cuStreamGetFlags(CUstream stream, unsigned* flags) {
    return inContext([&](Driver&, CUctx_st& context) {
        if (!knownStream(context, stream)) return CUDA_ERROR_INVALID_HANDLE;
        *flags = u64(stream) <= 2 ? 0 : stream->flags;
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuStreamGetPriority(CUstream stream, int* priority) {
    return inContext([&](Driver&, CUctx_st& context) {
        if (!knownStream(context, stream)) return CUDA_ERROR_INVALID_HANDLE;
        *priority = u64(stream) <= 2 ? 0 : stream->priority;
        return CUDA_SUCCESS;
    });
}

// Of the attributes of streams, the priority.
CUEMU_API CUresult cuStreamSetAttribute(CUstream stream, CUstreamAttrID which, const CUstreamAttrValue* value) {
    return inContext([&](Driver&, CUctx_st& context) {
        if (!knownStream(context, stream) || u64(stream) <= 2) return CUDA_ERROR_INVALID_HANDLE;
        if (which != CU_STREAM_ATTRIBUTE_PRIORITY) return CUDA_ERROR_NOT_SUPPORTED;
        stream->priority = value->priority;
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuStreamGetCtx(CUstream stream, CUcontext* out) {
    return inContext([&](Driver&, CUctx_st& context) {
        if (!knownStream(context, stream)) return CUDA_ERROR_INVALID_HANDLE;
        *out = u64(stream) <= 2 ? &context : stream->context;
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned) {
    return withEvent(event, [&](Driver&, CUctx_st& context) {
        if (event->record && !event->record->done) submit(context, stream, nullptr, event->record);
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuStreamAttachMemAsync(CUstream, CUdeviceptr, size_t, unsigned) { return CUDA_SUCCESS; }

CUEMU_API CUresult cuStreamAddCallback(CUstream stream, CUstreamCallback callback, void* data, unsigned) {
    return inContext([&](Driver&, CUctx_st& context) {
        submit(context, stream, [=] {
            callback(stream, CUDA_SUCCESS, data);
            return CUDA_SUCCESS;
        });
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuLaunchHostFunc(CUstream stream, CUhostFn function, void* data) {
    return inContext([&](Driver&, CUctx_st& context) {
        submit(context, stream, [=] {
            function(data);
            return CUDA_SUCCESS;
        });
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuEventCreate(CUevent* out, unsigned flags) {
    return inContext([&](Driver& driver, CUctx_st& context) {
        auto* event = new CUevent_st();
        event->context = &context;
        event->flags = flags;
        driver.events.insert(event);
        *out = event;
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuEventDestroy(CUevent event) {
    return guarded([&](Driver& driver) {
        if (!driver.events.erase(event)) return CUDA_ERROR_INVALID_HANDLE;
        delete event;
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuEventRecord(CUevent event, CUstream stream) {
    return withEvent(event, [&](Driver&, CUctx_st& context) {
        bool standard = u64(stream) <= 2;
        if (!knownStream(context, stream)) return CUDA_ERROR_INVALID_HANDLE;
        if (event->context != (standard ? &context : stream->context)) return CUDA_ERROR_INVALID_HANDLE;
        event->record = submit(context, stream, nullptr);
        event->polls = 0;
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuEventQuery(CUevent event) {
    return withEvent(event, [&](Driver&, CUctx_st&) { return poll(*event->context, event->record, event->polls); });
}

CUEMU_API CUresult cuEventSynchronize(CUevent event) {
    return withEvent(event, [&](Driver&, CUctx_st&) { return finish(event->record); });
}

CUEMU_API CUresult cuEventElapsedTime(float* milliseconds, CUevent start, CUevent end) {
    return withEvent(start, [&](Driver& driver, CUctx_st&) {
        if (!driver.events.count(end)) return CUDA_ERROR_INVALID_HANDLE;
        if (!start->record || !end->record || ((start->flags | end->flags) & CU_EVENT_DISABLE_TIMING))
            return CUDA_ERROR_INVALID_HANDLE;
        if (!start->record->done || !end->record->done) return CUDA_ERROR_NOT_READY;
        *milliseconds = std::chrono::duration<float, std::milli>(end->record->time - start->record->time).count();
        return CUDA_SUCCESS;
    });
}
#undef cuEventElapsedTime
CUEMU_API CUresult cuEventElapsedTime(float* milliseconds, CUevent start, CUevent end) {
    return cuEventElapsedTime_v2(milliseconds, start, end);
}
