# cython: language_level=3
"""Convolution of batches of small images with vectors along the batch. Plans, loops and threads are in conv_batch.h."""
from tensorlib._ops.conv cimport conv_fn, plan_fn
from tensorlib._ops.dispatch cimport put
from tensorlib._ops.types cimport F32, F64

cdef extern from "conv_batch.h" nogil:
    conv_fn batch_forward_float, batch_forward_double, batch_gradient_float, batch_gradient_double
    plan_fn batch_forward_plan_float, batch_forward_plan_double
    plan_fn batch_gradient_plan_float, batch_gradient_plan_double


put("conv_batch", F32, <void*>batch_forward_float)
put("conv_batch", F64, <void*>batch_forward_double)
put("conv_batch_plan", F32, <void*>batch_forward_plan_float)
put("conv_batch_plan", F64, <void*>batch_forward_plan_double)
put("conv_dx_batch", F32, <void*>batch_gradient_float)
put("conv_dx_batch", F64, <void*>batch_gradient_double)
put("conv_dx_batch_plan", F32, <void*>batch_gradient_plan_float)
put("conv_dx_batch_plan", F64, <void*>batch_gradient_plan_double)
