"""What goes over the bus between CPU and GPU: nothing but what is asked for. Every row of the table, derivatives, steps
of all optimizers; memory that does not grow.
"""
import os
import subprocess
import sys

import pytest
from op_checks import DOUBLE, outputs_of
from test_ops import cases
from test_rows import PRESENT
from test_steps import MAKERS

import tensorlib
from tensorlib import cuda
from tensorlib._ops import lapack
from tensorlib._ops.tensor import TensorBase
from tensorlib.autograd import Variable

# The only rows that read numbers back, how many at most (one of them for positions found out of range), and why.
READS = {
    "masked_select": (3, "the size of the result is how many are set"),
    "masked_select_grad": (2, "as many values as are set are checked to be there"),
    "masked_scatter": (2, "as many values as are set are checked to be there"),
    "nonzero": (1, "the size of the result is how many are set"),
}
# The only rows whose derivatives send something.
SENDS = {"prod_others": (1, "a mask of positions along the dim"), "cumprod_grad": (2, "masks of positions")}
# The only rows that are computed on the CPU: each operand is read once, each result sent once (docs/cuda.md).
FACTORISATIONS = {name for name in PRESENT if hasattr(lapack, name)}


@pytest.mark.usefixtures("on_gpu")
@pytest.mark.parametrize("name", PRESENT)
def test_rows_stay_on_the_gpu(name, bus):
    for case in cases(name, layouts=("contiguous", "strided")):
        arguments = case.arguments()
        cuda.synchronize()                      # reads the note that an earlier kernel may have left
        bus.taken()
        results = outputs_of(case.row(*arguments))
        sent, read = bus.taken()
        if name in FACTORISATIONS:
            operands = {id(a) for a in arguments if isinstance(a, TensorBase)}
            made = {id(t) for t in results if t.numel()} - operands
            assert (sent, read) == (len(made), len(operands)), (case, sent, read)
            continue
        assert sent == 0, "%r: %d sent" % (case, sent)
        assert read <= READS.get(name, (0,))[0], "%r: %d read; name it in READS" % (case, read)
        assert read or name not in READS, "%s reads nothing: take it out of READS" % name


@pytest.mark.usefixtures("on_gpu")
@pytest.mark.parametrize("name", [name for name in PRESENT if name not in FACTORISATIONS])
def test_derivatives_stay_on_the_gpu(name, bus):
    for case in cases(name, [DOUBLE], ("contiguous",)):
        at = case.differentiable()
        leaves = [Variable(a, requires_grad=i in at) if isinstance(a, TensorBase) else a
                  for i, a in enumerate(case.arguments())]
        bus.taken()
        outputs = [v for v in outputs_of(case.row(*leaves)) if isinstance(v, Variable) and v.requires_grad]
        if outputs:
            sum((v * v).sum() for v in outputs).backward()
        sent, read = bus.taken()
        assert sent <= SENDS.get(name, (0,))[0], "%r: %d sent; name it in SENDS" % (case, sent)
        assert read <= READS.get(name, (0,))[0], "%r: %d read; name it in READS" % (case, read)


def test_the_counter_counts(bus):
    x = tensorlib.ones(3).cuda()
    y = x.cpu() + x[0] + x.sum()
    x.copy_(y)
    sent, read = bus.taken()
    assert sent == 2 and read >= 3 and bus.taken() == (0, 0)
    x.cuda(1)
    assert bus.taken() == (0, 0)                # between GPUs


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_training_stays_on_the_gpu_and_memory_flat(name, bus):
    """Forward, loss, backward, step: three times, then ten times more with as much memory."""
    tensorlib.manual_seed(2)
    net = tensorlib.nn.Sequential(tensorlib.nn.Linear(3, 5), tensorlib.nn.Tanh(), tensorlib.nn.Linear(5, 2)).cuda()
    x, t = Variable(tensorlib.randn(4, 3).cuda()), Variable(tensorlib.LongTensor([0, 1, 1, 0]).cuda())
    optimizer, loss, sizes = MAKERS[name](net.parameters()), tensorlib.nn.CrossEntropyLoss(), []
    bus.taken()
    for _ in range(8):
        optimizer.zero_grad()
        found = loss(net(x), t)
        found.backward()
        optimizer.step()
        sizes.append(cuda.memory_allocated())
    assert bus.taken() == (0, 0) and len(set(sizes[2:])) == 1
    before = found.data[0]
    assert bus.taken()[1] <= 2 and loss(net(x), t).data[0] <= before


def run(code, **env):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300,
                          env=dict(os.environ, **env))
    assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(not os.environ.get("TENSORLIB_CUDA_EMULATOR"), reason="needs a GPU with 64 MB")
def test_a_failed_allocation_frees_the_cache_and_tries_again():
    printed = run("""if 1:
        import tensorlib
        from tensorlib import cuda
        MB = 1 << 18
        x, kept = cuda.FloatTensor(30 * MB), cuda.FloatTensor(8 * MB)
        del x
        assert cuda.memory_cached() >= 30 << 20
        y = cuda.FloatTensor(40 * MB)               # fits only where the 30 MB are not
        print(cuda.memory_allocated() >> 20, cuda.memory_cached() >> 20)
        try:
            cuda.FloatTensor(40 * MB)
        except RuntimeError as error:
            print(error)
        del y
        z = cuda.FloatTensor(40 * MB)
        print(kept.fill_(2).narrow(0, 0, 4).sum())""",
                  CUEMU_MEMORY_MB="64", TENSORLIB_CUDA_CACHE="1", CUEMU_QUIET="1").splitlines()
    assert printed == [
        "48 12", "cuda runtime error (2) : out of memory: 41943040 bytes were asked for on GPU 0, which has 4194304 of "
        "67108864 bytes free; 50331648 bytes are in tensors of this process", "8.0"]
