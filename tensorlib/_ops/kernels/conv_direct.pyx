# cython: language_level=3
"""Direct convolution, for images of two dims with few channels. Plans, loops and threads are in conv_band.h, those of
inner products for the gradient of the weight in conv_dots.h, and forward from the same copies in conv_columns.h."""
from tensorlib._ops.conv cimport conv_fn, plan_fn
from tensorlib._ops.dispatch cimport put
from tensorlib._ops.types cimport F32, F64

cdef extern from "conv_direct.h" nogil:
    conv_fn direct_forward_float, direct_forward_double, direct_dx_float, direct_dx_double
    conv_fn direct_weight_float, direct_weight_double
    plan_fn direct_plan_float, direct_plan_double, direct_dx_plan_float, direct_dx_plan_double
    plan_fn direct_weight_plan_float, direct_weight_plan_double
    conv_fn dots_weight_float, dots_weight_double
    plan_fn dots_plan_float, dots_plan_double
    conv_fn columns_forward_float, columns_forward_double
    plan_fn columns_plan_float, columns_plan_double


put("conv_direct", F32, <void*>direct_forward_float)
put("conv_direct", F64, <void*>direct_forward_double)
put("conv_direct_plan", F32, <void*>direct_plan_float)
put("conv_direct_plan", F64, <void*>direct_plan_double)
put("conv_dx_direct", F32, <void*>direct_dx_float)
put("conv_dx_direct", F64, <void*>direct_dx_double)
put("conv_dx_direct_plan", F32, <void*>direct_dx_plan_float)
put("conv_dx_direct_plan", F64, <void*>direct_dx_plan_double)
put("conv_dw_direct", F32, <void*>direct_weight_float)
put("conv_dw_direct", F64, <void*>direct_weight_double)
put("conv_dw_direct_plan", F32, <void*>direct_weight_plan_float)
put("conv_dw_direct_plan", F64, <void*>direct_weight_plan_double)
put("conv_dw_dots", F32, <void*>dots_weight_float)
put("conv_dw_dots", F64, <void*>dots_weight_double)
put("conv_dw_dots_plan", F32, <void*>dots_plan_float)
put("conv_dw_dots_plan", F64, <void*>dots_plan_double)
put("conv_columns", F32, <void*>columns_forward_float)
put("conv_columns", F64, <void*>columns_forward_double)
put("conv_columns_plan", F32, <void*>columns_plan_float)
put("conv_columns_plan", F64, <void*>columns_plan_double)
