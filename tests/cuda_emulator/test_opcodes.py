"""Opcodes on hand-written PTX, against Python's own integers and exact fractions."""

import math
from fractions import Fraction

import numpy as np
import pytest

import exact
from opcodes import N, UNSIGNED, WIDTH, arithmetic, bits_of, check, run, signed


def quotient(a, b):
    q = abs(a) // abs(b)
    return q if (a < 0) == (b < 0) else -q


def clamp(v, bits):
    return max(-(1 << (bits - 1)), min((1 << (bits - 1)) - 1, v))


def reverse(v, bits):
    return int(format(v, "0%db" % bits)[::-1], 2)


def extract(v, position, length, kind):
    bits, p, n = WIDTH[kind], position & 255, length & 255
    if n == 0:
        return 0
    fill = v >> min(p + n - 1, bits - 1) & 1 if kind[0] == "s" else 0
    return sum(((bits_of(v, kind) >> (p + i) & 1) if p + i < bits and i < n else fill) << i for i in range(bits))


def insert(a, b, position, length, bits):
    p, n = position & 255, length & 255
    for i in range(n):
        if p + i < bits and i < bits:
            b = b & ~(1 << (p + i)) | (a >> i & 1) << (p + i)
    return b


def permute(a, b, c):
    data, out = (b << 32 | a).to_bytes(8, "little"), 0
    for i in range(4):
        s = c >> (4 * i) & 15
        byte = data[s & 7]
        out |= ((255 if byte & 128 else 0) if s & 8 else byte) << (8 * i)
    return out


def lookup(a, b, c, table):
    return sum((table >> ((a >> i & 1) << 2 | (b >> i & 1) << 1 | (c >> i & 1)) & 1) << i for i in range(32))


def integer_cases():
    for kind in ("u16", "s16", "u32", "s32", "u64", "s64"):
        bits = WIDTH[kind]
        for name, f in (
            ("add", lambda a, b: a + b),
            ("sub", lambda a, b: a - b),
            ("mul.lo", lambda a, b: a * b),
            ("min", min),
            ("max", max),
            ("mul.hi", lambda a, b, n=bits: a * b >> n),
            ("div", lambda a, b: quotient(a, b) if b else None),
            ("rem", lambda a, b: a - b * quotient(a, b) if b else None),
        ):
            yield "%s.%s d, a, b;" % (name, kind), kind, [kind] * 2, f
        yield "mad.lo.%s d, a, b, c;" % kind, kind, [kind] * 3, lambda a, b, c: a * b + c
        if bits > 16:
            yield "mad.hi.%s d, a, b, c;" % kind, kind, [kind] * 3, lambda a, b, c, n=bits: (a * b >> n) + c
        yield "sad.%s d, a, b, c;" % kind, kind, [kind] * 3, lambda a, b, c: c + abs(a - b)
        yield "shl.b%d d, a, b;" % bits, kind, [kind, "u32"], lambda a, b, n=bits: a << b if b < n else 0
        yield "shr.%s d, a, b;" % kind, kind, [kind, "u32"], lambda a, b: a >> min(b, 200)
        if kind[0] == "s":
            yield "abs.%s d, a;" % kind, kind, [kind], abs
            yield "neg.%s d, a;" % kind, kind, [kind], lambda a: -a
        if bits < 64:
            wide = kind[0] + str(2 * bits)
            yield "mul.wide.%s d, a, b;" % kind, wide, [kind] * 2, lambda a, b: a * b
            yield "mad.wide.%s d, a, b, c;" % kind, wide, [kind, kind, wide], lambda a, b, c: a * b + c
        if bits > 16:
            yield "bfe.%s d, a, b, c;" % kind, kind, [kind, "u32", "u32"], lambda a, b, c, k=kind: extract(a, b, c, k)
            yield (
                "and.b32 b, b, 63; and.b32 c, c, 63; bfe.%s d, a, b, c;" % kind,
                kind,
                [kind, "u32", "u32"],
                lambda a, b, c, k=kind: extract(a, b & 63, c & 63, k),
            )
            yield ("bfind.%s d, a;" % kind, "u32", [kind], lambda a, k=kind: (a if a >= 0 else ~a).bit_length() - 1)
    yield "add.sat.s32 d, a, b;", "s32", ["s32"] * 2, lambda a, b: clamp(a + b, 32)
    yield "sub.sat.s32 d, a, b;", "s32", ["s32"] * 2, lambda a, b: clamp(a - b, 32)
    yield "mad.hi.sat.s32 d, a, b, c;", "s32", ["s32"] * 3, lambda a, b, c: clamp((a * b >> 32) + c, 32)
    low = lambda v: signed(v & 0xFFFFFF, 24)
    yield "mul24.lo.u32 d, a, b;", "u32", ["u32"] * 2, lambda a, b: (a & 0xFFFFFF) * (b & 0xFFFFFF)
    yield "mul24.hi.s32 d, a, b;", "s32", ["s32"] * 2, lambda a, b: low(a) * low(b) >> 16
    yield "mad24.lo.s32 d, a, b, c;", "s32", ["s32"] * 3, lambda a, b, c: low(a) * low(b) + c
    for bits in (16, 32, 64):
        kind = "b%d" % bits
        for name, f in (("and", lambda a, b: a & b), ("or", lambda a, b: a | b), ("xor", lambda a, b: a ^ b)):
            yield "%s.%s d, a, b;" % (name, kind), kind, [kind] * 2, f
        yield "not.%s d, a;" % kind, kind, [kind], lambda a: ~a
        yield "cnot.%s d, a;" % kind, kind, [kind], lambda a: int(a == 0)
    for bits in (32, 64):
        kind = "b%d" % bits
        yield "popc.%s d, a;" % kind, "u32", [kind], lambda a: bin(a).count("1")
        yield "clz.%s d, a;" % kind, "u32", [kind], lambda a, n=bits: n - a.bit_length()
        yield "brev.%s d, a;" % kind, kind, [kind], lambda a, n=bits: reverse(a, n)
        yield (
            "and.b32 c, c, 127; and.b32 e, e, 127; bfi.%s d, a, b, c, e;" % kind,
            kind,
            [kind, kind, "u32", "u32"],
            lambda a, b, c, e, n=bits: insert(a, b, c & 127, e & 127, n),
        )
    yield "bfind.shiftamt.u32 d, a;", "u32", ["u32"], lambda a: 32 - a.bit_length() if a else 0xFFFFFFFF
    yield "shf.l.wrap.b32 d, a, b, c;", "b32", ["b32"] * 3, lambda a, b, c: (b << 32 | a) << (c & 31) >> 32
    yield "shf.r.wrap.b32 d, a, b, c;", "b32", ["b32"] * 3, lambda a, b, c: (b << 32 | a) >> (c & 31)
    yield "shf.l.clamp.b32 d, a, b, c;", "b32", ["b32"] * 3, lambda a, b, c: (b << 32 | a) << min(c, 32) >> 32
    yield "shf.r.clamp.b32 d, a, b, c;", "b32", ["b32"] * 3, lambda a, b, c: (b << 32 | a) >> min(c, 32)
    yield "prmt.b32 d, a, b, c;", "b32", ["b32"] * 3, permute
    yield "lop3.b32 d, a, b, c, 0xca;", "b32", ["b32"] * 3, lambda a, b, c: lookup(a, b, c, 0xCA)
    yield "lop3.b32 d, a, b, c, 0x96;", "b32", ["b32"] * 3, lambda a, b, c: a ^ b ^ c
    bytes_of = lambda v: [v >> (8 * i) & 255 for i in range(4)]
    yield (
        "dp4a.u32.u32 d, a, b, c;",
        "u32",
        ["u32"] * 3,
        lambda a, b, c: c + sum(x * y for x, y in zip(bytes_of(a), bytes_of(b))),
    )
    yield (
        "dp4a.s32.u32 d, a, b, c;",
        "u32",
        ["u32"] * 3,
        lambda a, b, c: c + sum(signed(x, 8) * y for x, y in zip(bytes_of(a), bytes_of(b))),
    )
    yield ("add.cc.u32 d, a, b; addc.u32 d, c, 0;", "u32", ["u32"] * 3, lambda a, b, c: c + (a + b >> 32))
    yield ("sub.cc.u32 d, a, b; subc.u32 d, c, 0;", "u32", ["u32"] * 3, lambda a, b, c: c - (a < b))
    yield (
        "mad.lo.cc.u32 d, a, b, c; madc.hi.u32 d, a, b, c;",
        "u32",
        ["u32"] * 3,
        lambda a, b, c: (a * b >> 32) + c + ((a * b & 0xFFFFFFFF) + c >> 32),
    )
    yield "selp.b32 d, a, b, p;".replace("selp", "setp.lt.u32 p, a, b; selp"), "b32", ["u32"] * 2, min
    yield "slct.b32.s32 d, a, b, c;", "b32", ["b32", "b32", "s32"], lambda a, b, c: a if c >= 0 else b


@pytest.mark.parametrize("case", list(integer_cases()), ids=lambda c: c[0])
def test_integers(gpu, case):
    check(gpu, *case)


OPERATIONS = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "fma": lambda a, b, c: a * b + c,
}


def float_cases():
    for kind in ("f32", "f64"):
        for mode in "nzmp":
            for name, f in list(OPERATIONS.items()) + [("div", lambda a, b: a / b)]:
                n = 3 if name == "fma" else 2
                text = "%s.r%s.%s d, %s;" % (name, mode, kind, ", ".join("abc"[:n]))
                yield text, kind, [kind] * n, arithmetic(f, kind, mode)
            yield "rcp.r%s.%s d, a;" % (mode, kind), kind, [kind], arithmetic(lambda a: 1 / a, kind, mode)
    for kind in ("f16", "bf16"):
        for name, f in OPERATIONS.items():
            n = 3 if name == "fma" else 2
            if kind == "bf16" and name != "fma":
                continue  # needs a later target
            text = "%s.rn.%s d, %s;" % (name, kind, ", ".join("abc"[:n]))
            yield text, kind, [kind] * n, arithmetic(f, kind, "n")


@pytest.mark.parametrize("case", list(float_cases()), ids=lambda c: c[0])
def test_floats(gpu, case):
    check(gpu, *case)


def extreme_cases():
    nan = float("nan")
    for kind in ("f32", "f64", "f16"):

        def value(b, k=kind):
            return exact.to_float(b, k)

        for name, pick in (("min", min), ("max", max)):

            def plain(a, b, pick=pick, v=value):
                x, y = v(a), v(b)
                return y if x != x else x if y != y else None if x == y == 0 else pick(x, y)

            yield "%s.%s d, a, b;" % (name, kind), kind, [kind] * 2, plain
            if kind != "f64":

                def strict(a, b, pick=pick, v=value):
                    x, y = v(a), v(b)
                    return nan if x != x or y != y else None if x == y == 0 else pick(x, y)

                yield "%s.NaN.%s d, a, b;" % (name, kind), kind, [kind] * 2, strict
        yield "neg.%s d, a;" % kind, kind, [kind], lambda a, v=value: -v(a)
        yield "abs.%s d, a;" % kind, kind, [kind], lambda a, v=value: abs(v(a))
    yield "copysign.f32 d, a, b;", "f32", ["f32"] * 2, lambda a, b: b & 0x7FFFFFFF | a & 0x80000000
    yield (
        "sqrt.rn.f64 d, a;",
        "f64",
        ["f64"],
        lambda a: math.sqrt(exact.to_float(a, "f64")) if exact.to_float(a, "f64") >= 0 else nan,
    )


@pytest.mark.parametrize("case", list(extreme_cases()), ids=lambda c: c[0])
def test_floats_of_all_kinds(gpu, case):
    check(gpu, *case)


COMPARISONS = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a < b or a > b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "equ": lambda a, b: not (a < b or a > b),
    "neu": lambda a, b: not a == b,
    "ltu": lambda a, b: not a >= b,
    "leu": lambda a, b: not a > b,
    "gtu": lambda a, b: not a <= b,
    "geu": lambda a, b: not a < b,
    "num": lambda a, b: a == a and b == b,
    "nan": lambda a, b: a != a or b != b,
}


def comparison_cases():
    for kind in ("u16", "s16", "u32", "s32", "u64", "s64", "f16", "f32", "f64"):
        for name, f in COMPARISONS.items():
            real = kind in exact.FORMATS
            if not real and name not in ("eq", "ne", "lt", "le", "gt", "ge"):
                continue

            def reference(a, b, f=f, kind=kind, real=real):
                return int(f(exact.to_float(a, kind), exact.to_float(b, kind)) if real else f(a, b))

            yield "setp.%s.%s p, a, b; selp.u32 d, 1, 0, p;" % (name, kind), "u32", [kind] * 2, reference
    for name, f in (
        ("lo", COMPARISONS["lt"]),
        ("ls", COMPARISONS["le"]),
        ("hi", COMPARISONS["gt"]),
        ("hs", COMPARISONS["ge"]),
    ):
        yield "setp.%s.u32 p, a, b; selp.u32 d, 1, 0, p;" % name, "u32", ["u32"] * 2, lambda a, b, f=f: int(f(a, b))
    for name, f in (("and", lambda x, y: x and y), ("or", lambda x, y: x or y), ("xor", lambda x, y: x != y)):
        yield (
            "setp.gt.s32 r, c, 0; setp.lt.%s.s32 p|q, a, b, !r; selp.u32 d, 1, 0, p; @q add.u32 d, d, 2;" % name,
            "u32",
            ["s32"] * 3,
            lambda a, b, c, f=f: int(f(a < b, not c > 0)) + 2 * int(f(not a < b, not c > 0)),
        )
    yield "set.le.u32.s32 d, a, b;", "u32", ["s32"] * 2, lambda a, b: 0xFFFFFFFF if a <= b else 0
    yield "set.le.f32.s32 d, a, b;", "f32", ["s32"] * 2, lambda a, b: 1.0 if a <= b else 0.0
    yield (
        "testp.finite.f32 p, a; selp.u32 d, 1, 0, p;",
        "u32",
        ["f32"],
        lambda a: int(math.isfinite(exact.to_float(a, "f32"))),
    )
    yield (
        "setp.lt.u32 p, a, b; not.pred q, p; xor.pred r, p, q; selp.u32 d, 1, 0, r;",
        "u32",
        ["u32"] * 2,
        lambda a, b: 1,
    )
    yield (
        "setp.lt.u32 p, a, b; mov.u32 d, 5; @!p bra L; mov.u32 d, 6; L:",
        "u32",
        ["u32"] * 2,
        lambda a, b: 6 if a < b else 5,
    )


@pytest.mark.parametrize("case", list(comparison_cases()), ids=lambda c: c[0])
def test_comparisons(gpu, case):
    check(gpu, *case)


INTEGERS = ("u8", "s8", "u16", "s16", "u32", "s32", "u64", "s64")
TO_WHOLE = {"n": round, "z": int, "m": math.floor, "p": math.ceil}


def saturated(v, kind):
    bits = WIDTH[kind]
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if kind[0] == "s" else (0, (1 << bits) - 1)
    return max(low, min(high, v))


def whole(bits, source, to, mode):
    v = exact.to_float(bits, source)
    if v != v:
        return 1 << (WIDTH[to] - 1) if source == "f64" or WIDTH[to] == 64 else 0
    if math.isinf(v):
        return saturated((1 if v > 0 else -1) << 200, to)
    return saturated(TO_WHOLE[mode](Fraction(v)), to)


def conversion_cases():
    for to in INTEGERS:
        for source in INTEGERS:
            if to != source:
                yield "cvt.%s.%s d, a;" % (to, source), to, [source], lambda a: a
                yield "cvt.sat.%s.%s d, a;" % (to, source), to, [source], lambda a, to=to: saturated(a, to)
        for source in ("f16", "f32", "f64"):
            for mode in "nzmp":
                yield (
                    "cvt.r%si.%s.%s d, a;" % (mode, to, source),
                    to,
                    [source],
                    lambda a, s=source, to=to, m=mode: whole(a, s, to, m),
                )
    for to in ("f16", "f32", "f64"):
        for source in INTEGERS:
            for mode in "nzmp":
                yield (
                    "cvt.r%s.%s.%s d, a;" % (mode, to, source),
                    to,
                    [source],
                    lambda a, to=to, m=mode: exact.rounded(Fraction(a), to, m),
                )
    for to, source, modes in (
        ("f32", "f64", "nzmp"),
        ("f16", "f32", "nz"),
        ("bf16", "f32", "nz"),
        ("f16", "f64", "n"),
    ):
        for mode in modes:

            def narrowed(a, to=to, source=source, mode=mode):
                v = exact.to_float(a, source)
                return v if not math.isfinite(v) or v == 0 else exact.rounded(Fraction(v), to, mode)

            yield (
                "cvt.r%s.%s.%s d, a;" % (mode, to, source),
                to,
                [source],
                lambda a, f=narrowed: None if f(a) == 0 else f(a),
            )
    for to, source in (("f64", "f32"), ("f32", "f16"), ("f64", "f16"), ("f32", "bf16")):
        yield "cvt.%s.%s d, a;" % (to, source), to, [source], lambda a, s=source: exact.to_float(a, s)
    for mode in "nzmp":

        def integral(a, m=mode):
            v = exact.to_float(a, "f32")
            return v if not math.isfinite(v) else math.copysign(float(TO_WHOLE[m](Fraction(v))), v)

        yield "cvt.r%si.f32.f32 d, a;" % mode, "f32", ["f32"], integral
    yield (
        "cvt.sat.f32.f32 d, a;",
        "f32",
        ["f32"],
        lambda a: 0.0 if not exact.to_float(a, "f32") > 0 else min(1.0, exact.to_float(a, "f32")),
    )


@pytest.mark.parametrize("case", list(conversion_cases()), ids=lambda c: c[0])
def test_conversions(gpu, case):
    check(gpu, *case)


APPROXIMATE = {
    "rcp.approx.f32": lambda x: 1 / x if x else math.copysign(math.inf, x),
    "sqrt.approx.f32": math.sqrt,
    "ex2.approx.f32": lambda x: 2**x,
    "rsqrt.approx.f32": lambda x: 1 / math.sqrt(x),
    "lg2.approx.f32": math.log2,
    "sin.approx.f32": math.sin,
    "cos.approx.f32": math.cos,
    "tanh.approx.f32": math.tanh,
    "rsqrt.approx.f64": lambda x: 1 / math.sqrt(x),
}


@pytest.mark.parametrize("name", APPROXIMATE)
def test_approximate_functions(gpu, name):
    kind = name[-3:]
    x = np.abs(np.linspace(0.01, 30, N)).astype(exact.FLOAT[kind])
    got = run(gpu, name + " d, a;", kind, [kind], [x.view(UNSIGNED[WIDTH[kind]])]).view(exact.FLOAT[kind])
    np.testing.assert_allclose(got, [APPROXIMATE[name](float(v)) for v in x], rtol=1e-6, atol=1e-6)


def test_flush_to_zero(gpu):
    tiny = np.full(N, 1, np.uint32)
    for ftz, equal in (("", 0), (".ftz", 1)):
        text = "setp.eq%s.f32 p, a, 0f00000000; selp.u32 d, 1, 0, p;" % ftz
        assert run(gpu, text, "u32", ["f32"], [tiny])[0] == equal
    one = np.full(N, 0x3F800000, np.uint32)
    assert run(gpu, "mul.f32 d, a, b;", "f32", ["f32"] * 2, [tiny, one])[0] == 1
    assert run(gpu, "mul.ftz.f32 d, a, b;", "f32", ["f32"] * 2, [tiny, one])[0] == 0


@pytest.mark.parametrize(
    "text",
    [
        "frobnicate.u32 %r1;",
        "min.f32 d, a, b, c;",
        "add.f32 d, a;",
        "mov.u32 d, %nothing;",
        "cvt.rn.e4m3x2.f32 d, a, b;",
        "tex.1d.v4.f32.f32 {a, b, c, d}, [t, {a}];",
    ],
)
def test_what_is_unknown_is_refused_with_its_line(gpu, emulator, text):
    lines = [
        ".version 8.0",
        ".target sm_75",
        ".address_size 64",
        ".visible .entry k() {",
        ".reg .b32 d, a, b, c;",
        text,
        "ret; }",
    ]
    module = gpu.module_from_buffer(("\n".join(lines) + "\0").encode())
    with pytest.raises(gpu.Error):
        module.get_function("k")
    assert "k, PTX line 6" in emulator.report() and text in emulator.report()
