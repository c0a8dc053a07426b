"""Sequences of different lengths, packed step by step so that a recurrent layer computes no padding."""
from collections import namedtuple

from ...autograd import Variable
from ...ops.shape import cat_sequence

PackedSequence = namedtuple("PackedSequence", ["data", "batch_sizes"])
PackedSequence.__doc__ = """Sequences of decreasing length, stored step by step.

Attributes:
    data (Variable): all first steps, then all second steps, and so on; size (total steps, *).
    batch_sizes (list of int): how many sequences reach each step.
"""


def pack_padded_sequence(input, lengths, batch_first=False):
    """Pack a padded batch of sequences.

    Args:
        input (Variable): (steps, batch, *), or (batch, steps, *) with batch_first.
        lengths (sequence of int): the length of each sequence, in decreasing order, above 0.
        batch_first (bool): see input.

    Returns:
        a PackedSequence.

    Raises:
        ValueError: lengths are not decreasing, not above 0, not one for each sequence, or beyond the steps given.

    Example:
        >>> import tensorlib
        >>> from tensorlib.autograd import Variable
        >>> from tensorlib.nn.utils.rnn import pack_padded_sequence
        >>> pack_padded_sequence(Variable(tensorlib.zeros(3, 2, 1)), [3, 1]).batch_sizes
        [2, 1, 1]
    """
    lengths = list(lengths)
    if batch_first:
        input = input.transpose(0, 1)
    if any(a < b for a, b in zip(lengths, lengths[1:])):
        raise ValueError("lengths array has to be sorted in decreasing order")
    if len(lengths) != input.size(1):
        raise ValueError("lengths array has incorrect size: %d lengths for a batch of %d"
                         % (len(lengths), input.size(1)))
    if lengths[-1] <= 0:
        raise ValueError("length of all samples has to be greater than 0, got %d" % lengths[-1])
    if lengths[0] > input.size(0):
        raise ValueError("a length of %d is beyond the %d steps of the input" % (lengths[0], input.size(0)))
    pieces, batch_sizes, start = [], [], 0
    for batch in range(len(lengths), 0, -1):
        # Between the ends of two sequences, all steps have the same batch size.
        end = lengths[batch - 1]
        if end > start:
            piece = input[start:end, :batch].contiguous()
            pieces.append(piece.view((end - start) * batch, *input.size()[2:]))
            batch_sizes += [batch] * (end - start)
            start = end
    return PackedSequence(cat_sequence(pieces, 0), batch_sizes)


def pad_packed_sequence(sequence, batch_first=False):
    """Undo pack_padded_sequence(); what is beyond the end of a sequence is zero.

    Args:
        sequence (PackedSequence): the batch.
        batch_first (bool): return (batch, steps, *), not (steps, batch, *).

    Returns:
        the padded Variable, and the list of lengths.
    """
    data, batch_sizes = sequence
    widest = batch_sizes[0]
    rest = list(data.size()[1:])
    blocks, offset, step = [], 0, 0
    while step < len(batch_sizes):
        batch = batch_sizes[step]
        steps = batch_sizes[step:].count(batch)
        block = data[offset:offset + steps * batch].view(steps, batch, *rest)
        if batch < widest:
            padding = Variable(data.data.new(steps, widest - batch, *rest).zero_())
            block = cat_sequence([block, padding], 1)
        blocks.append(block)
        offset += steps * batch
        step += steps
    output = cat_sequence(blocks, 0)
    lengths = [sum(batch > i for batch in batch_sizes) for i in range(widest)]
    return (output.transpose(0, 1) if batch_first else output), lengths
