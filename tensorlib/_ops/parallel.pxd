# How many threads a loop may use. Loops below GRAIN elements stay serial: a parallel region costs more.
cdef extern from "parallel.h" nogil:
    int max_threads "tl_max_threads"()
    void set_threads "tl_set_threads"(int n)
    int thread_id "tl_thread_id"()

# LIGHT is that of loops with an operation or two for each element.
cdef enum:
    GRAIN = 32768
    LIGHT = 65536

cdef inline int threads_for(Py_ssize_t elements) noexcept nogil:
    return max_threads() if elements >= GRAIN else 1
