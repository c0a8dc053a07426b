"""How a list of samples becomes a batch. It deals with tensors, arrays and plain containers."""
from collections.abc import Mapping, Sequence

import numpy

from ..._ops.tensor import TensorBase
from ...ops.shape import stack
from ...tensor import (
    ByteTensor,
    CharTensor,
    DoubleTensor,
    FloatTensor,
    HalfTensor,
    IntTensor,
    LongTensor,
    ShortTensor,
    from_numpy,
)

SCALARS = {"float64": DoubleTensor, "float32": FloatTensor, "float16": HalfTensor, "int64": LongTensor,
           "int32": IntTensor, "int16": ShortTensor, "int8": CharTensor, "uint8": ByteTensor}


def default_collate(batch):
    """Put a list of samples together: tensors are stacked, numbers become a tensor, containers are done by item.

    ints give a LongTensor, floats a DoubleTensor, NumPy scalars the tensor of their type, NumPy arrays are stacked,
    strings stay a list, dicts give a dict, sequences a list of batches.

    Raises:
        TypeError: the samples are of another type.
        RuntimeError: the samples have different sizes.

    Example:
        >>> from tensorlib.utils.data.dataloader import default_collate
        >>> default_collate([{"x": 1, "name": "a"}, {"x": 2, "name": "b"}])["name"]
        ['a', 'b']
    """
    first = batch[0]
    if isinstance(first, TensorBase):
        return stack(batch, 0)
    if isinstance(first, (numpy.ndarray, numpy.generic)):
        return _collate_numpy(batch)
    if isinstance(first, int):
        return LongTensor([int(sample) for sample in batch])
    if isinstance(first, float):
        return DoubleTensor(batch)
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        return {key: default_collate([sample[key] for sample in batch]) for key in first}
    if isinstance(first, Sequence):
        if any(len(sample) != len(first) for sample in batch):
            raise RuntimeError("samples of a batch must have the same number of items, but have %s"
                               % sorted({len(sample) for sample in batch}))
        return [default_collate(list(column)) for column in zip(*batch)]
    raise TypeError("batch must contain tensors, numbers, dicts or lists; found %s" % type(first))


def _collate_numpy(batch):
    first = batch[0]
    if first.shape:
        return stack([from_numpy(sample) for sample in batch], 0)
    cls = SCALARS.get(first.dtype.name)
    if cls is None:
        raise TypeError("batch must contain tensors, numbers, dicts or lists; found numpy.%s" % first.dtype.name)
    number = float if first.dtype.kind == "f" else int
    return cls([number(sample) for sample in batch])
