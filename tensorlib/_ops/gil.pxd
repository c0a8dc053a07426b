# Letting other threads of Python run while a kernel works: what `with nogil` does, but for kernels of few elements,
# which are done sooner than that. Between the two nothing may touch objects of Python.
from cpython.pystate cimport PyThreadState

cdef extern from *:
    """
    static inline PyThreadState* tl_let_go(Py_ssize_t elements) { return elements < 4096 ? NULL : PyEval_SaveThread(); }
    static inline void tl_take_back(PyThreadState* state) { if (state) PyEval_RestoreThread(state); }
    """
    PyThreadState* let_go "tl_let_go"(Py_ssize_t elements)
    void take_back "tl_take_back"(PyThreadState* state)
