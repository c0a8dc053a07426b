# cython: language_level=3
"""Winograd convolution, for 3x3 kernels with stride 1. Plans, loops and threads are in winograd.h."""
from tensorlib._ops.conv cimport conv_fn, plan_fn
from tensorlib._ops.dispatch cimport put
from tensorlib._ops.types cimport F32, F64

cdef extern from "winograd.h" nogil:
    conv_fn winograd_float, winograd_double, winograd_weight_float, winograd_weight_double
    plan_fn winograd_plan_float, winograd_plan_double, winograd_weight_plan_float, winograd_weight_plan_double


put("conv_winograd", F32, <void*>winograd_float)
put("conv_winograd", F64, <void*>winograd_double)
put("conv_winograd_plan", F32, <void*>winograd_plan_float)
put("conv_winograd_plan", F64, <void*>winograd_plan_double)
put("conv_dw_winograd", F32, <void*>winograd_weight_float)
put("conv_dw_winograd", F64, <void*>winograd_weight_double)
put("conv_dw_winograd_plan", F32, <void*>winograd_weight_plan_float)
put("conv_dw_winograd_plan", F64, <void*>winograd_weight_plan_double)
