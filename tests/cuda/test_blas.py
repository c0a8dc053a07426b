"""Matrix products through cuBLAS: every argument that reaches it, on a stand-in that computes as BLAS defines; and what
happens where there is none, or one that does not work.
"""
import ctypes
import os
import pathlib
import subprocess
import sys
import threading

import numpy as np
import pytest

import tensorlib
from tensorlib import cuda
from tensorlib.cuda import blas
from tensorlib.ops import TABLE

SOURCE = pathlib.Path(__file__).parent / "cublas_standin.cpp"
KINDS = [("float", np.float32, 1e-5), ("double", np.float64, 1e-13)]


def compiled(folder, name, *options):
    path = folder / name
    command = ["c++", "-std=c++17", "-shared", "-fPIC", "-O1", "-Wall", *options, str(SOURCE), "-o", str(path), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return path


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cublas")
    return compiled(folder, "libcublas.so"), compiled(folder, "libancient.so", "-DANCIENT")


@pytest.fixture
def choose(monkeypatch):
    """choose(which, path): take cuBLAS anew."""
    def chosen(which, path=None, **more):
        monkeypatch.setenv("TENSORLIB_CUDA_BLAS", which)
        monkeypatch.setenv("TENSORLIB_CUBLAS", str(path))
        for name, value in more.items():
            monkeypatch.setenv("CUBLAS_STANDIN_" + name, value)
        blas.library.cache_clear()

    yield chosen
    monkeypatch.undo()
    blas.library.cache_clear()


class Standin:
    def __init__(self, path):
        self.lib = ctypes.CDLL(str(path))
        self.lib.standin_calls.restype = ctypes.c_char_p

    def calls(self):
        """What came since the last question: (name, {argument: numbers})."""
        found = []
        for line in self.lib.standin_calls().decode().splitlines():
            name, *words = line.split()
            call, key = {}, None
            for word in words:
                if word[0].isalpha() and word not in ("inf", "nan"):
                    key = word
                    call[key] = []
                else:
                    call[key].append(float(word) if key in ("alpha", "beta") else int(word))
            found.append((name, call))
        self.lib.standin_reset()
        return found


@pytest.fixture
def standin(libraries, choose):
    choose("cublas", libraries[0])
    found = Standin(libraries[0])
    found.calls()
    yield found
    blas.library().close()
    assert found.lib.standin_alive() == 0


# A matrix of 5 x 7 in its layouts: the view, whether cuBLAS has to turn it, its leading dimension.
LAYOUTS = {
    "rows": (lambda t: t(5, 7), 0, 7),
    "columns": (lambda t: t(7, 5).t(), 1, 5),
    "rows of wider ones": (lambda t: t(5, 11).narrow(1, 2, 7), 0, 11),
    "columns of taller ones": (lambda t: t(7, 9).narrow(1, 3, 5).t(), 1, 9),
    "every other row": (lambda t: t(5, 2, 7).select(1, 1), 0, 14),
}


def made(kind):
    random = np.random.RandomState(1)

    def make(*size):
        a = random.randn(*size)
        return getattr(tensorlib.from_numpy(a), kind)().cuda()
    return make


@pytest.mark.parametrize("kind, dtype, tolerance", KINDS, ids=["float", "double"])
@pytest.mark.parametrize("of_b", sorted(LAYOUTS))
@pytest.mark.parametrize("of_a", sorted(LAYOUTS))
def test_products_of_all_layouts(standin, kind, dtype, tolerance, of_a, of_b):
    make = made(kind)
    view_a, turn_a, step_a = LAYOUTS[of_a]
    view_b, turn_b, step_b = LAYOUTS[of_b]
    a, b, turn_b = view_a(make), view_b(make).t(), 1 - turn_b           # 5 x 7 and 7 x 5
    c = make(5, 5)
    for product, alpha, beta in (("mm", 1, 0), ("addmm", -2, 0.5)):
        result = TABLE[product](*([c, beta, alpha] if beta else []), a, b)
        want = alpha * (a.cpu().numpy().astype(np.float64) @ b.cpu().numpy()) + beta * c.cpu().numpy()
        np.testing.assert_allclose(result.cpu().numpy(), want, rtol=tolerance, atol=10 * tolerance)
        (name, call), = standin.calls()
        assert name == {"float": "Sgemm_v2", "double": "Dgemm_v2"}[kind]
        # c' = b' a' in columns: b comes first
        assert call == {"stream": [0], "ops": [turn_b, turn_a], "m": [5], "n": [5], "k": [7], "alpha": [alpha],
                        "a": [b.data_ptr(), step_b, 0], "b": [a.data_ptr(), step_a, 0], "beta": [beta],
                        "c": [result.data_ptr(), 5, 0], "count": [1]}


@pytest.mark.parametrize("kind, dtype, tolerance", KINDS, ids=["float", "double"])
def test_sizes_and_vectors(standin, kind, dtype, tolerance):
    make = made(kind)
    for m, k, n in ((1, 1, 1), (1, 6, 1), (4, 1, 3), (1, 5, 4), (6, 5, 1), (3, 2, 8)):
        for turned_a in (False, True):
            a, b = make(k, m).t() if turned_a else make(m, k), make(k, n)
            np.testing.assert_allclose(a.mm(b).cpu().numpy(), a.cpu().numpy() @ b.cpu().numpy(), rtol=tolerance,
                                       atol=10 * tolerance)
    assert len(standin.calls()) == 12
    x, y = make(4), make(3)
    np.testing.assert_allclose(x.ger(y).cpu().numpy(), np.outer(x.cpu().numpy(), y.cpu().numpy()), rtol=tolerance)
    assert [call["k"] for _, call in standin.calls()] == [[1]]


@pytest.mark.parametrize("kind, dtype, tolerance", KINDS, ids=["float", "double"])
def test_batches(standin, kind, dtype, tolerance):
    make = made(kind)
    name = {"float": "SgemmStridedBatched", "double": "DgemmStridedBatched"}[kind]
    cases = [       # a (3, 5, 7); whether turned; leading dimension; distance. b likewise, (3, 7, 2)
        (make(3, 5, 7), 0, 7, 35, make(3, 7, 2), 0, 2, 14),
        (make(3, 7, 5).transpose(1, 2), 1, 5, 35, make(3, 2, 7).transpose(1, 2), 1, 7, 14),
        (make(5, 3, 7).transpose(0, 1), 0, 21, 7, make(1, 7, 2).expand(3, 7, 2), 0, 2, 0),
        (make(4, 5, 9).narrow(0, 1, 3).narrow(2, 1, 7), 0, 9, 45, make(3, 9, 2).narrow(1, 2, 7), 0, 2, 18),
    ]
    for a, turn_a, step_a, far_a, b, turn_b, step_b, far_b in cases:
        c = make(3, 5, 2)
        for product, alpha, beta in (("bmm", 1, 0), ("baddbmm", 3, -1)):
            result = TABLE[product](*([c, beta, alpha] if beta else []), a, b)
            want = alpha * (a.cpu().numpy().astype(np.float64) @ b.cpu().numpy()) + beta * c.cpu().numpy()
            np.testing.assert_allclose(result.cpu().numpy(), want, rtol=tolerance, atol=20 * tolerance)
            assert standin.calls() == [(name, {
                "stream": [0], "ops": [turn_b, turn_a], "m": [2], "n": [5], "k": [7], "alpha": [alpha],
                "a": [b.data_ptr(), step_b, far_b], "b": [a.data_ptr(), step_a, far_a], "beta": [beta],
                "c": [result.data_ptr(), 2, 10], "count": [3]})]


def test_what_cublas_cannot_take_is_done_by_our_kernels(standin):
    make = made("float")
    apart = make(6, 8, 2).select(2, 0)                          # neither rows nor columns are dense
    overlapping = make(12).unfold(0, 8, 1)                      # 5 x 8, rows of which share elements
    for a, b in ((apart, make(8, 3)), (make(2, 6), apart), (overlapping, make(8, 3)),
                 (make(1, 6).expand(4, 6), make(6, 2))):
        np.testing.assert_allclose(a.mm(b).cpu().numpy(), a.cpu().numpy() @ b.cpu().numpy(), rtol=1e-5, atol=1e-5)
    whole = (make(3, 4) * 10).long()
    assert whole.mm(whole.t()).tolist() == (whole.cpu().numpy() @ whole.cpu().numpy().T).tolist()
    assert standin.calls() == []


def test_streams_devices_and_threads(standin):
    make = made("float")
    a = make(4, 4)
    stream, there = cuda.Stream(), cuda.Stream(1)
    with cuda.stream(stream):
        a.mm(a)
        assert cuda.current_blas_handle() == blas.library().handles[0].value
    b = a.cuda(1)
    with cuda.stream(there):
        b.mm(b)
    cuda.synchronize(0), cuda.synchronize(1)
    b.mm(b)
    assert [call["stream"] for _, call in standin.calls()] == [[stream.cuda_stream], [there.cuda_stream], [0]]
    assert sorted(blas.library().handles) == [0, 1]

    def work(i):                                                # a handle is shared, each call has its thread's stream
        with cuda.stream(streams[i]):
            for _ in range(5):
                found[i] = matrices[i].mm(matrices[i])
            streams[i].synchronize()

    streams, matrices, found = [cuda.Stream() for _ in range(3)], [make(i + 2, i + 2) for i in range(3)], {}
    cuda.synchronize()
    threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    calls = [(call["m"][0], call["stream"][0]) for _, call in standin.calls()]
    assert sorted(calls) == sorted([(i + 2, streams[i].cuda_stream) for i in range(3)] * 5)
    for i in range(3):
        a = matrices[i].cpu().numpy()
        np.testing.assert_allclose(found[i].cpu().numpy(), a @ a, rtol=1e-4, atol=1e-5)


def test_a_layer_learns_by_it(standin):
    net, x = tensorlib.nn.Linear(3, 2), tensorlib.randn(4, 3)
    found = []
    for place in (lambda t: t, lambda t: t.cuda()):
        out = place(net)(tensorlib.autograd.Variable(place(x)))
        net.zero_grad()
        (out * out).sum().backward()
        found.append([t.cpu().numpy().copy() for t in (out.data, net.weight.grad.data)])
    for ours, theirs in zip(*found):
        np.testing.assert_allclose(theirs, ours, rtol=1e-5, atol=1e-6)
    assert len(standin.calls()) == 2            # the output and the weight's derivative


# ---- where it does not work ---------------------------------------------------------------------------------------

WRONG = [       # what is wrong, and what is said
    (dict(FAILS="Create_v2 1"), r"cublas runtime error \(1\) : CUBLAS_STATUS_NOT_INITIALIZED in cublasCreate_v2"),
    (dict(FAILS="Create_v2 8"), "ARCH_MISMATCH"), (dict(FAILS="SetStream_v2 14"), "INTERNAL_ERROR in cublasSetStream"),
    (dict(FAILS="GetProperty 99"), r"\(99\) : CUBLAS_STATUS_\? in cublasGetProperty"),
    (dict(VERSION="99"), r"it is of CUDA 99, the driver of CUDA \d\d"),
]


@pytest.mark.parametrize("environment, said", WRONG, ids=lambda v: str(v)[:30])
def test_one_that_does_not_start(libraries, choose, environment, said):
    a = made("float")(3, 3)
    want = a.cpu().numpy() @ a.cpu().numpy()
    choose("cublas", libraries[0], **environment)
    with pytest.raises(RuntimeError, match="TENSORLIB_CUDA_BLAS=cublas, but cuBLAS cannot be used:\n.*" + said):
        a.mm(a)
    choose("auto", libraries[0], **environment)                 # our kernels do it
    np.testing.assert_allclose(a.mm(a).cpu().numpy(), want, rtol=1e-5)
    assert cuda.current_blas_handle() is None


@pytest.mark.parametrize("which", ["missing", "ancient", "no library"])
def test_one_that_does_not_load(libraries, choose, tmp_path, which):
    broken = tmp_path / "broken.so"
    broken.write_text("not a library")
    path = {"missing": "/nonexistent/libcublas.so", "ancient": libraries[1], "no library": broken}[which]
    a = made("double")(3, 3)
    choose("cublas", path)
    with pytest.raises(RuntimeError, match="cannot be used:\n%s: " % path):
        a.mm(a)
    choose("auto", path)
    np.testing.assert_allclose(a.mm(a).cpu().numpy(), a.cpu().numpy() @ a.cpu().numpy(), rtol=1e-12)


def test_an_error_of_a_product_is_raised(libraries, choose):
    a = made("float")(3, 3)
    choose("auto", libraries[0], FAILS="Sgemm_v2 13")
    with pytest.raises(RuntimeError, match=r"\(13\) : CUBLAS_STATUS_EXECUTION_FAILED in cublasSgemm_v2"):
        a.mm(a)
    blas.library().close()


def test_the_switch(libraries, choose):
    a, standin = made("float")(3, 3), Standin(libraries[0])
    standin.calls()
    choose("own", libraries[0])
    a.mm(a)
    assert standin.calls() == [] and cuda.current_blas_handle() is None
    choose("auto", libraries[0])
    a.mm(a)
    assert len(standin.calls()) == 1 and cuda.current_blas_handle() > 0
    blas.library().close()
    choose("fast", libraries[0])
    with pytest.raises(RuntimeError, match="TENSORLIB_CUDA_BLAS=fast: expected auto, own or cublas"):
        a.mm(a)


def test_it_is_given_back_at_exit(libraries):
    code = "import tensorlib; a = tensorlib.ones(2, 2).cuda(1); b = a.mm(a); print(b.sum())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300,
                          env=dict(os.environ, TENSORLIB_CUDA_BLAS="cublas", TENSORLIB_CUBLAS=str(libraries[0])))
    assert done.stdout.strip() == "8.0" and done.returncode == 0 and not done.stderr, done.stderr
