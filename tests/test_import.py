"""What importing the package brings along: no NumPy, no networks, little memory; the rest comes when it is named."""
import subprocess
import sys


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_import_is_light():
    loaded = run("import sys, tensorlib; print(*sys.modules)")
    heavy = {"numpy", "pickle", "inspect", "zipfile", "tarfile", "multiprocessing", "PIL", "pycuda", "torch",
             "tensorlib.distributed", "tensorlib.nn", "tensorlib.optim", "tensorlib.vision", "tensorlib.serialization"}
    assert "tensorlib.autograd" in loaded and heavy & set(loaded) == set()


def test_import_takes_little_memory():
    code = "import resource%s; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    bare, full = int(run(code % "")[0]), int(run(code % ", tensorlib")[0])
    assert full - bare < 20 * 1024


def test_late_names_come_when_asked_for():
    assert run("import tensorlib as t; print(t.nn.optim.SGD is t.optim.SGD, t.utils.data.DataLoader.__name__, "
               "callable(t.save), t.cuda.is_available(), 'nn' in dir(t))") == [
                   "True", "DataLoader", "True", "False", "True"]
    assert run("from tensorlib import nn, load; from tensorlib.nn import functional; print(nn.Linear(2, 3))") == [
        "Linear", "(2", "->", "3)"]


def test_the_switches_of_cudnn_can_be_set():
    assert run("import tensorlib.backends.cudnn as cudnn; cudnn.benchmark = True; import tensorlib as t; "
               "print(t.backends.cudnn.benchmark, cudnn.is_available(), cudnn.version())") == ["True", "False", "None"]


def test_unknown_names_say_so():
    assert run("import tensorlib\ntry:\n    tensorlib.nonsense\nexcept AttributeError as e:\n"
               "    print('nonsense' in str(e))") == ["True"]


def test_a_wrong_level_names_those_that_are_built():
    code = ("import os; os.environ['TENSORLIB_ISA'] = 'z80'\ntry:\n    import tensorlib\n"
            "except ImportError as e:\n    print('z80' in str(e), 'expected one of' in str(e))")
    assert run(code) == ["True", "True"]
