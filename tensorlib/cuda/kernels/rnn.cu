// What a step of a recurrent layer does to each element between its matrix products: the gates, the new state, and the
// derivatives. A thread has one element of one sequence's state, all gates of it, neighbours side by side. x is the part of
// the input in the gates, `sums` that of the state; what is optional is NULL. Rows of gates lie in groups of n.
#include "common.cuh"

template <class T> __device__ __forceinline__ T sigmoid(T x) { return 1 / (1 + exp(-x)); }
template <class T> __device__ __forceinline__ T given(const T* p, i64 at) { return p ? p[at] : (T)0; }

// Sequences from `known` on join in this step, and began with the first states.
template <class T> struct Before {
    const T *kept, *first;
    i64 known;
    __device__ __forceinline__ T get(i64 row, i64 i) const { return row < known ? kept[i] : first[i]; }
};

// ---- LSTM: gates input, forget, cell, output ----

template <class T> __device__ __forceinline__ void lstm(const T* x, const T* sums, T* act, T* h, T* c, T* out, T* cells, i64 rows,
                                                        i64 n) {
    FOR_GRID(i, rows * n) {
        i64 r = i / n, j = i - r * n, of = r * 4 * n + j;
        T in = sigmoid(x[of] + sums[of]), forget = sigmoid(x[of + n] + sums[of + n]);
        T cell = tanh(x[of + 2 * n] + sums[of + 2 * n]), output = sigmoid(x[of + 3 * n] + sums[of + 3 * n]);
        T now = forget * c[i] + in * cell, state = output * tanh(now);
        c[i] = now;
        h[i] = out[i] = state;
        if (!act) continue;
        cells[i] = now;
        act[of] = in;
        act[of + n] = forget;
        act[of + 2 * n] = cell;
        act[of + 3 * n] = output;
    }
}

// From dh and dc of the state after: dgates of the sums of the gates, and dc of the cell before.
template <class T> __device__ __forceinline__ void lstm_grad(const T* act, const T* cells, const Before<T>& before, const T* dout,
                                                             const T* dact, const T* dcells, const T* dh, T* dc, T* dgates,
                                                             i64 rows, i64 n) {
    FOR_GRID(i, rows * n) {
        i64 r = i / n, j = i - r * n, of = r * 4 * n + j;
        T in = act[of], forget = act[of + n], cell = act[of + 2 * n], output = act[of + 3 * n], t = tanh(cells[i]);
        T d = dh[i] + given(dout, i), e = dc[i] + given(dcells, i) + d * output * (1 - t * t);
        dgates[of] = (e * cell + given(dact, of)) * (in * (1 - in));
        dgates[of + n] = (e * before.get(r, i) + given(dact, of + n)) * (forget * (1 - forget));
        dgates[of + 2 * n] = (e * in + given(dact, of + 2 * n)) * (1 - cell * cell);
        dgates[of + 3 * n] = (d * t + given(dact, of + 3 * n)) * (output * (1 - output));
        dc[i] = e * forget;
    }
}

// ---- GRU: gates reset, update, new; what is kept: reset, update, the hidden part of new, new ----

template <class T> __device__ __forceinline__ void gru(const T* x, const T* sums, const T* bias, T* act, T* h, T* out, i64 rows,
                                                       i64 n) {
    FOR_GRID(i, rows * n) {
        i64 r = i / n, j = i - r * n, of = r * 3 * n + j;
        T reset = sigmoid(x[of] + (sums[of] + given(bias, j)));
        T update = sigmoid(x[of + n] + (sums[of + n] + given(bias, n + j)));
        T hidden = sums[of + 2 * n] + given(bias, 2 * n + j), fresh = tanh(x[of + 2 * n] + reset * hidden);
        h[i] = out[i] = fresh + update * (h[i] - fresh);
        if (!act) continue;
        T* to = act + r * 4 * n + j;
        to[0] = reset;
        to[n] = update;
        to[2 * n] = hidden;
        to[3 * n] = fresh;
    }
}

// Derivatives of the parts of the input and of the hidden state; dh becomes what the state before gets directly.
template <class T> __device__ __forceinline__ void gru_grad(const T* act, const Before<T>& before, const T* dout, const T* dact,
                                                            T* dh, T* dgates, T* dhidden, i64 rows, i64 n) {
    FOR_GRID(i, rows * n) {
        i64 r = i / n, j = i - r * n, at = r * 4 * n + j, of = r * 3 * n + j;
        T reset = act[at], update = act[at + n], hidden = act[at + 2 * n], fresh = act[at + 3 * n];
        T d = dh[i] + given(dout, i);
        dh[i] = d * update;
        T of_update = (d * (before.get(r, i) - fresh) + given(dact, at + n)) * (update * (1 - update));
        T of_fresh = (d * (1 - update) + given(dact, at + 3 * n)) * (1 - fresh * fresh);
        T of_reset = (of_fresh * hidden + given(dact, at)) * (reset * (1 - reset));
        dgates[of] = dhidden[of] = of_reset;
        dgates[of + n] = dhidden[of + n] = of_update;
        dgates[of + 2 * n] = of_fresh;
        dhidden[of + 2 * n] = of_fresh * reset + given(dact, at + 2 * n);
    }
}

// ---- plain ----

template <class T> __device__ __forceinline__ void rnn(const T* x, const T* sums, T* h, T* out, i64 n, int relu) {
    FOR_GRID(i, n) {
        T sum = x[i] + sums[i];
        h[i] = out[i] = !relu ? tanh(sum) : sum <= 0 ? (T)0 : sum;      // NaN passes
    }
}

template <class T> __device__ __forceinline__ void rnn_grad(const T* out, const T* dout, const T* dh, T* dgates, i64 n, int relu) {
    FOR_GRID(i, n) {
        T y = out[i], d = dh[i] + given(dout, i);
        dgates[i] = !relu ? d * (1 - y * y) : y > 0 ? d : (T)0;
    }
}

#define LAYERS(name, T) \
    KERNEL lstm_##name(const T* x, const T* sums, T* act, T* h, T* c, T* out, T* cells, i64 rows, i64 n) { \
        lstm(x, sums, act, h, c, out, cells, rows, n); } \
    KERNEL lstm_grad_##name(const T* act, const T* cells, const Before<T> before, const T* dout, const T* dact, \
                            const T* dcells, const T* dh, T* dc, T* dgates, i64 rows, i64 n) { \
        lstm_grad(act, cells, before, dout, dact, dcells, dh, dc, dgates, rows, n); } \
    KERNEL gru_##name(const T* x, const T* sums, const T* bias, T* act, T* h, T* out, i64 rows, i64 n) { \
        gru(x, sums, bias, act, h, out, rows, n); } \
    KERNEL gru_grad_##name(const T* act, const Before<T> before, const T* dout, const T* dact, T* dh, T* dgates, \
                           T* dhidden, i64 rows, i64 n) { \
        gru_grad(act, before, dout, dact, dh, dgates, dhidden, rows, n); } \
    KERNEL rnn_##name(const T* x, const T* sums, T* h, T* out, i64 n, i32 relu) { rnn(x, sums, h, out, n, relu); } \
    KERNEL rnn_grad_##name(const T* out, const T* dout, const T* dh, T* dgates, i64 n, i32 relu) { \
        rnn_grad(out, dout, dh, dgates, n, relu); }
FOR_REALS(LAYERS)
