// Steps of the optimizers, in place, in one pass. t[0] is the parameter, t[1] its gradient, then the state, all dense; k
// holds the numbers in the order of the drivers' arguments.
#include "common.cuh"

struct Step { u64 t[5]; double k[6]; };

#define STATE(name, place) T* name = (T*)s.t[place];
#define NUMBER(name, place) const T name = (T)s.k[place];
#define DECAYED(decay) (g[i] + (decay) * p[i])

template <class T> __device__ __forceinline__ void sgd(i64 n, const Step& s) {
    STATE(p, 0) STATE(g, 1) STATE(buffer, 2)
    NUMBER(lr, 0) NUMBER(momentum, 1) NUMBER(decay, 3)
    const T fresh = (T)(1 - s.k[2]);
    FOR_GRID(i, n) {
        T d = g[i];
        if (decay != 0) g[i] = d = DECAYED(decay);      // the gradient itself is changed, as it always was
        if (buffer) {
            T b = s.k[5] != 0 ? d : momentum * buffer[i] + fresh * d;
            buffer[i] = b;
            d = s.k[4] != 0 ? d + momentum * b : b;
        }
        p[i] -= lr * d;
    }
}
template <class T> __device__ __forceinline__ void adam(i64 n, const Step& s) {
    STATE(p, 0) STATE(g, 1) STATE(m, 2) STATE(v, 3)
    NUMBER(rate, 0) NUMBER(b1, 1) NUMBER(b2, 2) NUMBER(eps, 3) NUMBER(decay, 4)
    const T c1 = (T)(1 - s.k[1]), c2 = (T)(1 - s.k[2]);
    FOR_GRID(i, n) {
        T d = DECAYED(decay);
        m[i] = b1 * m[i] + c1 * d;
        v[i] = b2 * v[i] + c2 * d * d;
        p[i] -= rate * m[i] / (sqrt(v[i]) + eps);
    }
}
template <class T> __device__ __forceinline__ void adamax(i64 n, const Step& s) {
    STATE(p, 0) STATE(g, 1) STATE(m, 2) STATE(u, 3)
    NUMBER(rate, 0) NUMBER(b1, 1) NUMBER(b2, 2) NUMBER(eps, 3) NUMBER(decay, 4)
    const T c1 = (T)(1 - s.k[1]);
    FOR_GRID(i, n) {
        T d = DECAYED(decay), a = b2 * u[i], b = fabs(d) + eps;
        m[i] = b1 * m[i] + c1 * d;
        u[i] = b > a ? b : a;
        p[i] -= rate * m[i] / u[i];
    }
}
template <class T> __device__ __forceinline__ void adagrad(i64 n, const Step& s) {
    STATE(p, 0) STATE(g, 1) STATE(total, 2)
    NUMBER(rate, 0) NUMBER(decay, 1)
    FOR_GRID(i, n) {
        T d = DECAYED(decay);
        total[i] += d * d;
        p[i] -= rate * d / (sqrt(total[i]) + (T)1e-10);
    }
}
template <class T> __device__ __forceinline__ void adadelta(i64 n, const Step& s) {
    STATE(p, 0) STATE(g, 1) STATE(v, 2) STATE(acc, 3)
    NUMBER(lr, 0) NUMBER(rho, 1) NUMBER(eps, 2) NUMBER(decay, 3)
    const T fresh = (T)(1 - s.k[1]);
    FOR_GRID(i, n) {
        T d = DECAYED(decay);
        v[i] = rho * v[i] + fresh * d * d;
        d = sqrt(acc[i] + eps) / sqrt(v[i] + eps) * d;
        acc[i] = rho * acc[i] + fresh * d * d;
        p[i] -= lr * d;
    }
}
template <class T> __device__ __forceinline__ void rmsprop(i64 n, const Step& s) {
    STATE(p, 0) STATE(g, 1) STATE(v, 2) STATE(mean, 3) STATE(buffer, 4)
    NUMBER(lr, 0) NUMBER(alpha, 1) NUMBER(eps, 2) NUMBER(decay, 3) NUMBER(momentum, 4)
    const T fresh = (T)(1 - s.k[1]);
    FOR_GRID(i, n) {
        T d = DECAYED(decay);
        v[i] = alpha * v[i] + fresh * d * d;
        if (mean) {
            mean[i] = alpha * mean[i] + fresh * d;
            d = d / (sqrt(v[i] - mean[i] * mean[i]) + eps);
        } else {
            d = d / (sqrt(v[i]) + eps);
        }
        if (buffer) d = buffer[i] = momentum * buffer[i] + d;
        p[i] -= lr * d;
    }
}
template <class T> __device__ __forceinline__ void asgd(i64 n, const Step& s) {
    STATE(p, 0) STATE(g, 1) STATE(ax, 2)
    NUMBER(eta, 1) NUMBER(mu, 2) NUMBER(decay, 3)
    const T keep = (T)(1 - s.k[0] * s.k[1]);
    FOR_GRID(i, n) {
        T d = DECAYED(decay);
        p[i] = keep * p[i] - eta * d;
        ax[i] = mu == 1 ? p[i] : ax[i] + mu * (p[i] - ax[i]);
    }
}
template <class T> __device__ __forceinline__ void rprop(i64 n, const Step& s) {
    STATE(p, 0) STATE(g, 1) STATE(prev, 2) STATE(size, 3)
    NUMBER(less, 0) NUMBER(more, 1) NUMBER(least, 2) NUMBER(most, 3)
    FOR_GRID(i, n) {
        T turn = g[i] * prev[i], step = size[i] * (turn > 0 ? more : turn < 0 ? less : (T)1), d = turn < 0 ? (T)0 : g[i];
        step = step < least ? least : step > most ? most : step;
        size[i] = step;
        prev[i] = d;
        p[i] -= d > 0 ? step : d < 0 ? -step : (T)0;
    }
}

#define STEP(op, name, T) KERNEL op##_##name(i64 n, const Step step) { op<T>(n, step); }
#define STEPS(name, T) STEP(sgd, name, T) STEP(adam, name, T) STEP(adamax, name, T) STEP(adagrad, name, T) \
    STEP(adadelta, name, T) STEP(rmsprop, name, T) STEP(asgd, name, T) STEP(rprop, name, T)
FOR_REALS(STEPS)
