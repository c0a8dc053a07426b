# Everything from a fresh clone: `make demo`, `make test`. Needs python3 (3.10 or later, with headers), a C compiler, make.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
PY      = $(BIN)/python
PIP     = $(PY) -m pip install -q --disable-pip-version-check
CODE    = tensorlib tests examples benchmarks setup.py

.PHONY: help build debug test test-tiny test-debug test-levels test-cuda test-mpi test-aarch64 fuzz lint types docs doctest gen gen-check sdist-test fuzz demo examples bench mutate clean

help:
	@echo "make demo       build, then train a network on handwritten digits (under a minute after the build)"
	@echo "make test       build, then run all tests          make test-tiny  the quick ones"
	@echo "make build      compile the extensions in place    make debug      the same with bounds checks"
	@echo "make test-levels  all tests with each set of kernels, from SSE4.2 to AVX-512, that this processor runs"
	@echo "make test-cuda  tests of GPU code on an emulated GPU; needs nvcc"
	@echo "make test-mpi   the backend mpi of distributed; needs mpiexec"
	@echo "make test-aarch64  cross-compile for 64-bit ARM and test under qemu; needs Debian's cross compiler"
	@echo "make examples   run every example                  make doctest    run the examples in docstrings"
	@echo "make fuzz       random programs beside NumPy and PyTorch, for SECONDS=600 from SEED=0"
	@echo "make lint types gen gen-check docs sdist-test bench mutate clean"

# ---- the environment: one stamp for each set of packages ----

$(VENV)/.python:
	$(PYTHON) -m venv $(VENV)
	$(PIP) "setuptools>=68" "cython>=3" numpy
	@echo '$(CURDIR)' > "$$($(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/tensorlib-source.pth"
	@touch $@

$(VENV)/.tiny: $(VENV)/.python
	$(PIP) pytest
	@touch $@

$(VENV)/.demo: $(VENV)/.python
	$(PIP) Pillow tqdm
	@touch $@

$(VENV)/.test: $(VENV)/.python
	$(PIP) pytest hypothesis Pillow pandas tqdm safetensors scipy
	@touch $@

# PyCUDA is built against an emulated CUDA driver, once: the wheel stays in a cache. NVRTC runs without any driver.
$(VENV)/.cuda: $(VENV)/.test tests/cuda_emulator/builder.py
	$(PIP) "$$($(PY) tests/cuda_emulator/builder.py pycuda)" "$$($(PY) tests/cuda_emulator/builder.py nvrtc)"
	@touch $@

$(VENV)/.dev: $(VENV)/.test
	$(PIP) ruff cython-lint mypy build
	@touch $@

# ---- building ----

build: $(VENV)/.python
	$(PY) setup.py -q build_ext --inplace

debug: $(VENV)/.python
	TENSORLIB_DEBUG=1 $(PY) setup.py -q build_ext --inplace --force

# ---- checking ----

test: $(VENV)/.test build
	$(PY) -m pytest

test-tiny: $(VENV)/.tiny build
	$(PY) -m pytest -m "not slow" tests/test_layers.py tests/test_serialization.py tests/test_golden.py tests/test_import.py

# Every level of this processor's instruction set that is built; TENSORLIB_ISA forces one.
test-levels: $(VENV)/.test build
	for level in $$($(PY) -c 'from tensorlib import _ops; print(*_ops.levels_here())'); do \
	  echo "$$level"; TENSORLIB_ISA=$$level $(PY) -m pytest -p no:cacheprovider || exit 1; done

test-debug: $(VENV)/.test debug
	$(PY) -m pytest

$(VENV)/.mpi: $(VENV)/.test
	$(PIP) mpi4py
	@touch $@

# Needs an MPI library with mpiexec: on Debian and Ubuntu `apt-get install openmpi-bin libopenmpi-dev`.
test-mpi: $(VENV)/.mpi build
	TENSORLIB_TEST_MPI=1 $(PY) -m pytest tests/test_distributed_mpi.py

# Two processes: tests of the emulator make and destroy contexts of their own.
test-cuda: $(VENV)/.cuda build
	$(PY) tests/cuda_emulator/environment.py $(PY) -m pytest tests/cuda_emulator
	$(PY) tests/cuda_emulator/environment.py $(PY) -m pytest tests/cuda

# Needs `apt-get install gcc-aarch64-linux-gnu qemu-user-static`; some minutes.
test-aarch64: $(VENV)/.tiny
	PYTHON=$(PY) .ci/aarch64

lint: $(VENV)/.dev
	$(BIN)/ruff check $(wildcard $(CODE))
	PATH="$(CURDIR)/$(BIN):$$PATH" cython-lint tensorlib

types: $(VENV)/.dev build
	$(BIN)/mypy --ignore-missing-imports --follow-imports=silent --warn-unused-ignores tests/typed.py

doctest: $(VENV)/.test build
	$(PY) -m pytest tests/test_doctests.py

gen: build
	$(PY) -m tensorlib.ops

gen-check: build
	$(PY) -m tensorlib.ops --check

docs: gen

mutate: $(VENV)/.test build
	$(PY) tests/mutate.py

SECONDS ?= 600
SEED    ?= 0

fuzz: $(VENV)/.test build
	$(PY) tests/fuzz/run.py --seconds $(SECONDS) --seed $(SEED)

sdist-test:
	.ci/sdist-test $(PYTHON)

# ---- showing ----

demo: $(VENV)/.demo build
	$(PY) examples/digits.py

examples: $(VENV)/.test build
	$(PY) -m pytest tests/test_examples.py

# make bench FULL=--full: all rows. Sides that are not installed in $(VENV) are left out; see benchmarks/run.py.
bench: $(VENV)/.test build
	$(PY) benchmarks/run.py $(FULL) --json build/bench.json
	$(PY) benchmarks/memory.py
	$(PY) benchmarks/startup.py

clean:
	rm -rf build dist *.egg-info $(VENV) .pytest_cache .hypothesis .ruff_cache
	find tensorlib \( -name '*.so' -o -name '*.c' -o -name __pycache__ \) -prune -exec rm -rf {} +
