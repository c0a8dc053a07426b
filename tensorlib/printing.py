"""The text of tensors and storages, exactly as v0.2 wrote it, and tables of them for notebooks."""
import html
import math

from ._ops.shape import cast, narrow, select, view
from ._ops.copying import make_contiguous
from ._ops.elementwise import Pointwise
from ._ops.index import masked_select
from ._ops.reduce import max_number, min_number
from ._ops.sequences import to_list


class Options:
    """What set_printoptions sets."""

    precision, threshold, edgeitems, linewidth = 4, 1000, 3, 80


PROFILES = {"default": (4, 1000, 3, 80), "short": (2, 1000, 2, 80), "full": (4, math.inf, 3, 80)}


def set_printoptions(precision=None, threshold=None, edgeitems=None, linewidth=None, profile=None):
    """Set how tensors are printed.

    Args:
        precision: digits after the point. threshold: from this many elements on, only the edges are printed.
        edgeitems: how many at each edge. linewidth: characters of a line. profile: "default", "short" or "full".
    """
    if profile is not None:
        if profile not in PROFILES:
            raise ValueError("unknown profile %r, expected one of %s" % (profile, ", ".join(PROFILES)))
        Options.precision, Options.threshold, Options.edgeitems, Options.linewidth = PROFILES[profile]
    for name, value in (("precision", precision), ("threshold", threshold), ("edgeitems", edgeitems),
                        ("linewidth", linewidth)):
        if value is not None:
            setattr(Options, name, value)


def exponent(x):
    """Digits before the point; 1 for zero."""
    return math.floor(math.log10(x)) + 1 if x else 1


def number_format(values, least=0):
    """(format string, scale, width) for numbers that are shown together. The widths were made for a precision of 4."""
    finite = [abs(v) for v in values if math.isfinite(v)]
    least = max(least, 3) if len(finite) < len(values) else max(least, 2)
    precision = Options.precision
    top, low = (exponent(max(finite)), exponent(min(finite))) if finite else (1, 1)
    if all(v == math.floor(v) for v in finite):
        if top > precision + 1:
            return "{:11.%de}" % precision, 1, max(least, 7 + precision)
        width = max(least, top + 1)
        return "{:%d.0f}" % width, 1, width
    if top - low > precision:
        width = max(least, 7 + precision + (abs(top) > 99 or abs(low) > 99))
        return "{:%d.%de}" % (width, precision), 1, width
    scale = 10.0 ** (top - 1) if top > precision + 1 or top < 0 else 1
    width = max(least, 7 if scale != 1 or top == 0 else top + 6)
    return "{:%d.%df}" % (width, precision), scale, width


ABS, FLOOR = Pointwise("abs", 1), Pointwise("floor", 1)
LESS, UNEQUAL = Pointwise("lt", 2, to_byte=True), Pointwise("ne", 2, to_byte=True)
FEW = 4096
DOUBLE = 7


def telling_values(t):
    """The numbers a format depends on: all of a small tensor; of a large one the extremes, a fraction, a nan."""
    t = view(make_contiguous(t), (-1,))
    if t.numel() <= FEW:
        return to_list(t)
    sizes = ABS(cast(t, DOUBLE))
    finite = masked_select(sizes, LESS(sizes, math.inf))
    values = [math.nan] if finite.numel() < sizes.numel() else []
    if finite.numel():
        fractions = masked_select(finite, UNEQUAL(FLOOR(finite), finite))
        values += [min_number(finite), max_number(finite)] + to_list(fractions)[:1]
    return values


def edges(t, cut):
    """The rows of a tensor as lists; if it is cut, those at the edges only."""
    n, edge = t.size(0), Options.edgeitems
    return to_list(narrow(t, 0, 0, edge)) + to_list(narrow(t, 0, n - edge, edge)) if cut else to_list(t)


def scale_line(scale):
    return "{:.5e} *\n".format(scale) if scale != 1 else ""


def centred(text, width):
    """Text in the middle, the odd space on its right."""
    return "{:^{}}".format(text, width)


def vector_text(t):
    """One value a line."""
    n, edge = t.size(0), Options.edgeitems
    dots = n >= Options.threshold and 2 * edge < n
    form, scale, width = number_format(telling_values(t))
    margin = " " if scale != 1 else ""
    lines = [margin + form.format(v / scale) for v in edges(t, dots)]
    if dots:
        lines.insert(edge, margin + centred("\u22ee", width))
    return scale_line(scale) + "\n".join(lines) + "\n"


def matrix_text(t, indent="", form=None, force_dots=None):
    """Rows; too wide ones in blocks of columns; only the edges of large matrices."""
    rows, columns = t.size()
    edge = Options.edgeitems
    dots = t.numel() >= Options.threshold if force_dots is None else force_dots
    cut_columns, cut_rows = columns > 2 * edge, rows > 2 * edge
    data = edges(t, dots and cut_rows)
    form = form or number_format(telling_values(t), 5 if cut_columns or cut_rows else 0)
    text, scale, width = form
    head, margin = scale_line(scale), indent + (" " if scale != 1 else "")

    def row_text(row):
        return " ".join([text.format(v / scale) for v in row])

    if dots and (cut_columns or cut_rows):
        return head + large_matrix(data, cut_rows, cut_columns, row_text, margin, width)
    per_line = max(1, (Options.linewidth - len(indent)) // (width + 1))
    if columns <= per_line:
        return head + "".join([margin + row_text(row) + "\n" for row in data])
    blocks = []
    for start in range(0, columns, per_line):
        stop = min(start + per_line, columns)
        name = "\nColumns %d to %d \n%s" % (start, stop - 1, indent)      # the indent once more, as v0.2 had it
        blocks.append(name + head + "".join([margin + row_text(row[start:stop]) + "\n" for row in data]))
    return "".join(blocks)


def large_matrix(data, cut_rows, cut_columns, row_text, margin, width):
    """The edges of a matrix, dots between them."""
    edge = Options.edgeitems

    def line(row):
        if not cut_columns:
            return margin + row_text(row) + "\n"
        return margin + row_text(row[:edge]) + "  ...  " + row_text(row[-edge:]) + "\n"

    if not cut_rows:
        return "".join([line(row) for row in data])
    side = (width + 1) * edge - 1
    if cut_columns:
        middle = margin + centred("...", side) + centred("\u22f1", 7) + centred("...", side) + "\n"
    else:
        middle = centred("\u22ee", (width + 1) * len(data[0]) - 1 + len(margin)) + "\n"
    return "".join([line(row) for row in data[:edge]]) + middle + "".join([line(row) for row in data[-edge:]])


def block_text(t):
    """Each matrix of a tensor of more dims under a headline; of large tensors only those at the edges."""
    outer = list(t.size())[:-2]
    edge = Options.edgeitems
    dots = t.numel() >= Options.threshold
    cut = t.size(-1) > 2 * edge or t.size(-2) > 2 * edge
    form = number_format(telling_values(t), 3 if cut else 0)
    width = max(2, len(str(max(t.size()))))
    text, last = "", None
    for position in positions(outer, edge if dots else None):
        if last is not None:
            text += (gaps(last, position, width) if dots else "") + "\n"
        matrix = t
        for i in position:
            matrix = select(matrix, 0, i)
        text += "(%s,.,.) = \n" % ",".join([centred(str(i), width) for i in position])
        text += matrix_text(view(make_contiguous(matrix), (t.size(-2), t.size(-1))), " ", form, dots)
        last = position
    return text


def gaps(last, position, width):
    """The line between two blocks: which dims jumped over their middle, and which began anew."""
    skipped = ["..." if i - j > 1 else "" for i, j in zip(position, last)]
    restarted = ["\u22ee" if i < j else "" for i, j in zip(position, last)]
    line = ""
    if any(skipped):
        line += "".join([centred(mark, width + 1) for mark in skipped]) + "\n"
    if any(restarted):
        line += " " + "".join([centred(mark, width + 1) for mark in restarted]) + "\n"
    return line


def positions(sizes, edge):
    """Every index into dims of these sizes, in order; with an edge, without the middle of long dims."""
    if not sizes:
        return [()]
    first = range(sizes[0])
    if edge is not None and sizes[0] > 2 * edge:
        first = list(first[:edge]) + list(first[-edge:])
    return [(i,) + rest for i in first for rest in positions(sizes[1:], edge)]


def sparse_text(t):
    """The indices and the values of a sparse tensor."""
    return "%s of size %s with indices:\n%sand values:\n%s" % (
        t.type(), "x".join([str(n) for n in t.size()]), tensor_text(t._indices()), tensor_text(t._values()))


def tensor_text(t):
    """What str() and repr() of a tensor give."""
    if t.is_sparse and t.dim():
        return sparse_text(t)
    size = "x".join([str(n) for n in t.size()])
    gpu = " (GPU %d)" % t.get_device() if t.is_cuda else ""
    if t.dim() == 0:
        return "[%s with no dimension]\n" % t.type()
    kind = t.type()
    t = t.cpu()
    body = vector_text(t) if t.dim() == 1 else matrix_text(t) if t.dim() == 2 else block_text(t)
    return "\n%s[%s of size %s%s]\n" % (body, kind, size, gpu)


def storage_text(storage):
    """What str() and repr() of a storage give."""
    gpu = " (GPU %d)" % storage.get_device() if storage.is_cuda else ""
    lines = "\n ".join([str(v) for v in storage.tolist()])
    return " %s\n[%s of size %d%s]" % (lines, storage.type(), len(storage), gpu)


# ---- notebooks ----------------------------------------------------------------------------------------


def shortened(items, cut, dots):
    """A list with `dots` in the place of its middle, where that was cut out."""
    edge = Options.edgeitems
    return items[:edge] + [dots] + items[-edge:] if cut else items


def tensor_html(t):
    """What a notebook shows of a tensor: a table of a vector (one column) or a matrix, else the text.

    Returns:
        str: HTML. Of large tensors, by the options of set_printoptions, only the edges.
    """
    if t.is_sparse or t.dim() not in (1, 2):
        return "<pre>%s</pre>" % html.escape(tensor_text(t))
    caption = html.escape(tensor_text(t).rstrip("\n").rpartition("\n")[2])
    matrix = view(make_contiguous(t.cpu()), (-1, 1)) if t.dim() == 1 else t.cpu()
    form, scale, _ = number_format(telling_values(matrix))
    cut_rows, cut_columns = [t.numel() >= Options.threshold and n > 2 * Options.edgeitems for n in matrix.size()]
    rows = [shortened([form.format(v / scale).strip() for v in row], cut_columns, "\u22ef")
            for row in edges(matrix, cut_rows)]
    rows = shortened(rows, cut_rows, ["\u22ee"] * len(rows[0]))
    head = html.escape(scale_line(scale))
    body = "".join(["<tr>%s</tr>" % "".join(["<td>%s</td>" % cell for cell in row]) for row in rows])
    return "<div>%s<table><caption>%s</caption>%s</table></div>" % (head, caption, body)
