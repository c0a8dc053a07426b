"""The operations that programs are made of, each described once: its text for tensorlib, for NumPy, its arguments.

An argument is a letter with a kind (drawing.py); kinds may name letters before them. `results` is the number of tensors
that come out. What NumPy says otherwise than v0.2 is in mirrors.py.
"""
import re
from dataclasses import dataclass

from drawing import Draw, Impossible
from program import Step

WRONG_KINDS = {"tensor": ("like", "same", "sized"), "index": ("index", "grid", "distinct"), "int": ("dim", "shift"),
               "mask": ("mask",)}
WRONG = {"number": ["'a'", "[1]", "object()", "1j", "b'1'"],
         "tensor": ["other", "other", "other", "'a'", "None", "object()", "[1.0]", "np.ones(2)",
                    "tensorlib.FloatStorage(2)", "tensorlib.FloatTensor",
                    "tensorlib.autograd.Variable(tensorlib.ones(2))"],
         "index": ["tensorlib.IntTensor([0])", "tensorlib.DoubleTensor([0])", "None", "'a'", "[0]", "object()"],
         "mask": ["tensorlib.FloatTensor([1])", "tensorlib.ShortTensor([1])", "'a'", "object()", "[1]"],
         "int": ["'a'", "object()", "1.5", "2 ** 70", "-2 ** 70", "[0, 'a']", "1j"]}


@dataclass
class Operation:
    """`ours` and `mirror` are expressions with the arguments in braces."""

    name: str
    ours: str
    mirror: str
    arguments: dict
    results: int = 1

    def step(self, draw, wrong=False):
        """Draw the arguments; wrong: with a type that must be refused. Raises Impossible where there are none."""
        ours, mirror = {}, {}
        for letter, kind in self.arguments.items():
            ours[letter], mirror[letter] = draw.text(kind, ours)
        if wrong:
            self.spoil(draw, ours)
            return Step(self.name, [], self.ours.format(**ours), "refuse()")
        targets = [draw.new_name() for _ in range(self.results)]
        return Step(self.name, targets, self.ours.format(**ours), self.mirror.format(**mirror))

    def spoil(self, draw, ours):
        """Put something that does not belong there in the place of an argument, or one argument more."""
        whole = draw.array(ours["a"]).dtype.kind != "f"
        fit = [letter for letter, kind in self.arguments.items() if letter != "a" and self.spoils(letter, whole)]
        if not fit or self.name in ("copy_", "set", "index rows"):
            raise Impossible
        letter = draw.rng.choice(fit)
        ours[letter] = draw.rng.choice(self.spoils(letter, whole))
        if ours[letter] == "other":
            ours[letter] = draw.kind_other(ours["a"])

    def spoils(self, letter, whole):
        """What does not belong in the place of an argument: the kinds of WRONG that fit its own kind."""
        kind = self.arguments[letter].split()[0]
        if "{%s}" % letter not in self.ours or letter == "o" and kind == "same":
            return ["np.ones(2)", "'a'", "object()"] if letter == "o" else []
        if kind in ("number", "plain"):
            return WRONG["number"] + ["1.5"] * whole
        return next((WRONG[w] for w, kinds in WRONG_KINDS.items() if kind in kinds), [])


OPERATIONS = []


def op(name, ours, mirror, results=1, **arguments):
    OPERATIONS.append(Operation(name, ours, mirror, arguments, results))


def pointwise(name, call, mirror, group="arithmetic", **arguments):
    """A method, its function, its twin in place, and its function with out=."""
    first = {"a": "tensor " + group}
    target = {"a": "target " + group}
    into = {k: v.replace("like", "into") for k, v in arguments.items()}
    exact = {k: v.replace("like", "same") for k, v in arguments.items()}
    inside = ", ".join(["{a}"] + [call] * bool(call))
    op(name, "{a}.%s(%s)" % (name, call), mirror, **first, **arguments)
    op(name, "tensorlib.%s(%s)" % (name, inside), mirror, **first, **arguments)
    op(name + "_", "{a}.%s_(%s)" % (name, call), "put({a}, %s)" % mirror, 0, **target, **into)
    op(name + " out", "tensorlib.%s(%s, out={o})" % (name, inside), "put({o}, %s)" % mirror, 0,
       **first, **exact, o="same a")


# ---- element by element -------------------------------------------------------------------------------------------

for name, sign in (("add", "+"), ("sub", "-"), ("mul", "*")):
    pointwise(name, "{b}", "{a} %s {b}" % sign, b="like a")
    pointwise(name, "{b}", "{a} %s {b}" % sign, b="number a")
    op(name, "{a} %s {b}" % sign, "{a} %s {b}" % sign, a="tensor", b="like a")
    op(name, "{b} %s {a}" % sign, "{b} %s {a}" % sign, a="tensor float", b="number a")
for name in ("div", "fmod", "remainder"):
    pointwise(name, "{b}", name + "({a}, {b})", b="like a")
    pointwise(name, "{b}", name + "({a}, {b})", b="number a")
for name, sign in (("lt", "<"), ("le", "<="), ("gt", ">"), ("ge", ">="), ("eq", "=="), ("ne", "!=")):
    for kind in ("like a", "number a"):
        op(name, "{a} %s {b}" % sign, "byte({a} %s {b})" % sign, a="tensor", b=kind)
        op(name, "tensorlib.%s({a}, {b})" % name, "byte({a} %s {b})" % sign, a="tensor", b=kind)
    op(name + "_", "{a}.%s_({b})" % name, "put({a}, ({a} %s {b}).astype({a}.dtype))" % sign, 0, a="target", b="into a")
for sign in "&|^":
    op("bits", "{a} %s {b}" % sign, "{a} %s {b}" % sign, a="tensor whole", b="like a")
    op("bits", "{a} %s {b}" % sign, "{a} %s {b}" % sign, a="tensor whole", b="number a")
op("shift", "{a} << {b}", "{a} << {a}.dtype.type({b})", a="tensor whole", b="shift a")
op("invert", "~{a}", "number(1, {a}) - {a}", a="tensor byte")
pointwise("add", "{k}, {b}", "{a} + {k} * {b}", k="number a", b="like a")
pointwise("addcmul", "{k}, {b}, {c}", "{a} + {k} * {b} * {c}", k="plain a", b="like a", c="like a")
pointwise("addcdiv", "{k}, {b}, {c}", "{a} + {k} * {b} / {c}", "float", k="plain a", b="like a", c="like a")
pointwise("lerp", "{b}, {k}", "{a} + {k} * ({b} - {a})", "float", k="plain a", b="like a")
pointwise("atan2", "{b}", "np.arctan2({a}, {b})", "float", b="like a")
pointwise("clamp", "{k}, {l}", "clamp({a}, {k}, {l})", k="plain a", l="plain a")
pointwise("clamp", "min={k}", "np.where({a} > {k}, {a}, {k})", k="plain a")
pointwise("clamp", "max={k}", "np.where({a} < {k}, {a}, {k})", k="plain a")
op("cmax", "tensorlib.max({a}, {b})", "np.where({a} > {b}, {a}, {b})", a="tensor", b="like a")
op("cmin", "{a}.min({b})", "np.where({a} < {b}, {a}, {b})", a="tensor", b="like a")
pointwise("abs", "", "np.abs({a})", "signed")
pointwise("sign", "", "sign({a})")
for name, mirror in {"exp": "np.exp({a})", "log": "np.log({a})", "log1p": "np.log1p({a})", "sqrt": "np.sqrt({a})",
                     "rsqrt": "1 / np.sqrt({a})", "reciprocal": "1 / {a}", "neg": "-{a}", "ceil": "np.ceil({a})",
                     "floor": "np.floor({a})", "trunc": "np.trunc({a})", "frac": "{a} - np.trunc({a})",
                     "round": "rounded({a})", "sigmoid": "1 / (1 + np.exp(-{a}))", "tanh": "np.tanh({a})",
                     "acos": "np.arccos({a})", "asin": "np.arcsin({a})", "atan": "np.arctan({a})",
                     "sinh": "np.sinh({a})", "cosh": "np.cosh({a})"}.items():
    pointwise(name, "", mirror, "float")
for name in ("sin", "cos", "tan"):
    op(name, "{a}.%s()" % name, "np.%s({a})" % name, a="tame float")
pointwise("pow", "{k}", "power({a}, {k})", "float", k="plain a")
op("pow", "{a}.pow({b})", "np.power({a}, {b})", a="tensor float", b="like a")

# ---- views: what is written through one shows in the others -----------------------------------------------------

op("transpose", "{a}.transpose({d}, {e})", "np.swapaxes({a}, {d}, {e})", a="tensor", d="dim a", e="dim a")
op("t", "{a}.t()", "{a}.T", a="tensor arithmetic 2")
op("permute", "{a}.permute({p})", "np.transpose({a}, ({p},))", a="tensor", p="order a")
op("view", "{a}.view({s})", "view({a}, {s})", a="tensor", s="reshaped a")
op("expand", "{a}.expand({s})", "expand({a}, {s})", a="tensor", s="expanded a")
op("narrow", "{a}.narrow({d}, {s}, {n})", "narrow({a}, {d}, {s}, {n})", a="tensor", d="dim a", s="small 0 2",
   n="small 0 3")
op("squeeze", "{a}.squeeze()", "squeeze({a})", a="tensor")
op("squeeze", "{a}.squeeze({d})", "squeeze({a}, {d})", a="tensor", d="dim a")
op("unsqueeze", "{a}.unsqueeze({d})", "np.expand_dims({a}, {d})", a="tensor", d="plus a")
op("unfold", "{a}.unfold({d}, {n}, {s})", "unfold({a}, {d}, {n}, {s})", a="tensor", d="dim a", n="small 1 3",
   s="small 1 2")
op("split", "{a}.split({n}, {d})", "pieces({a}, {n}, {d})", 5, a="tensor", n="small 1 3", d="dim a")
op("chunk", "{a}.chunk({n}, {d})", "chunk({a}, {n}, {d})", 5, a="tensor", n="small 1 3", d="dim a")
op("select", "{a}.select({d}, {i})", "at(np.moveaxis({a}, {d}, 0), {i})", a="tensor arithmetic many", d="dim a",
   i="small 0 3")
op("index", "{a}[{k}]", "at({a}, np.s_[{k}])", a="tensor any", k="key a")
op("contiguous", "{a}.contiguous()", "np.ascontiguousarray({a})", a="tensor")
for _ in range(3):
    op("index", "{a}[{k}]", "at({a}, np.s_[{k}])", a="tensor", k="key a")

# ---- copies and writes ----------------------------------------------------------------------------------------

op("clone", "{a}.clone()", "{a}.copy()", a="tensor")
op("fill_", "{a}.fill_({k})", "put({a}, {k})", 0, a="target any", k="number a")
op("zero_", "{a}.zero_()", "put({a}, 0)", 0, a="target any")
op("copy_", "{a}.copy_({b})", "put({a}, cast({b}, str({a}.dtype)))", 0, a="target any", b="into a")
op("cast", "{a}.type('tensorlib.' + NAMES['{t}'] + 'Tensor')", "cast({a}, '{t}') if '{t}' != {a}.dtype else {a}",
   a="tame any", t="dtype")
op("set", "setitem({a}, np.s_[{k}], {v})", "setitem({a}, np.s_[{k}], {v})", 0, a="target any", k="key a", v="number a")
op("set", "setitem({a}, np.s_[{k}], {b}[{k}])", "setitem({a}, np.s_[{k}], {b}[{k}])", 0, a="target", k="key a",
   b="same a")
for kind in ("number a", "plain a"):
    op("set lists", "setitem({a}, np.s_[{k}], {v})", "setitem({a}, np.s_[{k}], {v})", 0, a="target arithmetic many",
       k="lists a", v=kind)
op("index lists", "{a}[{k}]", "at({a}, np.s_[{k}])", a="tensor arithmetic many", k="lists a")
op("index mask", "{a}[{m}]", "masked({a}, {m})", a="tensor", m="mask a")
op("set mask", "setitem({a}, {m}, {v})", "masked_put({a}, {m}, {v})", 0, a="target", m="mask a", v="number a")
op("index rows", "{a}[{i}]", "index_select({a}, 0, {i})", a="tensor", i="index a 0")
op("masked_select", "{a}.masked_select({m})", "masked({a}, {m})", a="tensor", m="mask a")
op("masked_fill_", "{a}.masked_fill_({m}, {v})", "masked_put({a}, {m}, {v})", 0, a="target", m="mask a", v="number a")
op("masked_scatter_", "{a}.masked_scatter_({m}, {b})", "masked_scatter({a}, {m}, {b}.copy())", 0, a="target",
   m="mask a",
   b="same a")
op("nonzero", "{a}.nonzero()", "np.argwhere({a})", a="tensor")
op("index_select", "{a}.index_select({d}, {i})", "index_select({a}, {d}, {i})", a="tensor", d="dim a", i="index a d")
op("index_fill_", "{a}.index_fill_({d}, {i}, {v})", "index_put({a}, {d}, {i}, {v})", 0, a="target", d="dim a",
   i="index a d", v="number a")
op("index_copy_", "{a}.index_copy_({d}, {i}, {b})", "index_put({a}, {d}, {i}, {b})", 0, a="target", d="dim a",
   i="distinct a d", b="slices a d i")
op("index_add_", "{a}.index_add_({d}, {i}, {b})", "index_put({a}, {d}, {i}, {b}, True)", 0, a="target", d="dim a",
   i="index a d", b="slices a d i")
op("gather", "{a}.gather({d}, {i})", "gather({a}, {d}, {i})", a="tensor", d="dim a", i="grid a d")
op("scatter_", "{a}.scatter_({d}, {i}, {v})", "scatter_({a}, {d}, {i}, {v})", 0, a="target", d="dim a", i="grid a d",
   v="number a")
op("scatter_", "{a}.scatter_({d}, {i}, {b})", "scatter_({a}, {d}, {i}, {b})", 0, a="target", d="dim a", i="grid a d",
   b="covering a i")
op("scatter_add_", "{a}.scatter_add_({d}, {i}, {b})", "scatter_({a}, {d}, {i}, {b}, True)", 0, a="target", d="dim a",
   i="grid a d", b="covering a i")
op("cat", "tensorlib.cat([{a}, {b}, {a}], {d})", "cat([{a}, {b}, {a}], {d})", a="tensor", b="same a",
   d="dim a")
op("stack", "tensorlib.stack([{a}, {b}], {d})", "np.stack([{a}, {b}], {d})", a="tensor", b="same a", d="plus a")
op("set mask", "setitem({a}, {m}, {b})", "masked_scatter({a}, {m}, {b}.copy())", 0, a="target", m="mask a", b="same a")
op("set rows", "setitem({a}, {i}, {v})", "index_put({a}, 0, {i}, {v})", 0, a="target", i="index a 0", v="number a")
op("repeat", "{a}.repeat({s})", "np.tile({a}, ({s},))", a="tensor", s="tiles a")
op("where", "tensorlib.where({m}, {a}, {b})", "np.where({m} != 0, {a}, {b})", a="tensor", b="same a", m="mask a")

# ---- reductions ---------------------------------------------------------------------------------------------------

op("sum", "{a}.sum()", "total({a})", a="tame")
op("prod", "{a}.prod()", "product({a})", a="tame")
for name in ("sum", "prod"):
    op(name, "{a}.%s({d}, {k})" % name, "along(np.%s, {a}, {d}, {k})" % name, a="tame", d="dim a", k="bool")
for name in ("max", "min"):
    op(name, "{a}.%s()" % name, "{a}.%s().item()" % name, a="tensor")
    op(name, "{a}.%s({d}, {k})" % name, "with_positions({a}.%s({d}), {a}, {d}, {k})" % name, 2,
       a="tensor", d="dim a", k="bool")
op("mean", "{a}.mean()", "{a}.dtype.type({a}.mean(dtype=float))", a="tame float")
op("mean", "{a}.mean({d}, {k})", "along(np.mean, {a}, {d}, {k})", a="tame float", d="dim a", k="bool")
for name in ("std", "var"):
    op(name, "{a}.%s({d}, False, {k})" % name, "along(np.%s, {a}, {d}, {k})" % name, a="tame float", d="dim a",
       k="bool")
op("norm", "{a}.norm({p})", "{a}.dtype.type((np.abs({a}.astype(float)) ** {p}).sum() ** (1 / {p}))", a="tame float",
   p="small 1 3")
op("norm", "{a}.norm({p}, {d}, {k})",
   "dims_kept((np.abs({a}) ** {p}).sum({d}) ** {a}.dtype.type(1 / {p}), {a}, {d}, {k})",
   a="tame float", p="small 1 3", d="dim a", k="bool")
op("dist", "{a}.dist({b}, 2)", "{a}.dtype.type((({a}.astype(float) - {b}) ** 2).sum() ** 0.5)", a="tame float",
   b="same a")
op("cumsum", "{a}.cumsum({d})", "np.cumsum({a}, {d}, {a}.dtype)", a="tame", d="dim a")
op("cumprod", "{a}.cumprod({d})", "np.cumprod({a}, {d}, {a}.dtype)", a="tame", d="dim a")
op("sort", "{a}.sort({d}, {b})", "ordered({a}, {d}, {b})", 2, a="tame", d="dim a", b="bool")
op("topk", "{a}.topk({k}, {d}, {b})", "topk({a}, {k}, {d}, {b})", 2, a="tame", k="small 1 3", d="dim a", b="bool")
op("kthvalue", "{a}.kthvalue({k}, {d}, {b})", "kthvalue({a}, {k}, {d}, {b})", 2, a="tame", k="small 1 3", d="dim a",
   b="bool")
op("median", "{a}.median({d}, {b})", "kthvalue({a}, ({a}.shape[{d}] + 1) // 2, {d}, {b})", 2, a="tame", d="dim a",
   b="bool")
op("mode", "{a}.mode({d}, {b})", "mode({a}, {d}, {b})", 2, a="tame", d="dim a", b="bool")
op("median", "{a}.median()", "{a}.dtype.type(np.sort({a}, None)[({a}.size - 1) // 2]).item()", a="tame")
op("histc", "{a}.histc({k}, {l}, {h})", "histogram({a}, {k}, {l}, {h})", a="tame float", k="small 1 5", l="small -3 0",
   h="small 1 4")
op("unbind", "tensorlib.unbind({a}, {d})", "tuple(np.moveaxis({a}, {d}, 0))", 5, a="tensor arithmetic many", d="dim a")
op("renorm", "{a}.renorm({p}, {d}, {m})", "renorm({a}, {p}, {d}, {m})", a="tame float many", p="small 1 2", d="dim a",
   m="small 1 9")
op("equal", "{a}.equal({b})", "np.array_equal({a}, {b})", 0, a="tensor", b="same a")
op("tolist", "{a}.tolist()", "({a}.tolist())", 0, a="tame")

# ---- out= of another size: it becomes that of the result ----------------------------------------------------------

for text, mirror, more in (
        ("add({a}, {b}, ", "{a} + {b}", {"b": "same a"}),
        ("clamp({a}, -2, 2, ", "clamp({a}, {a}.dtype.type(-2), 2)", {}),
        ("sum({a}, {d}, True, ", "along(np.sum, {a}, {d}, True)", {"d": "dim a"}),
        ("cumsum({a}, {d}, ", "np.cumsum({a}, {d}, {a}.dtype)", {"d": "dim a"}),
        ("gather({a}, {d}, {i}, ", "gather({a}, {d}, {i})", {"d": "dim a", "i": "grid a d"}),
        ("index_select({a}, {d}, {i}, ", "index_select({a}, {d}, {i})", {"d": "dim a", "i": "index a d"}),
        ("masked_select({a}, {i}, ", "masked({a}, {i})", {"i": "mask a"}),
        ("cat([{a}, {a}], {d}, ", "cat([{a}, {a}], {d})", {"d": "dim a"})):
    op("out", "tensorlib.%sout={a}.new(3))" % text, mirror, a="tame signed", **more)
    op("out", "tensorlib.%sout={a}.new())" % text, mirror, a="tame signed", **more)
op("out", "tensorlib.max({a}, {d}, True, out=({a}.new(2), tensorlib.LongTensor()))",
   "with_positions({a}.max({d}), {a}, {d}, True)", 2, a="tame", d="dim a")
op("out", "tensorlib.sort({a}, {d}, out=({a}.new(2, 2), tensorlib.LongTensor(3)))", "ordered({a}, {d}, False)", 2,
   a="tame", d="dim a")
op("out", "tensorlib.mm({a}, {a}.t(), out={a}.new(5))", "{a} @ {a}.T", a="tame arithmetic 2")

# ---- out= that is an operand: this is read before it is written ---------------------------------------------------

for text, mirror, more in (
        ("cumsum({a}, {d}, out={a})", "np.cumsum({a}, {d}, {a}.dtype)", {"d": "dim a"}),
        ("cumprod({a}, {d}, out={a})", "np.cumprod({a}, {d}, {a}.dtype)", {"d": "dim a"}),
        ("index_select({a}, {d}, {i}, out={b})", "index_select({a}, {d}, {i})",
         {"d": "dim a", "i": "index a d", "b": "slices a d i"}),
        ("gather({a}, {d}, {i}, out={b})", "gather({a}, {d}, {i})",
         {"d": "dim a", "i": "grid a d", "b": "covering a i"}),
        ("where({m}, {a}, {b}, out={a})", "np.where({m} != 0, {a}, {b})", {"m": "mask a", "b": "same a"}),
        ("max({a}, {b}, out={b})", "np.where({a} > {b}, {a}, {b})", {"b": "same a"})):
    held = "b" if "out={b}" in text else "a"
    op("out alias", "tensorlib." + text, "put({%s}, %s)" % (held, mirror), 0, a="held", **more)
for text, mirror, sized in (("mm({a}, {b}, out={a})", "{a} @ {b}", "sized a d1 d1"),
                            ("mm({b}, {a}, out={a})", "{b} @ {a}", "sized a d0 d0"),
                            ("addmm({a}, {a}, {b}, out={a})", "{a} + {a} @ {b}", "sized a d1 d1"),
                            ("tril({a}, 0, out={a})", "np.tril({a})", "plain a")):
    op("out alias", "tensorlib." + text, "put({a}, %s)" % mirror, 0, a="held arithmetic 2", b=sized)

# ---- matrices -----------------------------------------------------------------------------------------------------

op("mm", "{a}.mm({b})", "{a} @ {b}", a="tame arithmetic 2", b="sized a d1 3")
op("mm", "tensorlib.mm({a}.t(), {b})", "{a}.T @ {b}", a="tame arithmetic 2", b="sized a d0 2")
op("mv", "{a}.mv({b})", "{a} @ {b}", a="tame arithmetic 2", b="sized a d1")
op("dot", "{a}.dot({b})", "inner({a}, {b})", a="tame arithmetic 1",
   b="sized a d0")
op("ger", "{a}.ger({b})", "np.outer({a}, {b})", a="tame arithmetic 1", b="sized a 3")
op("bmm", "{a}.bmm({b})", "{a} @ {b}", a="tame arithmetic 3", b="sized a d0 d2 2")
op("matmul", "{a}.matmul({b})", "{a} @ {b}", a="tame arithmetic 3", b="sized a d2 3")
op("addmm", "{c}.addmm({k}, {l}, {a}, {b})", "blend({k}, {c}, {l}, {a} @ {b})", a="tame arithmetic 2",
   b="sized a d1 2",
   c="sized a d0 2", k="plain a", l="plain a")
op("addmm_", "{c}.addmm_({k}, {l}, {a}, {b})", "put({c}, blend({k}, {c}, {l}, {a} @ {b}))", 0, a="tame arithmetic 2",
   b="sized a d1 2", c="sized a d0 2", k="plain a", l="plain a")
op("addmv_", "{c}.addmv_({k}, {l}, {a}, {b})", "put({c}, blend({k}, {c}, {l}, {a} @ {b}))", 0, a="tame arithmetic 2",
   b="sized a d1", c="sized a d0", k="plain a", l="plain a")
op("addr_", "{c}.addr_({k}, {l}, {a}, {b})", "put({c}, blend({k}, {c}, {l}, np.outer({a}, {b})))", 0,
   a="tame arithmetic 1", b="sized a 3", c="sized a d0 3", k="plain a", l="plain a")
op("baddbmm", "{c}.baddbmm({k}, {l}, {a}, {b})", "blend({k}, {c}, {l}, {a} @ {b})", a="tame arithmetic 3",
   b="sized a d0 d2 2", c="sized a d0 d1 2", k="plain a", l="plain a")
op("addbmm", "{c}.addbmm({k}, {l}, {a}, {b})", "blend({k}, {c}, {l}, ({a} @ {b}).sum(0, {a}.dtype))",
   a="tame arithmetic 3", b="sized a d0 d2 2", c="sized a d1 2", k="plain a", l="plain a")
op("trace", "{a}.trace()", "total(np.diagonal({a}))", a="tame arithmetic 2")
op("diag", "{a}.diag()", "np.diag({a}).copy()", a="tensor arithmetic 2")
op("diag", "{a}.diag({k})", "np.diag({a}, {k}).copy()", a="tensor arithmetic 1", k="small -2 2")
op("diagonals", "{a}.diag({k})", "diagonal({a}, {k})", a="tensor arithmetic 2", k="small -2 2")
op("cross", "{a}.cross({b}, {d})", "crossed({a}, {b}, {d})", a="tame signed triple", b="same a", d="dim a")
for name in ("tril", "triu"):
    op(name, "{a}.%s({k})" % name, "np.%s({a}, {k})" % name, a="tensor arithmetic 2", k="small -3 3")

# ---- factorizations: not the factors are compared, but what they make ---------------------------------------------

op("inverse", "{a}.inverse()", "inverted({a})", a="matrix")
op("gesv", "{b}.gesv({a})", "solved({a}, {b})", 2, a="matrix", b="sized a d0 2")
op("trtrs", "{b}.trtrs({a}, {u}, {t}, {v})", "triangular({a}, {b}, {u}, {t}, {v})", 2, a="matrix", b="sized a d0 2",
   u="bool", t="bool", v="bool")
op("qr", "{a}.qr()", "qr({a})", 2, a="tame float 2")
op("geqrf", "tensorlib.orgqr(*{a}.geqrf())[0]", "orthogonal({a})", a="tame float 2")
op("svd", "{a}.svd()", "svd({a})", 3, a="tame float 2")
op("svd", "{a}.svd(False)", "svd({a}, False)", 3, a="tame float 2")
op("gels", "{b}.gels({a})[0]", "least_squares({a}, {b})", a="matrix tall", b="sized a d0 2")
op("symeig", "{a}.symeig(True, {u})", "symeig({a}, {u})", 2, a="matrix", u="bool")
op("symeig", "{a}.symeig(False, {u})[0]", "symeig({a}, {u}, False)", a="matrix", u="bool")
op("eig", "{a}.eig(True)", "eig({a})", 2, a="matrix")
op("potrf", "{a}.mm({a}.t()).potrf({u})", "cholesky({a} @ {a}.T, {u})", a="matrix", u="bool")
op("potrf", "{a}.potrf({u})", "cholesky_of({a}, {u})", a="matrix", u="bool")
op("potrs", "{b}.potrs({a}.mm({a}.t()).potrf({u}), {u})", "solved({a} @ {a}.T, {b})", a="matrix",
   b="sized a d0 2", u="bool")
op("potri", "{a}.mm({a}.t()).potrf({u}).potri({u})", "inverted({a} @ {a}.T)", a="matrix", u="bool")
op("pstrf", "{a}.mm({a}.t()).pstrf({u})", "pivoted({a} @ {a}.T, {u})", 2, a="matrix", u="bool")
op("btrisolve", "{b}.btrisolve(*tensorlib.stack([{a}, {a}], 0).btrifact())", "solutions({a}, {b})", a="matrix",
   b="sized a 2 d0")

# ---- sparse -------------------------------------------------------------------------------------------------------

for text, mirror in {"{s}": "{s}", "{s}.coalesce()": "{s}", "{s}.clone()": "{s}", "{s}.t()": "{s}.T",
                     "{s}.transpose(0, 1)": "{s}.T", "{s} * {k}": "{s} * {k}", "{s} + {s}": "{s} + {s}",
                     "{s}.add({k}, {s})": "{s} + {k} * {s}", "{s} - {s}.mul({k})": "{s} - {s} * {k}",
                     "{s}.mul({s})": "{s} * {s}", "{s}.t().coalesce() + {s}.t()": "{s}.T + {s}.T",
                     "{s}.clone().zero_()": "{s} * 0"}.items():
    op("sparse", "(%s).to_dense()" % text, mirror, a="tame arithmetic 1", s="sparse a", k="plain a")
op("sparse", "tensorlib.mm({s}, {b})", "{s} @ {b}", a="tame arithmetic 1", s="sparse a", b="sized a 4 2")
op("sparse", "{c}.addmm({k}, {l}, {s}, {b})", "blend({k}, {c}, {l}, {s} @ {b})", a="tame arithmetic 1", s="sparse a",
   b="sized a 4 2", c="sized a 3 2", k="plain a", l="plain a")
op("sparse", "tensorlib.hspmm({s}, {b}).to_dense()", "{s} @ {b}", a="tame arithmetic 1", s="sparse a", b="sized a 4 2")
op("sparse", "tensorlib.spadd({c}, {k}, {s})", "{c} + {k} * {s}", a="tame arithmetic 1", s="sparse a", c="sized a 3 4",
   k="plain a")
op("sparse", "{c}.add_({k}, {s})", "put({c}, {c} + {k} * {s})", 0, a="tame arithmetic 1", s="sparse a",
   c="sized a 3 4", k="plain a")


def draw_program(rng, program, steps):
    """Run a program of randomly drawn steps. Raises Difference at the first one."""
    draw = Draw(rng, program)
    while len(program.steps) < steps:
        operation = rng.choice(OPERATIONS)
        try:
            step = operation.step(draw, wrong=rng.random() < 0.06)
        except Impossible:
            continue
        program.run(step)
        if rng.random() < 0.03:  # any operation, of an empty tensor: it only has to end cleanly
            kind = rng.choice(["Byte", "Int", "Long", "Half", "Float", "Double"])
            names = sorted(step.names())
            if names and "out=" not in step.ours:
                empty = re.sub(r"\b%s\b" % names[0], "tensorlib.%sTensor()" % kind, step.ours)
                program.run(Step("empty", [], empty))
    return program
