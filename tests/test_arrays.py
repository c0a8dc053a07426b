"""Memory shared with NumPy: both ways, what is refused, what is copied, and who keeps it alive."""
import weakref

import numpy as np
import pytest

import tensorlib

ARRAYS = [np.arange(24, dtype=name).reshape(2, 3, 4) for name in "float64 float32 int64 int32 int16 uint8".split()]
KEYS = [np.s_[:], np.s_[1], np.s_[:, 1:, ::2], np.s_[:, :, 3], np.s_[1:, None], np.s_[0, 0, 1:2]]


def strides_of(array):
    """Those that say something: a dim of size 1 may have any."""
    return [s for s, n in zip(array.strides, array.shape) if n > 1]




@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: a.dtype.name)
@pytest.mark.parametrize("key", KEYS, ids=str)
def test_arrays_there_and_back(array, key):
    view = array[key].T
    t = tensorlib.from_numpy(view)
    assert t.tolist() == view.tolist() and t.size() == view.shape
    back = t.numpy()
    assert back.dtype == view.dtype and back.flags.writeable
    assert strides_of(back) == strides_of(view)
    assert back.__array_interface__["data"] == view.__array_interface__["data"]
    with pytest.raises(RuntimeError):
        t.resize_(10000)


@pytest.mark.parametrize("array, error", [
    (np.arange(3)[::-1], "negative"), (np.zeros((2, 0)), "zero-sized"), (np.array(1.0), "zero-sized"),
    (np.arange(3, dtype=">i4"), "invalid type"), (np.array(["a"]), "invalid type"), (np.zeros(2, bool), "invalid type"),
    (np.zeros(2, "M8[s]"), "invalid type"), (np.zeros(2, "f2"), "invalid type"), (np.zeros(2, "i1"), "invalid type"),
    (np.zeros(2, "c8"), "invalid type")],
    ids=lambda x: x if isinstance(x, str) else str(x.dtype))
def test_arrays_that_no_tensor_takes(array, error):
    with pytest.raises(RuntimeError, match=error):
        tensorlib.from_numpy(array)


def test_arrays_that_are_copied():
    fixed = np.arange(3.0)
    fixed.flags.writeable = False
    crooked = np.frombuffer(bytearray(25), "u1")[1:].view("f8")
    for array in fixed, crooked, np.zeros(2, [("a", "f4"), ("b", "f8")])["b"]:
        t = tensorlib.from_numpy(array)
        assert t.tolist() == array.tolist()
        t.fill_(7)
        assert array.tolist() != t.tolist()


def test_memory_of_arrays_and_tensors_lives_as_long_as_one_of_them():
    array = np.arange(4.0)
    reference = weakref.ref(array)
    t = tensorlib.from_numpy(array)
    del array
    assert reference() is not None and t.tolist() == [0, 1, 2, 3]
    del t
    assert reference() is None
    array = tensorlib.ones(5).mul_(3).numpy()
    tensorlib.ones(5).mul_(4)
    assert array.tolist() == [3] * 5
