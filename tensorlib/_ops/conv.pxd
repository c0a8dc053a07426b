# Geometry of a convolution, always as three spatial dims (missing leading ones have size 1), and the type of its kernels.
from .gemm cimport gemm_fn

cdef struct ConvShape:
    Py_ssize_t batch
    Py_ssize_t groups
    Py_ssize_t cin                  # input channels of one group
    Py_ssize_t cout                 # output channels of one group
    Py_ssize_t size[3]              # input
    Py_ssize_t kernel[3]
    Py_ssize_t stride[3]
    Py_ssize_t padding[3]
    Py_ssize_t dilation[3]
    Py_ssize_t out[3]               # output
    Py_ssize_t pixels               # product of size
    Py_ssize_t positions            # product of out
    Py_ssize_t taps                 # product of kernel
    Py_ssize_t depth                # cin * taps: rows of the column matrix
    bint plain                      # 1x1, stride 1, no padding: the image is its own column matrix
    # How the work is cut. A tile is `tile` positions of one image, or all positions of `images` images.
    Py_ssize_t images               # images of a tile
    Py_ssize_t tile                 # positions of one image in a tile
    Py_ssize_t blocks               # tiles along the batch
    Py_ssize_t chunks               # tiles along the positions of one image
    Py_ssize_t row_blocks           # pieces of the column matrix's rows (backward kernels)
    Py_ssize_t parts                # pieces of the batch with sums of their own (conv_dw)
    Py_ssize_t scratch              # elements of scratch memory for each thread

# conv:    a = input, b = weight, out = output
# conv_dx: a = grad,  b = weight, out = grad of the input, or output of the transposed convolution
# conv_dw: a = grad,  b = input,  out = grad of the weight; sums of parts 1.. stand behind the threads' scratch
# bias is NULL or has one value for each channel of out.
ctypedef void (*conv_fn)(const ConvShape* s, gemm_fn gemm, const void* a, const void* b, const void* bias,
                         void* out, void* scratch, int threads) noexcept nogil
