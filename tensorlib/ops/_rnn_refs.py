"""References of recurrent layers for the tests: float64 NumPy, one sequence after another, by the definitions."""
import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def sequences(batch_sizes, reverse):
    """For each sequence its rows, in the order in which they are computed."""
    starts = np.cumsum((0,) + tuple(batch_sizes))
    for b in range(batch_sizes[0]):
        found = [starts[t] + b for t, count in enumerate(batch_sizes) if b < count]
        yield b, found[::-1] if reverse else found


def lstm(gates, h0, c0, w_hh, batch_sizes, reverse, keep):
    n = h0.shape[1]
    out, act, cells = np.zeros((len(gates), n)), np.zeros(gates.shape), np.zeros((len(gates), n))
    h, c = h0.copy(), c0.copy()
    for b, rows in sequences(batch_sizes, reverse):
        for r in rows:
            i, f, g, o = np.split(gates[r] + w_hh @ h[b], 4)
            i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
            c[b] = f * c[b] + i * g
            h[b] = o * np.tanh(c[b])
            out[r], act[r], cells[r] = h[b], np.concatenate([i, f, g, o]), c[b]
    return out, h, c, act, cells


def lstm_grad(dout, dh, dc, dact, dcells, h0, c0, w_hh, out, act, cells, batch_sizes, reverse):
    dh, dc, dgates, dw = dh.copy(), dc.copy(), np.zeros(act.shape), np.zeros(w_hh.shape)
    for b, rows in sequences(batch_sizes, reverse):
        for r, p in reversed(list(zip(rows, [None] + rows))):
            (i, f, g, o), (di, df, dg, do) = np.split(act[r], 4), np.split(dact[r], 4)
            h, c = (h0[b], c0[b]) if p is None else (out[p], cells[p])
            t, d = np.tanh(cells[r]), dh[b] + dout[r]
            e = dc[b] + dcells[r] + d * o * (1 - t ** 2)
            dgates[r] = np.concatenate([(e * g + di) * i * (1 - i), (e * c + df) * f * (1 - f),
                                        (e * i + dg) * (1 - g ** 2), (d * t + do) * o * (1 - o)])
            dw += np.outer(dgates[r], h)
            dh[b], dc[b] = dgates[r] @ w_hh, e * f
    return dgates, dh, dc, dw


def gru(gates, h0, w_hh, b_hh, batch_sizes, reverse, keep):
    n = h0.shape[1]
    out, act, h = np.zeros((len(gates), n)), np.zeros((len(gates), 4 * n)), h0.copy()
    for b, rows in sequences(batch_sizes, reverse):
        for r in rows:
            xr, xz, xn = np.split(gates[r], 3)
            hr, hz, hn = np.split(w_hh @ h[b] + (0 if b_hh is None else b_hh), 3)
            reset, update = sigmoid(xr + hr), sigmoid(xz + hz)
            new = np.tanh(xn + reset * hn)
            h[b] = update * h[b] + (1 - update) * new
            out[r], act[r] = h[b], np.concatenate([reset, update, hn, new])
    return out, h, act


def gru_grad(dout, dh, dact, h0, w_hh, out, act, batch_sizes, reverse):
    n = h0.shape[1]
    dh, dgates, dw, db = dh.copy(), np.zeros((len(out), 3 * n)), np.zeros(w_hh.shape), np.zeros(3 * n)
    for b, rows in sequences(batch_sizes, reverse):
        for r, p in reversed(list(zip(rows, [None] + rows))):
            (reset, update, hn, new), (dr, dz, dhn, dn) = np.split(act[r], 4), np.split(dact[r], 4)
            h, d = h0[b] if p is None else out[p], dh[b] + dout[r]
            dn = (dn + d * (1 - update)) * (1 - new ** 2)
            dz = (dz + d * (h - new)) * update * (1 - update)
            dr = (dr + dn * hn) * reset * (1 - reset)
            hidden = np.concatenate([dr, dz, dhn + dn * reset])
            dgates[r] = np.concatenate([dr, dz, dn])
            dw += np.outer(hidden, h)
            db += hidden
            dh[b] = d * update + hidden @ w_hh
    return dgates, dh, dw, db


def rnn(gates, h0, w_hh, relu, batch_sizes, reverse):
    out, h = np.zeros(gates.shape), h0.copy()
    for b, rows in sequences(batch_sizes, reverse):
        for r in rows:
            h[b] = gates[r] + w_hh @ h[b]
            out[r] = h[b] = np.maximum(h[b], 0) if relu else np.tanh(h[b])
    return out, h


def rnn_grad(dout, dh, h0, w_hh, out, relu, batch_sizes, reverse):
    dh, dgates, dw = dh.copy(), np.zeros(out.shape), np.zeros(w_hh.shape)
    for b, rows in sequences(batch_sizes, reverse):
        for r, p in reversed(list(zip(rows, [None] + rows))):
            d = dh[b] + dout[r]
            dgates[r] = np.where(out[r] > 0, d, 0) if relu else d * (1 - out[r] ** 2)
            dw += np.outer(dgates[r], h0[b] if p is None else out[p])
            dh[b] = dgates[r] @ w_hh
    return dgates, dh, dw
