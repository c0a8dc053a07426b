"""Opcodes on hand-written PTX, against Python's own integers and exact fractions. One thread for each set of inputs."""

import math
from fractions import Fraction

import numpy as np
import pytest

import exact

WIDTH = {
    "u8": 8,
    "s8": 8,
    "u16": 16,
    "s16": 16,
    "b16": 16,
    "u32": 32,
    "s32": 32,
    "b32": 32,
    "u64": 64,
    "s64": 64,
    "b64": 64,
    "f16": 16,
    "bf16": 16,
    "f32": 32,
    "f64": 64,
    "f16x2": 32,
    "bf16x2": 32,
}
UNSIGNED = {8: np.uint8, 16: np.uint16, 32: np.uint32, 64: np.uint64}
N = 256


def signed(v, bits):
    return v - (1 << bits) if v >> (bits - 1) & 1 else v


def read(bits, kind):
    """A number of the given PTX type as a Python int, or as its bits where it is a float."""
    return signed(int(bits), WIDTH[kind]) if kind[0] == "s" else int(bits)


def samples(kind, seed):
    """Random bits, with every extreme among them; floats are mostly of moderate size."""
    rng, bits = np.random.RandomState(seed), WIDTH[kind]
    v = rng.randint(0, 256, (N, bits // 8)).astype(np.uint8).view(UNSIGNED[bits])[:, 0].copy()
    if kind in exact.FORMATS:
        for i in range(0, N, 2):
            v[i] = exact.to_bits(exact.rounded(Fraction(float(rng.randn() * 10.0 ** rng.randint(-3, 4))), kind), kind)
        special = [0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, float("inf"), float("-inf"), float("nan")]
        v[: len(special)] = [exact.to_bits(x, kind) for x in special]
    else:
        edges = [
            0,
            1,
            2,
            (1 << bits) - 1,
            (1 << bits) - 2,
            1 << (bits - 1),
            (1 << (bits - 1)) - 1,
            31,
            32,
            33,
            63,
            64,
            255,
        ]
        v[: len(edges)] = [e & ((1 << bits) - 1) for e in edges]
    return v[rng.permutation(N)]


def register(kind):
    return "b%d" % max(WIDTH[kind], 16)


def entry(name, text, result, inputs):
    """A kernel that reads an element of each input, runs the text (registers d, a, b, c) and writes the result."""
    lines = [
        ".visible .entry %s(.param .u64 out%s) {"
        % (name, "".join(", .param .u64 in%d" % i for i in range(len(inputs)))),
        ".reg .b32 %%t, %%n, %%m; .reg .b64 %%p, %%i; .reg .pred p, q, r; .reg .%s d;" % register(result),
        "mov.u32 %n, %ctaid.x; mov.u32 %m, %ntid.x; mov.u32 %t, %tid.x; mad.lo.u32 %t, %n, %m, %t;",
    ]
    for i, kind in enumerate(inputs):
        size = WIDTH[kind] // 8
        lines.append(
            ".reg .%s %s; ld.param.u64 %%p, [in%d]; mul.wide.u32 %%i, %%t, %d; add.u64 %%p, %%p, %%i;"
            % (register(kind), "abce"[i], i, size)
        )
        lines.append("ld.global.%s %s, [%%p];" % ("u8" if size == 1 else "b%d" % (8 * size), "abce"[i]))
    size = WIDTH[result] // 8
    lines += [
        text,
        "ld.param.u64 %%p, [out]; mul.wide.u32 %%i, %%t, %d; add.u64 %%p, %%p, %%i;" % size,
        "st.global.%s [%%p], d;" % ("u8" if size == 1 else "b%d" % (8 * size)),
        "ret; }",
    ]
    return "\n".join(lines)


def run(gpu, text, result, inputs, arrays):
    source = ".version 8.0\n.target sm_75\n.address_size 64\n" + entry("k", text, result, inputs) + "\0"
    kernel = gpu.module_from_buffer(source.encode()).get_function("k")
    out = np.empty(N, UNSIGNED[WIDTH[result]])
    kernel(gpu.Out(out), *[gpu.In(a) for a in arrays], block=(64, 1, 1), grid=(N // 64, 1))
    return out


def check(gpu, text, result, inputs, reference):
    arrays = [samples(kind, 7 + i) for i, kind in enumerate(inputs)]
    got = run(gpu, text, result, inputs, arrays)
    for row in range(N):
        values = [read(a[row], kind) for a, kind in zip(arrays, inputs)]
        want = reference(*values)
        if want is None:
            continue
        if result in exact.FORMATS and isinstance(want, float):
            have = exact.to_float(got[row], result)
            assert (
                have == want and math.copysign(1, have) == math.copysign(1, want) or (have != have and want != want)
            ), (text, values, have, want)
        else:
            assert int(got[row]) == want & ((1 << WIDTH[result]) - 1), (text, values, int(got[row]), want)


def bits_of(v, kind):
    return v & ((1 << WIDTH[kind]) - 1)


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


def fraction(bits, kind):
    v = exact.to_float(bits, kind)
    return v, (Fraction(v) if math.isfinite(v) else None)


def arithmetic(f, kind, mode):
    """The reference of an operation on finite numbers; infinities and NaN are left to their own test."""

    def reference(*bits):
        values = [fraction(b, kind) for b in bits]
        if any(v[1] is None for v in values):
            return None
        try:
            result = f(*[v[1] for v in values])
        except ZeroDivisionError:
            return None
        return None if result == 0 else exact.rounded(result, kind, mode)

    return reference


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
