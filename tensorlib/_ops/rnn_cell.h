/* Derivatives of the elements of one row of an LSTM or a GRU cell. In C for the sake of `restrict`: where so many rows
   are written, compilers give up on finding out which of them overlap. Groups of n lie side by side in a row of gates. */
#ifndef TENSORLIB_RNN_CELL_H
#define TENSORLIB_RNN_CELL_H
#include <stddef.h>
#include "mathfn.h"

#define DEFINE_CELL_GRADS(T, S, TANH)                                                                                 \
    /* di, df, dg, do of the sums of the gates, and dc of the cell before, from dh and dc of the state after. */      \
    static void tl_lstm_grad_##S(ptrdiff_t n, const T *act, const T *cells, const T *before, const T *dout,           \
                                 const T *dact, const T *dcells, const T *dh, T *restrict dc, T *restrict di,         \
                                 T *restrict df, T *restrict dg, T *restrict d_)                                      \
    {                                                                                                                 \
        for (ptrdiff_t j = 0; j < n; j++) {                                                                           \
            const T i = act[j], f = act[n + j], g = act[2 * n + j], o = act[3 * n + j], t = TANH(cells[j]);           \
            const T d = dh[j] + dout[j], e = dc[j] + dcells[j] + d * o * (1 - t * t);                                 \
            d_[j] = (d * t + dact[3 * n + j]) * (o * (1 - o));                                                        \
            di[j] = (e * g + dact[j]) * (i * (1 - i));                                                                \
            df[j] = (e * before[j] + dact[n + j]) * (f * (1 - f));                                                    \
            dg[j] = (e * i + dact[2 * n + j]) * (1 - g * g);                                                          \
            dc[j] = e * f;                                                                                            \
        }                                                                                                             \
    }                                                                                                                 \
    static void tl_lstm_cell_grad_##S(ptrdiff_t n, const T *act, const T *cells, const T *before, const T *dout,      \
                                      const T *dact, const T *dcells, const T *dh, T *dc, T *dgates)                  \
    {                                                                                                                 \
        tl_lstm_grad_##S(n, act, cells, before, dout, dact, dcells, dh, dc, dgates, dgates + n, dgates + 2 * n,       \
                         dgates + 3 * n);                                                                             \
    }                                                                                                                 \
    /* Derivatives of the reset, update and new gates: those of the input, those of the hidden state. */              \
    static void tl_gru_grad_##S(ptrdiff_t n, const T *act, const T *before, const T *dout, const T *dact,             \
                                T *restrict dh, T *restrict dr, T *restrict du, T *restrict dn, T *restrict hr,       \
                                T *restrict hu, T *restrict hn)                                                       \
    {                                                                                                                 \
        for (ptrdiff_t j = 0; j < n; j++) {                                                                           \
            const T r = act[j], u = act[n + j], hidden = act[2 * n + j], c = act[3 * n + j], d = dh[j] + dout[j];     \
            const T by_u = (d * (before[j] - c) + dact[n + j]) * (u * (1 - u));                                       \
            const T by_c = (d * (1 - u) + dact[3 * n + j]) * (1 - c * c);                                             \
            const T by_r = (by_c * hidden + dact[j]) * (r * (1 - r));                                                 \
            dh[j] = d * u;                                                                                            \
            dr[j] = hr[j] = by_r;                                                                                     \
            du[j] = hu[j] = by_u;                                                                                     \
            dn[j] = by_c;                                                                                             \
            hn[j] = by_c * r + dact[2 * n + j];                                                                       \
        }                                                                                                             \
    }                                                                                                                 \
    static void tl_gru_cell_grad_##S(ptrdiff_t n, const T *act, const T *before, const T *dout, const T *dact, T *dh, \
                                     T *dgates, T *dhidden)                                                           \
    {                                                                                                                 \
        tl_gru_grad_##S(n, act, before, dout, dact, dh, dgates, dgates + n, dgates + 2 * n, dhidden, dhidden + n,     \
                        dhidden + 2 * n);                                                                             \
    }

DEFINE_CELL_GRADS(float, f32, tl_tanh_lowf)
DEFINE_CELL_GRADS(double, f64, tl_tanh)
#endif
