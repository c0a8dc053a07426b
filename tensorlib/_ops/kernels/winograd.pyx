# cython: language_level=3
"""Winograd convolution, for kernels of two dims with strides 1 and 2. Plans, loops and threads are in winograd.h."""
from tensorlib._ops.conv cimport conv_fn, plan_fn
from tensorlib._ops.dispatch cimport put
from tensorlib._ops.types cimport F32, F64

cdef extern from "winograd.h" nogil:
    conv_fn winograd_float, winograd_double, winograd_dx_float, winograd_dx_double
    conv_fn winograd_weight_float, winograd_weight_double
    plan_fn winograd_plan_float, winograd_plan_double, winograd_dx_plan_float, winograd_dx_plan_double
    plan_fn winograd_weight_plan_float, winograd_weight_plan_double


put("conv_winograd", F32, <void*>winograd_float)
put("conv_winograd", F64, <void*>winograd_double)
put("conv_winograd_plan", F32, <void*>winograd_plan_float)
put("conv_winograd_plan", F64, <void*>winograd_plan_double)
put("conv_dx_winograd", F32, <void*>winograd_dx_float)
put("conv_dx_winograd", F64, <void*>winograd_dx_double)
put("conv_dx_winograd_plan", F32, <void*>winograd_dx_plan_float)
put("conv_dx_winograd_plan", F64, <void*>winograd_dx_plan_double)
put("conv_dw_winograd", F32, <void*>winograd_weight_float)
put("conv_dw_winograd", F64, <void*>winograd_weight_double)
put("conv_dw_winograd_plan", F32, <void*>winograd_weight_plan_float)
put("conv_dw_winograd_plan", F64, <void*>winograd_weight_plan_double)
