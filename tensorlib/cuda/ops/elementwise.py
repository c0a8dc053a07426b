"""Element by element kernels, made of the expressions in the table, and casts."""
import re

from ..._ops import blocks
from ..._ops.dispatch import DTYPE_NAMES
from ..._ops.elementwise import Pointwise
from ..._ops.tensor import code_of, device_of
from ...ops import TABLE
from .. import faults
from ..launch import NAMES, THREADS, grid_for, launch
from ..module import Program

TYPES = ("u8", "i8", "i16", "i32", "i64", "f16", "float", "double")     # in C, by element type
TURNS = 4               # elements of a thread at a time; pointwise.cuh knows this number too

# Kernels that are operators of tensors, or in-place twins, and no rows: parameters and expression.
OPERATORS = {"bitand": "self & other", "bitor": "self | other", "bitxor": "self ^ other",
             "lshift": "shifted_left(self, other)", "rshift": "shifted_right(self, other)"}
OPERATORS.update({name + "_same": "self %s other" % symbol for name, symbol in
                  (("eq", "=="), ("ne", "!="), ("lt", "<"), ("le", "<="), ("gt", ">"), ("ge", ">="))})
checks = Program("index")
programs = {}           # kernel name -> Program
rows = {}               # kernel name -> row


def row_of(name):
    """The row whose kernel has this name."""
    if not rows:
        rows.update({row.kernel.name: row for row in TABLE.values() if isinstance(row.kernel, Pointwise)})
    return rows.get(name)


def typed(expression):
    """An expression whose numbers are of the element type."""
    return re.sub(r"(?<![\w.])(\d+(?:\.\d*)?(?:e[+-]?\d+)?)", r"T(\1)", expression)


def source(name):
    """The source of a kernel, for every element type it has."""
    row = row_of(name)
    if row is None and name in OPERATORS:
        operands, params, expression = Pointwise(name, 2), ("self", "other"), OPERATORS[name]
    elif row is not None and row.row.cuda is not None:
        operands, params, expression = row.kernel, row.params, row.row.cuda
    else:
        raise NotImplementedError("%s has no CUDA kernel" % name)
    loads = "".join("        const %s %s = job.template get<%s>(%d, at[%d]);\n" % (kind, param, kind, k + 1, k + 1)
                    for k, param in enumerate(params)
                    for kind in ("u8" if operands.masked and k == 0 else "T",))
    count = len(params) + 1
    text = ('#include "pointwise.cuh"\n\ntemplate <class T> struct Expression {\n    typedef %s Result;\n'
            "    static __device__ __forceinline__ Result of(const Job<%d>& job, const i32* at) {\n%s"
            "        return (Result)(%s);\n    }\n};\n\n"
            % ("u8" if operands.to_byte else "T", count, loads, typed(expression)))
    return text + "".join("KERNEL %s_%s(const Job<%d> job) { pointwise<Expression<%s>>(job); }\n"
                          % (name, NAMES[code], count, TYPES[code]) for code in operands.dtypes())


def cast_source(code):
    """The source of casts from one element type to all."""
    text = ('#include "pointwise.cuh"\n\ntemplate <class D, class S> struct Cast {\n    typedef D Result;\n'
            "    static __device__ __forceinline__ D of(const Job<2>& job, const i32* at) {\n"
            "        return (D)job.template get<S>(1, at[1]);\n    }\n};\n\n")
    if code == 5:           # a half becomes a float first
        text = text.replace("(D)job", "(D)(float)job")
    return text + "".join("KERNEL %s_from_%s(const Job<2> job) { pointwise<Cast<%s, %s>>(job); }\n"
                          % (NAMES[to], NAMES[code], kind, TYPES[code]) for to, kind in enumerate(TYPES))


def program_of(name, text, *arguments):
    if name not in programs:
        programs[name] = Program(name, lambda: text(*arguments))
    return programs[name]


def run(program, kernel, device, packed):
    for n, block in packed:
        launch(program, kernel, device, "%ds" % len(block), grid_for(device, n, THREADS * TURNS), THREADS, block)


def pointwise(name, code, device, packed):
    """Run a kernel of the table on operands packed in blocks."""
    row = row_of(name)
    if row is not None and row.row.cuda is None:
        raise NotImplementedError("%s has no CUDA kernel" % name)
    run(program_of(name, source, name), "%s_%s" % (name, NAMES[code]), device, packed)


def check_divisor(name, divisor):
    """Let a zero among whole numbers that are to divide raise when the CPU next waits."""
    device = device_of(divisor)
    fault = faults.code_of(name, ZeroDivisionError, "division of a %s by zero" % divisor.type())
    for n, block in blocks.of(divisor):
        launch(checks, "find_zero_" + NAMES[code_of(divisor)], device, "%dsPq" % len(block), grid_for(device, n),
               THREADS, block, faults.note_of(device), fault)


def cast(to, code, device, packed):
    """Run the cast from an element type to another one, or the copy, on operands packed in blocks."""
    run(program_of("from_" + DTYPE_NAMES[code], cast_source, code), "%s_from_%s" % (NAMES[to], NAMES[code]), device,
        packed)
