# cython: language_level=3
"""Convolution by products whose left side is never made, forward and back. Plans, loops and threads are in
conv_implicit.h."""
from tensorlib._ops.conv cimport conv_fn, plan_fn
from tensorlib._ops.dispatch cimport put
from tensorlib._ops.types cimport F32, F64

cdef extern from "conv_implicit.h" nogil:
    conv_fn implicit_forward_float, implicit_forward_double, implicit_gradient_float, implicit_gradient_double
    plan_fn implicit_forward_plan_float, implicit_forward_plan_double
    plan_fn implicit_gradient_plan_float, implicit_gradient_plan_double


put("conv_implicit", F32, <void*>implicit_forward_float)
put("conv_implicit", F64, <void*>implicit_forward_double)
put("conv_implicit_plan", F32, <void*>implicit_forward_plan_float)
put("conv_implicit_plan", F64, <void*>implicit_forward_plan_double)
put("conv_dx_implicit", F32, <void*>implicit_gradient_float)
put("conv_dx_implicit", F64, <void*>implicit_gradient_double)
put("conv_dx_implicit_plan", F32, <void*>implicit_gradient_plan_float)
put("conv_dx_implicit_plan", F64, <void*>implicit_gradient_plan_double)
