# Geometry of a convolution (fields explained in conv_shape.h), and the types of its kernels.
from .gemm cimport gemm_fn

cdef extern from "conv_shape.h" nogil:
    ctypedef struct ConvShape:
        Py_ssize_t batch
        Py_ssize_t groups
        Py_ssize_t cin
        Py_ssize_t cout
        Py_ssize_t size[3]
        Py_ssize_t kernel[3]
        Py_ssize_t stride[3]
        Py_ssize_t padding[3]
        Py_ssize_t dilation[3]
        Py_ssize_t out[3]
        Py_ssize_t pixels
        Py_ssize_t positions
        Py_ssize_t taps
        Py_ssize_t depth
        bint plain
        Py_ssize_t images
        Py_ssize_t tile
        Py_ssize_t blocks
        Py_ssize_t chunks
        Py_ssize_t row_blocks
        Py_ssize_t band
        Py_ssize_t bands
        Py_ssize_t parts
        Py_ssize_t scratch
        Py_ssize_t shared
    bint is_point(const ConvShape* s)
    bint turns_weight(const ConvShape* s)

# conv:    a = input, b = weight, out = output
# conv_dx: a = grad,  b = weight, out = grad of the input, or output of the transposed convolution
# conv_dw: a = grad,  b = input,  out = grad of the weight
# bias is NULL or has one value for each channel of out. Scratch has s.scratch elements for each thread, then s.shared.
ctypedef void (*conv_fn)(const ConvShape* s, gemm_fn gemm, const void* a, const void* b, const void* bias,
                         void* out, void* scratch, int threads) noexcept nogil

# Cut the work for a special path, and say which part of its arithmetic would be useful: 0 where it does not apply.
ctypedef double (*plan_fn)(ConvShape* s, int threads) noexcept nogil
