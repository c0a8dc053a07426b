"""Recurrent layers over whole sequences and their gradients: the twins of _ops/rnn.pyx, made of rows, step by step."""
from ..._ops.copying import make_contiguous
from ..._ops.tensor import code_of
from ...ops import rnn as rows
from .reduce import need_real


def check_steps(name, batch_sizes, gates):
    """Step sizes that are above 0, do not grow, and add up to the rows of the gates."""
    sizes = list(batch_sizes)
    if any(n < 1 or i > 0 and n > sizes[i - 1] for i, n in enumerate(sizes)):
        raise RuntimeError("%s(): batch sizes have to be above 0 and must not grow, got %s" % (name, sizes))
    if not sizes or gates.dim() != 2 or gates.size(0) != sum(sizes):
        raise RuntimeError("%s(): batch sizes %s for gates of size %s" % (name, sizes, tuple(gates.size())))


def check(name, first, batch_sizes, **wanted):
    """All are of the type of the first, and wanted[what] is (tensor or None, its size)."""
    need_real(first, name)
    check_steps(name, batch_sizes, first)
    for what, (t, size) in wanted.items():
        if t is not None and code_of(t) != code_of(first):
            raise TypeError("%s(): gates are a %s, %s a %s" % (name, first.type(), what, t.type()))
        if t is not None and tuple(t.size()) != tuple(size):
            raise RuntimeError("%s(): expected %s of size %s, got %s" % (name, what, tuple(size), tuple(t.size())))


def sizes_of(gates, w_hh, batch_sizes):
    """(all rows, hidden size, size of a state)."""
    n = w_hh.size(-1)
    return gates.size(0), n, (batch_sizes[0] if batch_sizes else 0, n)


def walk(batch_sizes, reverse, states, step):
    """Carry states over all steps; step(start, count, *states of those in it) gives the new ones, then what is kept.

    Returns the last states and a list of what is kept, each as the rows of all steps.
    """
    kept = []
    for start, count in rows.turns(batch_sizes, reverse):
        found = step(start, count, *[h.narrow(0, 0, count) for h in states])
        kept.append(found)
        states = [rows.replaced(h, new) for h, new in zip(states, found)]
    ordered = kept[::-1] if reverse else kept
    return [make_contiguous(h) for h in states], [rows.cat(0, *pieces) for pieces in zip(*ordered)]


def lstm(gates, h0, c0, w_hh, batch_sizes, reverse=False, keep=True):
    total, n, state = sizes_of(gates, w_hh, batch_sizes)
    check("lstm", gates, batch_sizes, w_hh=(w_hh, (4 * n, n)), gates=(gates, (total, 4 * n)), h0=(h0, state),
          c0=(c0, state))

    def step(start, count, h, c):
        sums = gates.narrow(0, start, count) + h.mm(w_hh.t())
        i, f, g, o = rows.parts(sums, 4)
        i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
        c = f * c + i * g
        return o * c.tanh(), c, rows.cat(1, i, f, g, o)

    (h, c), (out, cells, act) = walk(batch_sizes, reverse, [h0, c0], step)
    return (out, h, c, act, cells) if keep else (out, h, c, None, None)


def gru(gates, h0, w_hh, b_hh, batch_sizes, reverse=False, keep=True):
    total, n, state = sizes_of(gates, w_hh, batch_sizes)
    check("gru", gates, batch_sizes, w_hh=(w_hh, (3 * n, n)), gates=(gates, (total, 3 * n)), h0=(h0, state),
          b_hh=(b_hh, (3 * n,)))

    def step(start, count, h):
        sums = h.mm(w_hh.t())
        if b_hh is not None:
            sums = sums + b_hh.unsqueeze(0).expand(count, 3 * n)
        (xr, xz, xn), (hr, hz, hidden) = rows.parts(gates.narrow(0, start, count), 3), rows.parts(sums, 3)
        r, z = (xr + hr).sigmoid(), (xz + hz).sigmoid()
        new = (xn + r * hidden).tanh()
        return new + z * (h - new), rows.cat(1, r, z, hidden, new)

    (h,), (out, act) = walk(batch_sizes, reverse, [h0], step)
    return (out, h, act) if keep else (out, h, None)


def rnn(gates, h0, w_hh, relu, batch_sizes, reverse=False):
    total, n, state = sizes_of(gates, w_hh, batch_sizes)
    check("rnn", gates, batch_sizes, w_hh=(w_hh, (n, n)), gates=(gates, (total, n)), h0=(h0, state))

    def step(start, count, h):
        sums = gates.narrow(0, start, count) + h.mm(w_hh.t())
        return (sums.clamp(min=0) if relu else sums.tanh(),)

    (h,), (out,) = walk(batch_sizes, reverse, [h0], step)
    return out, h


# ---- gradients: those that recorded ones are made of --------------------------------------------------------------

def lstm_grad(dout, dh, dc, dact, dcells, h0, c0, w_hh, out, act, cells, batch_sizes, reverse=False):
    total, n, state = sizes_of(act, w_hh, batch_sizes)
    check("lstm_grad", act, batch_sizes, w_hh=(w_hh, (4 * n, n)), act=(act, (total, 4 * n)), h0=(h0, state),
          c0=(c0, state), dh=(dh, state), dc=(dc, state), out=(out, (total, n)), cells=(cells, (total, n)),
          dout=(dout, (total, n)), dact=(dact, (total, 4 * n)), dcells=(dcells, (total, n)))
    return rows.lstm_grad_in_rows(dout, dh, dc, dact, dcells, h0, c0, w_hh, out, act, cells, batch_sizes, reverse)


def gru_grad(dout, dh, dact, h0, w_hh, out, act, batch_sizes, reverse=False):
    total, n, state = sizes_of(out, w_hh, batch_sizes)
    check("gru_grad", out, batch_sizes, w_hh=(w_hh, (3 * n, n)), out=(out, (total, n)), act=(act, (total, 4 * n)),
          h0=(h0, state), dh=(dh, state), dout=(dout, (total, n)), dact=(dact, (total, 4 * n)))
    return rows.gru_grad_in_rows(dout, dh, dact, h0, w_hh, out, act, batch_sizes, reverse)


def rnn_grad(dout, dh, h0, w_hh, out, relu, batch_sizes, reverse=False):
    total, n, state = sizes_of(out, w_hh, batch_sizes)
    check("rnn_grad", out, batch_sizes, w_hh=(w_hh, (n, n)), out=(out, (total, n)), h0=(h0, state), dh=(dh, state),
          dout=(dout, (total, n)))
    return rows.rnn_grad_in_rows(dout, dh, h0, w_hh, out, relu, batch_sizes, reverse)
