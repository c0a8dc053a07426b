"""einsum: sums of products of elements named by letters, made of rows, for Tensors and Variables alike.

Two operands at a time become one batch of matrix products, so that the work is done by bmm.
"""
from .._ops.variable import VariableBase
from .._ops.sequences import fill_from_sequence
from .._ops.tensor import TensorBase, make_empty
from .index import gather
from .linalg import bmm
from .reduce import sum_dim
from .shape import contiguous, expand, permute, squeeze_dim, view

LONG = 4


def einsum(equation, *operands):
    """Sum products of elements, as an equation of letters tells.

    Each operand has a letter for each of its dims; "..." stands for any further dims, which broadcast. A letter that
    is missing from the output is summed over; one that an operand has twice means its diagonal. Without "->" the
    output has the letters that occur once, in alphabetical order, after the dims of "...". Differentiable.

    Args:
        equation: such as "ij,jk->ik". operands: Tensors of one type, or Variables; or one list of them.

    Returns:
        A tensor; a Python number where Tensors are summed over all dims, a Variable of size (1,) of Variables.

    Raises:
        ValueError: the equation is not well-formed, or does not fit the operands.

    Example:
        >>> x = tensorlib.FloatTensor([[1, 2], [3, 4]])
        >>> tensorlib.einsum("ij,ij->i", x, x).tolist(), tensorlib.einsum("ii", x)
        ([5.0, 25.0], 5.0)
    """
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = operands[0]
    inputs, output = parse(equation, operands)
    terms = [diagonals(x, letters) for x, letters in zip(operands, inputs)]
    terms, sizes = broadcast(terms)
    x, letters = terms[0]
    for i, (y, others) in enumerate(terms[1:], 2):
        needed = set(output).union(*[rest for _, rest in terms[i:]])
        x, letters = product(x, letters, y, others, needed, sizes)
    x, letters = summed(x, letters, set(output))
    if not output and isinstance(x, TensorBase):
        return x.item()
    return ordered(x, letters, output)


# ---- the equation --------------------------------------------------------------------------------------

def parse(equation, operands):
    """(the letters of each operand's dims, those of the result); the dims of "..." are -1, -2, .. from the right."""
    if not isinstance(equation, str):
        raise TypeError("einsum: expected an equation, a str, but got %s" % type(equation).__name__)
    for x in operands:
        if not isinstance(x, (TensorBase, VariableBase)):
            raise TypeError("einsum: expected tensors or Variables after the equation, but got %s" % type(x).__name__)
    left, arrow, right = equation.replace(" ", "").partition("->")
    words = left.split(",")
    if len(words) != len(operands) or not operands:
        raise ValueError("einsum: %r names %d operands, but %d are given" % (equation, len(words), len(operands)))
    inputs = [spelled(word, equation, x.dim()) for word, x in zip(words, operands)]
    every = [letter for letters in inputs for letter in letters]
    dots = sorted({letter for letter in every if isinstance(letter, int)})
    if arrow:
        output = spelled(right, equation, None, dots)
        unknown = [letter for letter in output if letter not in every]
        if unknown or len(set(output)) < len(output):
            raise ValueError("einsum: each letter of the output %r has to be one of the operands', once" % right)
        return inputs, output
    return inputs, dots + sorted(letter for letter in set(every) - set(dots) if every.count(letter) == 1)


def spelled(word, equation, ndim, dots=()):
    """The letters of one operand or of the output, "..." spelled out."""
    before, found, after = word.partition("...")
    if not all(c.isalpha() for c in before + after):
        raise ValueError("einsum: expected letters, '...', ',' and one '->', but got %r" % equation)
    if ndim is not None:
        more = ndim - len(before) - len(after)
        if more < 0 or more and not found:
            raise ValueError("einsum: %r has %d letters for a tensor of %d dims" % (word, len(before + after), ndim))
        dots = range(-more, 0)
    return list(before) + list(dots if found else ()) + list(after)


# ---- the steps -----------------------------------------------------------------------------------------

def diagonals(x, letters):
    """x with only the diagonals of dims that share a letter."""
    letters = list(letters)
    for letter in dict.fromkeys(letters):
        while letters.count(letter) > 1:
            first = letters.index(letter)
            last = letters.index(letter, first + 1)
            size = list(x.size())
            if size[first] != size[last]:
                raise ValueError("einsum: letter %r stands for sizes %d and %d" % (letter, size[first], size[last]))
            steps = make_empty(LONG, (size[first],))
            fill_from_sequence(steps, range(size[first]))
            size[last] = 1
            shape = [1] * len(size)
            shape[first] = size[first]
            x = squeeze_dim(gather(x, last, expand(view(steps, tuple(shape)), tuple(size))), last)
            del letters[last]
    return x, letters


def broadcast(terms):
    """(the operands stretched to one size for each letter, these sizes)."""
    sizes = {}
    for x, letters in terms:
        for letter, n in zip(letters, x.size()):
            if sizes.get(letter, 1) not in (1, n) and n != 1:
                raise ValueError("einsum: letter %r stands for sizes %d and %d" % (letter, sizes[letter], n))
            sizes[letter] = max(n, sizes.get(letter, 1))
    stretched = []
    for x, letters in terms:
        size = tuple([sizes[letter] for letter in letters])
        stretched.append((expand(x, size) if size != tuple(x.size()) else x, letters))
    return stretched, sizes


def product(x, a, y, b, needed, sizes):
    """The product of two operands, summed over the letters that nothing else needs."""
    x, a = summed(x, a, needed.union(b))
    y, b = summed(y, b, needed.union(a))
    both = [letter for letter in a if letter in b]
    batch, inner = [c for c in both if c in needed], [c for c in both if c not in needed]
    left, right = [c for c in a if c not in b], [c for c in b if c not in a]
    n, m, k, p = [count(letters, sizes) for letters in (batch, left, inner, right)]
    x = view(contiguous(ordered(x, a, batch + left + inner)), (n, m, k))
    y = view(contiguous(ordered(y, b, batch + inner + right)), (n, k, p))
    letters = batch + left + right
    return view(bmm(x, y), tuple([sizes[letter] for letter in letters]) or (1,)), letters


def summed(x, letters, needed):
    """x without the letters that nothing needs."""
    for dim in range(len(letters) - 1, -1, -1):
        if letters[dim] not in needed:
            x, letters = sum_dim(x, dim, False), letters[:dim] + letters[dim + 1:]
    return x, letters


def ordered(x, letters, wanted):
    order = tuple([letters.index(letter) for letter in wanted])
    return x if order == tuple(range(len(order))) else permute(x, order)


def count(letters, sizes):
    n = 1
    for letter in letters:
        n *= sizes[letter]
    return n
