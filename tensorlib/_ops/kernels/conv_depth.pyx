# cython: language_level=3
"""Convolution with one input channel in each group, as in depthwise ones. Plans, loops and threads are in
conv_depth.h."""
from tensorlib._ops.conv cimport conv_fn, plan_fn
from tensorlib._ops.dispatch cimport put
from tensorlib._ops.types cimport F32, F64

cdef extern from "conv_depth.h" nogil:
    conv_fn depth_forward_float, depth_forward_double, depth_dx_float, depth_dx_double
    conv_fn depth_weight_float, depth_weight_double
    plan_fn depth_plan_float, depth_plan_double, depth_dx_plan_float, depth_dx_plan_double
    plan_fn depth_weight_plan_float, depth_weight_plan_double


put("conv_depth", F32, <void*>depth_forward_float)
put("conv_depth", F64, <void*>depth_forward_double)
put("conv_depth_plan", F32, <void*>depth_plan_float)
put("conv_depth_plan", F64, <void*>depth_plan_double)
put("conv_dx_depth", F32, <void*>depth_dx_float)
put("conv_dx_depth", F64, <void*>depth_dx_double)
put("conv_dx_depth_plan", F32, <void*>depth_dx_plan_float)
put("conv_dx_depth_plan", F64, <void*>depth_dx_plan_double)
put("conv_dw_depth", F32, <void*>depth_weight_float)
put("conv_dw_depth", F64, <void*>depth_weight_double)
put("conv_dw_depth_plan", F32, <void*>depth_weight_plan_float)
put("conv_dw_depth_plan", F64, <void*>depth_weight_plan_double)
