// Steps of the optimizers, in place, in one pass. t[0] is the parameter, t[1] its gradient, then the state, all dense; k
// holds the numbers in the order of the drivers' arguments. Each element is read and written once: what is needed again stays
// in a variable, as pointers might be equal for all that the compiler knows.
#include "common.cuh"

struct Step { u64 t[5]; double k[6]; };

#define STATE(name, place) T* name = (T*)s.t[place];
#define NUMBER(name, place) const T name = (T)s.k[place];
#define DECAYED(decay) (g[i] + (decay) * w)

template <class T> __device__ __forceinline__ void sgd(i64 n, const Step& s) {
    STATE(p, 0) STATE(g, 1) STATE(buffer, 2)
    NUMBER(lr, 0) NUMBER(momentum, 1) NUMBER(decay, 3)
    const T fresh = (T)(1 - s.k[2]);
    FOR_GRID(i, n) {
        T w = p[i], d = g[i];
        if (decay != 0) g[i] = d = DECAYED(decay);      // the gradient itself is changed, as it always was
        if (buffer) {
            T b = s.k[5] != 0 ? d : momentum * buffer[i] + fresh * d;
            buffer[i] = b;
            d = s.k[4] != 0 ? d + momentum * b : b;
        }
        p[i] = w - lr * d;
    }
}
template <class T> __device__ __forceinline__ void adam(i64 n, const Step& s) {
    STATE(p, 0) STATE(g, 1) STATE(m, 2) STATE(v, 3)
    NUMBER(rate, 0) NUMBER(b1, 1) NUMBER(b2, 2) NUMBER(eps, 3) NUMBER(decay, 4)
    const T c1 = (T)(1 - s.k[1]), c2 = (T)(1 - s.k[2]);
    FOR_GRID(i, n) {
        T w = p[i], d = DECAYED(decay);
        T mean = b1 * m[i] + c1 * d, square = b2 * v[i] + c2 * d * d;
        m[i] = mean;
        v[i] = square;
        p[i] = w - rate * mean / (sqrt(square) + eps);
    }
}
template <class T> __device__ __forceinline__ void adamax(i64 n, const Step& s) {
    STATE(p, 0) STATE(g, 1) STATE(m, 2) STATE(u, 3)
    NUMBER(rate, 0) NUMBER(b1, 1) NUMBER(b2, 2) NUMBER(eps, 3) NUMBER(decay, 4)
    const T c1 = (T)(1 - s.k[1]);
    FOR_GRID(i, n) {
        T w = p[i], d = DECAYED(decay), a = b2 * u[i], b = fabs(d) + eps, mean = b1 * m[i] + c1 * d, largest = b > a ? b : a;
        m[i] = mean;
        u[i] = largest;
        p[i] = w - rate * mean / largest;
    }
}
template <class T> __device__ __forceinline__ void adagrad(i64 n, const Step& s) {
    STATE(p, 0) STATE(g, 1) STATE(total, 2)
    NUMBER(rate, 0) NUMBER(decay, 1)
    FOR_GRID(i, n) {
        T w = p[i], d = DECAYED(decay), sum = total[i] + d * d;
        total[i] = sum;
        p[i] = w - rate * d / (sqrt(sum) + (T)1e-10);
    }
}
template <class T> __device__ __forceinline__ void adadelta(i64 n, const Step& s) {
    STATE(p, 0) STATE(g, 1) STATE(v, 2) STATE(acc, 3)
    NUMBER(lr, 0) NUMBER(rho, 1) NUMBER(eps, 2) NUMBER(decay, 3)
    const T fresh = (T)(1 - s.k[1]);
    FOR_GRID(i, n) {
        T w = p[i], d = DECAYED(decay), square = rho * v[i] + fresh * d * d, steps = acc[i];
        v[i] = square;
        d = sqrt(steps + eps) / sqrt(square + eps) * d;
        acc[i] = rho * steps + fresh * d * d;
        p[i] = w - lr * d;
    }
}
template <class T> __device__ __forceinline__ void rmsprop(i64 n, const Step& s) {
    STATE(p, 0) STATE(g, 1) STATE(v, 2) STATE(mean, 3) STATE(buffer, 4)
    NUMBER(lr, 0) NUMBER(alpha, 1) NUMBER(eps, 2) NUMBER(decay, 3) NUMBER(momentum, 4)
    const T fresh = (T)(1 - s.k[1]);
    FOR_GRID(i, n) {
        T w = p[i], d = DECAYED(decay), square = alpha * v[i] + fresh * d * d;
        v[i] = square;
        if (mean) {
            T center = alpha * mean[i] + fresh * d;
            mean[i] = center;
            square -= center * center;
        }
        d = d / (sqrt(square) + eps);
        if (buffer) buffer[i] = d = momentum * buffer[i] + d;
        p[i] = w - lr * d;
    }
}
template <class T> __device__ __forceinline__ void asgd(i64 n, const Step& s) {
    STATE(p, 0) STATE(g, 1) STATE(ax, 2)
    NUMBER(eta, 1) NUMBER(mu, 2) NUMBER(decay, 3)
    const T keep = (T)(1 - s.k[0] * s.k[1]);
    FOR_GRID(i, n) {
        T w = p[i], value = keep * w - eta * DECAYED(decay), average = ax[i];
        p[i] = value;
        ax[i] = mu == 1 ? value : average + mu * (value - average);
    }
}
template <class T> __device__ __forceinline__ void rprop(i64 n, const Step& s) {
    STATE(p, 0) STATE(g, 1) STATE(prev, 2) STATE(size, 3)
    NUMBER(less, 0) NUMBER(more, 1) NUMBER(least, 2) NUMBER(most, 3)
    FOR_GRID(i, n) {
        T grad = g[i], turn = grad * prev[i], step = size[i] * (turn > 0 ? more : turn < 0 ? less : (T)1);
        T d = turn < 0 ? (T)0 : grad;
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
