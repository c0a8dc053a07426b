"""Opcodes that compilers write seldom, and those on parts of a register, on hand-written PTX."""

import math
from fractions import Fraction

import numpy as np
import pytest

import exact
from opcodes import arithmetic, check, entry, signed


def test_packing_and_vectors(gpu):
    check(gpu, "mov.b32 d, {a, b};", "b32", ["b16", "b16"], lambda a, b: b << 16 | a)
    check(
        gpu,
        ".reg .b32 x, y; mov.b64 {x, y}, a; mov.b64 d, {y, x};",
        "b64",
        ["b64"],
        lambda a: a >> 32 | (a & 0xFFFFFFFF) << 32,
    )
    check(
        gpu,
        "cvt.rn.f16x2.f32 d, a, b;",
        "b32",
        ["f32", "f32"],
        lambda a, b: (
            None
            if any(not math.isfinite(exact.to_float(v, "f32")) for v in (a, b))
            else half(exact.to_float(a, "f32")) << 16 | half(exact.to_float(b, "f32"))
        ),
    )
    check(gpu, "add.f16x2 d, a, b;", "b32", ["f16x2", "f16x2"], lambda a, b: pair(a, b, lambda x, y: x + y))


def half(v):
    return exact.to_bits(math.copysign(exact.rounded(Fraction(v), "f16"), v), "f16")


def pair(a, b, f):
    out = 0
    for shift in (0, 16):
        x, y = exact.to_float(a >> shift & 0xFFFF, "f16"), exact.to_float(b >> shift & 0xFFFF, "f16")
        if not (math.isfinite(x) and math.isfinite(y)) or f(Fraction(x), Fraction(y)) == 0:
            return None
        out |= half(float(f(Fraction(x), Fraction(y)))) << shift
    return out


def parts(v, size):
    return [v >> (size * i) & ((1 << size) - 1) for i in range(32 // size)]


def select_nth(v, base, offset):
    at, n = base & 31, signed(offset, 32)
    if n == 0:
        return at if v >> at & 1 else 0xFFFFFFFF
    found = [i for i in (range(at, 32) if n > 0 else range(at, -1, -1)) if v >> i & 1]
    return found[abs(n) - 1] if len(found) >= abs(n) else 0xFFFFFFFF


def rare_cases():
    u32 = ["u32"] * 3
    bmsk = lambda a, b: ((1 << min(b, 32)) - 1) << a if a < 32 else 0
    yield "bmsk.clamp.b32 d, a, b;", "u32", u32[:2], bmsk
    yield "bmsk.wrap.b32 d, a, b;", "u32", u32[:2], lambda a, b: bmsk(a & 31, b & 31)
    yield (
        "szext.clamp.s32 d, a, b;",
        "s32",
        ["s32", "u32"],
        lambda a, b: signed(a & ((1 << b) - 1), b) if 0 < b < 32 else a if b else 0,
    )
    yield "and.b32 c, c, 7; fns.b32 d, a, b, c;", "u32", u32, lambda a, b, c: select_nth(a, b, c & 7)
    yield "neg.s32 c, c; fns.b32 d, a, b, c;", "u32", u32, lambda a, b, c: select_nth(a, b, -c & 0xFFFFFFFF)
    modes = {
        "f4e": lambda n: [n, n + 1, n + 2, n + 3],
        "b4e": lambda n: [n, n - 1 & 7, n - 2 & 7, n - 3 & 7],
        "rc8": lambda n: [n] * 4,
        "ecl": lambda n: [max(i, n) for i in range(4)],
        "ecr": lambda n: [min(i, n) for i in range(4)],
        "rc16": lambda n: [n & 1 and 2 or 0, n & 1 and 3 or 1] * 2,
    }
    for mode, order in modes.items():
        yield (
            "prmt.b32.%s d, a, b, c;" % mode,
            "u32",
            u32,
            lambda a, b, c, order=order: int.from_bytes(
                [(b << 32 | a).to_bytes(8, "little")[i] for i in order(c & 3)], "little"
            ),
        )
    yield (
        "dp2a.lo.s32.u32 d, a, b, c;",
        "u32",
        u32,
        lambda a, b, c: c + sum(signed(x, 16) * y for x, y in zip(parts(a, 16), parts(b, 8)[:2])),
    )
    yield (
        "dp2a.hi.u32.s32 d, a, b, c;",
        "u32",
        u32,
        lambda a, b, c: c + sum(x * signed(y, 8) for x, y in zip(parts(a, 16), parts(b, 8)[2:])),
    )
    yield (
        "brx.idx s, T; L0: mov.u32 d, 7; bra E; L1: mov.u32 d, a; bra E; L2: not.b32 d, a; E:",
        "u32",
        u32[:1],
        (lambda a: [7, a, ~a][a % 3]),
    )
    yield (
        (
            ".local .align 8 .b8 m[16]; .reg .b64 g; mov.u64 g, m; cvta.local.u64 g, g; "
            "st.u16 [g+2], 1; st.local.u32 [m+4], a; "
            "ld.s8 d, [g+4];"
        ),
        "s32",
        u32[:1],
        lambda a: signed(a & 255, 8),
    )
    yield (
        (
            ".shared .align 4 .b8 m[1024]; .reg .b64 g; .reg .b32 s; and.b32 s, %t, 63; mul.lo.u32 s, s, 8; "
            "cvt.u64.u32 g, s; "
            ".reg .b64 h; mov.u64 h, m; cvta.shared.u64 h, h; add.u64 g, g, h; st.v2.u32 [g], {a, b}; .reg .pred i; "
            "isspacep.shared i, g; ld.u16 d, [g+6]; @!i mov.u32 d, 0;"
        ),
        "u32",
        u32[:2],
        lambda a, b: b >> 16,
    )
    for name, f in (
        ("add", lambda a, b: a + b),
        ("min", min),
        ("max", max),
        ("and", lambda a, b: a & b),
        ("or", lambda a, b: a | b),
        ("xor", lambda a, b: a ^ b),
        ("exch", lambda a, b: b),
        ("inc", lambda a, b: 0 if a >= b else a + 1),
        ("dec", lambda a, b: b if a == 0 or a > b else a - 1),
    ):
        for kind in ("u32", "s32", "u64", "s64"):
            if (name in ("inc", "dec") and kind != "u32") or (name == "add" and kind == "s64"):
                continue
            form = kind if name in ("add", "min", "max", "inc", "dec") else "b" + kind[1:]
            yield (
                "atom.global.%s.%s d, [%%p], a; ld.global.%s d, [%%p];" % (name, form, form),
                kind,
                [kind] * 2,
                lambda a, b, f=f: f(b, a),
            )
    yield (
        "atom.global.cas.b16 d, [%p], a, 5; ld.global.b16 d, [%p];",
        "b16",
        ["b16"] * 2,
        lambda a, b: 5 if a == b else b,
    )
    yield "red.global.add.u32 [%p], a; ld.global.u32 d, [%p];", "u32", u32[:2], lambda a, b: a + b
    yield (
        "atom.global.add.noftz.f16 d, [%p], a; ld.global.b16 d, [%p];",
        "f16",
        ["f16"] * 2,
        arithmetic(lambda a, b: a + b, "f16", "n"),
    )
    yield (
        (
            "redux.sync.max.s32 d, a, 0xffffffff; redux.sync.min.s32 b, a, 0xffffffff; "
            "setp.ge.s32 p, d, a; setp.le.s32 q, b, a; "
            "and.pred p, p, q; selp.u32 d, 1, 0, p;"
        ),
        "u32",
        ["s32"] * 2,
        lambda a, b: 1,
    )
    yield ("elect.sync d|p, 0xffffffff; @!p add.u32 d, d, 100;", "u32", u32[:1], lambda a: None)


TABLE = ".reg .b32 s; rem.u32 s, a, 3; T: .branchtargets L0, L1, L2; "


@pytest.mark.parametrize("case", list(rare_cases()), ids=lambda c: c[0])
def test_rare_opcodes(gpu, case):
    text = case[0]
    check(gpu, TABLE + text if text.startswith("brx") else text, *case[1:])


HALF_PAIRS = {"add": lambda x, y: x + y, "sub": lambda x, y: x - y, "mul": lambda x, y: x * y, "min": min, "max": max}


@pytest.mark.parametrize("name", HALF_PAIRS)
def test_pairs_of_halves(gpu, name):
    text = name + (".f16x2 d, a, b;" if name in ("min", "max") else ".rn.f16x2 d, a, b;")
    check(gpu, text, "b32", ["f16x2", "f16x2"], lambda a, b: rounded_pair(a, b, HALF_PAIRS[name]))


def rounded_pair(a, b, f):
    return pair(a, b, lambda x, y: Fraction(exact.rounded(f(x, y), "f16")) if abs(f(x, y)) < 65504 else Fraction(0))


def test_barriers_of_some_threads(gpu):
    """Two warps hand a value on through numbered barriers: one arrives and goes on, the other waits for both."""
    text = """
    .shared .align 4 .b8 m[4]; .reg .b32 w;
    shr.u32 w, %t, 5; setp.eq.u32 p, w, 1;
    @p bra TAKE;
    mov.u32 d, 0; setp.eq.u32 q, %t, 0; @q st.shared.u32 [m], 77; bar.arrive 3, 64; bra E;
    TAKE: bar.sync 3, 64; ld.shared.u32 d, [m];
    E: bar.red.popc.u32 a, 0, p; add.u32 d, d, a;
    """
    source = ".version 8.0\n.target sm_75\n.address_size 64\n" + entry("k", text, "u32", ["u32"]) + "\0"
    out = np.zeros(64, np.uint32)
    gpu.module_from_buffer(source.encode()).get_function("k")(gpu.Out(out), gpu.In(out), block=(64, 1, 1))
    assert list(out) == [32] * 32 + [77 + 32] * 32
