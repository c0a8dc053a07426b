// Losses of one element each, and of class indices: what each place contributes, and the derivatives.
#include "position.cuh"

enum { MSE, L1, SMOOTH_L1, BCE, KL_DIV, SOFT_MARGIN, HINGE_EMBEDDING, BCE_LOGITS };       // as in ops/loss.py

template <class T> __device__ __forceinline__ T sigmoid(T x) { return 1 / (1 + exp(-x)); }
template <class T> __device__ __forceinline__ T value(int what, T x, T t, T margin) {
    T d = x - t, a = fabs(d);
    switch (what) {
        case MSE: return d * d;
        case L1: return a;
        case SMOOTH_L1: return a < 1 ? (T)0.5 * d * d : a - (T)0.5;
        case BCE: return -(log(x + (T)1e-12) * t + log(1 - x + (T)1e-12) * (1 - t));
        case KL_DIV: return t > 0 ? t * (log(t) - x) : (T)0;
        case SOFT_MARGIN: d = -x * t; return (d > 0 ? d : (T)0) + log1p(exp(-fabs(d)));
        case BCE_LOGITS: return (x > 0 ? x : (T)0) - x * t + log1p(exp(-fabs(x)));
    }
    d = margin - x;
    return (t == -1 ? (T)0 : x) + (t == 1 || d < 0 ? (T)0 : d);
}
template <class T> __device__ __forceinline__ T slope(int what, T x, T t, T margin) {
    T d = x - t;
    switch (what) {
        case MSE: return 2 * d;
        case L1: return d >= 0 ? (T)1 : (T)-1;
        case SMOOTH_L1: return d < -1 ? (T)-1 : d > 1 ? (T)1 : d;
        case BCE: return d / ((1 - x + (T)1e-12) * (x + (T)1e-12));
        case KL_DIV: return t > 0 ? -t : (T)0;
        case SOFT_MARGIN: return -t * sigmoid(-x * t);
        case BCE_LOGITS: return sigmoid(x) - t;
    }
    return t == -1 && x > margin ? (T)0 : t;
}
// `g` is the gradient of the one number that the loss is, or NULL: then values are wanted, and x is checked.
template <class T> __device__ __forceinline__ void loss(T* out, const T* x, const T* t, const T* w, const T* g, i64 n, int what,
                                                        double margin, double divisor, Fault* fault, i64 code) {
    FOR_GRID(i, n) {
        if (what == BCE && !g && !(x[i] >= 0 && x[i] <= 1)) note(fault, code);
        T v = g ? slope(what, x[i], t[i], (T)margin) * (*g / (T)divisor) : value(what, x[i], t[i], (T)margin);
        out[i] = w ? v * w[i] : v;
    }
}

// x is (batch, classes, inner): the term and the weight of each place.
template <class T> __device__ __forceinline__ void nll(T* terms, T* weights, const T* x, const i64* target, const T* w, i64 places,
                                                       i64 classes, i64 inner, i64 ignore, Fault* fault, i64 code) {
    FOR_GRID(i, places) {
        i64 t = target[i];
        bool counts = t != ignore && inside(t, 0, classes, fault, code);
        T weight = !counts ? (T)0 : w ? w[t] : (T)1;
        terms[i] = counts ? -weight * x[(i / inner * classes + t) * inner + i % inner] : (T)0;
        weights[i] = weight;
    }
}
// `total` is the sum of the weights, or NULL.
template <class T> __device__ __forceinline__ void nll_grad(T* out, const T* g, const T* total, const i64* target, const T* w,
                                                            i64 places, i64 classes, i64 inner, i64 ignore, Fault* fault,
                                                            i64 code) {
    T scale = total ? (*total != 0 ? *g / *total : (T)0) : *g;
    FOR_GRID(i, places) {
        i64 t = target[i];
        if (t != ignore && inside(t, 0, classes, fault, code))
            out[(i / inner * classes + t) * inner + i % inner] = -(w ? w[t] : (T)1) * scale;
    }
}

#define LOSSES(name, T) \
    KERNEL loss_##name(T* out, const T* x, const T* t, const T* w, const T* g, i64 n, i32 what, double margin, \
                       double divisor, Fault* fault, i64 code) { \
        loss(out, x, t, w, g, n, what, margin, divisor, fault, code); } \
    KERNEL nll_##name(T* terms, T* weights, const T* x, const i64* target, const T* w, i64 places, i64 classes, i64 inner, \
                      i64 ignore, Fault* fault, i64 code) { \
        nll(terms, weights, x, target, w, places, classes, inner, ignore, fault, code); } \
    KERNEL nll_grad_##name(T* out, const T* g, const T* total, const i64* target, const T* w, i64 places, i64 classes, \
                           i64 inner, i64 ignore, Fault* fault, i64 code) { \
        nll_grad(out, g, total, target, w, places, classes, inner, ignore, fault, code); }
FOR_REALS(LOSSES)
