// Max- and average pooling of dense (planes, z, y, x) arrays, with fixed and with adaptive windows, and their derivatives.
// A thread makes one element of the result from all that it depends on, neighbours side by side; only the scattering by
// given positions adds atomically.
#include "atomic.cuh"
#include "position.cuh"

// Missing leading dims have size 1. Windows are adaptive where kernel[0] is 0. Counts within a plane have 32 bits.
struct Pool { i64 planes, pixels, positions, size[3], kernel[3], stride[3], padding[3], dilation[3], out[3], count_padding; };

// Input coordinates begin <= i < end in steps under an output position along one dim; how many an average counts.
struct Window { i32 begin, end, step, count; };

__device__ __forceinline__ Window window_at(const Pool& s, int d, i32 o) {
    Window w;
    if (s.kernel[0] == 0) {
        w.begin = (i32)(o * s.size[d] / s.out[d]);
        w.end = (i32)(((o + 1) * s.size[d] + s.out[d] - 1) / s.out[d]);
        w.step = 1;
        w.count = w.end - w.begin;
        return w;
    }
    i64 start = o * s.stride[d] - s.padding[d], step = s.dilation[d], size = s.size[d];
    i64 end = min(start + (s.kernel[d] - 1) * step + 1, size + s.padding[d]);
    i64 begin = start >= 0 ? start : start + (step - 1 - start) / step * step, last = min(end, size);
    w.begin = (i32)min(begin, size);
    w.end = (i32)last;
    w.step = (i32)step;
    w.count = (i32)(s.count_padding ? end - start : last - begin);
    return w;
}

struct Box { Window z, y, x; };
__device__ __forceinline__ Box box_at(const Pool& s, u32 position) {
    u32 width = (u32)s.out[2], height = (u32)s.out[1], line = position / width;
    Box b = {window_at(s, 0, (i32)(line / height)), window_at(s, 1, (i32)(line % height)),
             window_at(s, 2, (i32)(position % width))};
    return b;
}
#define FOR_BOX(b, z, r, c) \
    for (i32 z = b.z.begin; z < b.z.end; z += b.z.step) \
        for (i32 r = b.y.begin; r < b.y.end; r += b.y.step) \
            for (i32 c = b.x.begin; c < b.x.end; c += b.x.step)

// NaN wins; where nothing beats -inf, the first place inside the input does; -1 where there is none.
template <class T> __device__ __forceinline__ void max_pool(T* out, i64* where, const T* x, const Pool& s) {
    FOR_GRID(i, s.planes * s.positions) {
        i64 plane = i / s.positions, best = -1;
        const T* from = x + plane * s.pixels;
        Box b = box_at(s, (u32)(i - plane * s.positions));
        T top = lowest<T>();
        FOR_BOX(b, z, r, c) {
            i64 at = (z * s.size[1] + r) * s.size[2] + c;
            T v = from[at];
            if (best < 0 || v > top || v != v) { top = v; best = at; }
        }
        out[i] = top;
        where[i] = best;
    }
}
template <class T> __device__ __forceinline__ void avg_pool(T* out, const T* x, const Pool& s) {
    FOR_GRID(i, s.planes * s.positions) {
        i64 plane = i / s.positions;
        const T* from = x + plane * s.pixels;
        Box b = box_at(s, (u32)(i - plane * s.positions));
        T total = 0;
        FOR_BOX(b, z, r, c) total += from[(z * s.size[1] + r) * s.size[2] + c];
        out[i] = total / (T)((i64)b.z.count * b.y.count * b.x.count);
    }
}

// The output positions whose windows hold an input coordinate along one dim; windows of averages have no gaps.
__device__ __forceinline__ Window holders_of(const Pool& s, int d, i64 at) {
    Window w;
    i64 last;
    if (s.kernel[0] == 0) {
        w.begin = (i32)(at * s.out[d] / s.size[d]);
        last = ((at + 1) * s.out[d] + s.size[d] - 1) / s.size[d] - 1;
    } else {
        i64 reach = at + s.padding[d] - s.kernel[d];        // windows that begin there end just before
        w.begin = (i32)(reach < 0 ? 0 : reach / s.stride[d] + 1);
        last = (at + s.padding[d]) / s.stride[d];
    }
    w.end = (i32)min(last + 1, s.out[d]);
    w.step = 1;
    w.count = 0;
    return w;
}
template <class T> __device__ __forceinline__ void avg_pool_grad(T* out, const T* g, const Pool& s) {
    FOR_GRID(i, s.planes * s.pixels) {
        i64 plane = i / s.pixels;
        const T* from = g + plane * s.positions;
        u32 pixel = (u32)(i - plane * s.pixels), width = (u32)s.size[2], height = (u32)s.size[1], line = pixel / width;
        Box b = {holders_of(s, 0, line / height), holders_of(s, 1, line % height), holders_of(s, 2, pixel % width)};
        T total = 0;
        FOR_BOX(b, z, r, c) {
            i64 count = (i64)window_at(s, 0, z).count * window_at(s, 1, r).count * window_at(s, 2, c).count;
            total += from[(z * s.out[1] + r) * s.out[2] + c] / (T)count;
        }
        out[i] = total;
    }
}

// Values moved between planes of pixels and the places that positions name there. Where `gaps`, -1 names none.
enum { ADD, PUT, TAKE };
template <class T> __device__ __forceinline__ void move(T* out, const T* x, const i64* where, i64 n, i64 positions, i64 pixels,
                                                        int how, int gaps, Fault* fault, i64 code) {
    FOR_GRID(i, n) {
        i64 at = where[i], plane = i / positions * pixels;
        bool there = !(gaps && at == -1) && inside(at, 0, pixels, fault, code);
        if (how == TAKE) out[i] = there ? x[plane + at] : (T)0;
        else if (there && how == ADD) add_atomic(out + plane + at, x[i]);
        else if (there) out[plane + at] = x[i];
    }
}

#define POOLS(name, T) \
    KERNEL max_pool_##name(T* out, i64* where, const T* x, const Pool s) { max_pool(out, where, x, s); } \
    KERNEL avg_pool_##name(T* out, const T* x, const Pool s) { avg_pool(out, x, s); } \
    KERNEL avg_pool_grad_##name(T* out, const T* g, const Pool s) { avg_pool_grad(out, g, s); } \
    KERNEL move_##name(T* out, const T* x, const i64* where, i64 n, i64 positions, i64 pixels, i32 how, i32 gaps, \
                       Fault* fault, i64 code) { move(out, x, where, n, positions, pixels, how, gaps, fault, code); }
FOR_REALS(POOLS)
