# mathfn.h and mathwide.h for both float types: one name whatever the type, inlined, so that loops calling them become
# vector code.
cimport libc.math as m

from .types cimport real

cdef extern from "mathfn.h" nogil:
    float sqrtf(float x)
    double sqrt(double x)
    float tl_expf(float x)
    float tl_exp_lowf(float x)
    float tl_expm1f(float x)
    float tl_logf(float x)
    float tl_log1pf(float x)
    float tl_tanhf(float x)
    float tl_sigmoidf(float x)
    float tl_tanh_lowf(float x)
    float tl_sigmoid_lowf(float x)
    double tl_exp(double x)
    double tl_expm1(double x)
    double tl_log(double x)
    double tl_log1p(double x)
    double tl_tanh(double x)
    double tl_sigmoid(double x)

cdef extern from "mathwide.h" nogil:
    float FAR "TL_FAR"
    float FMOD_MOST "TL_FMOD_MOST"
    float FLT_MAX
    float tl_fmodf(float x, float y)
    float tl_powf(float x, float y)
    float tl_sinhf(float x)
    float tl_coshf(float x)
    float tl_sinf(float x)
    float tl_cosf(float x)
    float tl_tanf(float x)
    float tl_asinf(float x)
    float tl_acosf(float x)
    float tl_atanf(float x)
    float tl_atan2f(float y, float x)


cdef inline real exp_of(real x) noexcept nogil:
    if real is float:
        return tl_expf(x)
    else:
        return tl_exp(x)


cdef inline real exp_low_of(real x) noexcept nogil:
    if real is float:
        return tl_exp_lowf(x)
    else:
        return tl_exp(x)


cdef inline real expm1_of(real x) noexcept nogil:
    if real is float:
        return tl_expm1f(x)
    else:
        return tl_expm1(x)


cdef inline real log_of(real x) noexcept nogil:
    if real is float:
        return tl_logf(x)
    else:
        return tl_log(x)


cdef inline real log1p_of(real x) noexcept nogil:
    if real is float:
        return tl_log1pf(x)
    else:
        return tl_log1p(x)


cdef inline real tanh_of(real x) noexcept nogil:
    if real is float:
        return tl_tanhf(x)
    else:
        return tl_tanh(x)


cdef inline real sigmoid_of(real x) noexcept nogil:
    if real is float:
        return tl_sigmoidf(x)
    else:
        return tl_sigmoid(x)


cdef inline real tanh_low_of(real x) noexcept nogil:
    if real is float:
        return tl_tanh_lowf(x)
    else:
        return tl_tanh(x)


cdef inline real sigmoid_low_of(real x) noexcept nogil:
    if real is float:
        return tl_sigmoid_lowf(x)
    else:
        return tl_sigmoid(x)


cdef inline real sqrt_of(real x) noexcept nogil:
    if real is float:
        return sqrtf(x)
    else:
        return sqrt(x)


cdef inline real sinh_of(real x) noexcept nogil:
    if real is float:
        return tl_sinhf(x)
    else:
        return m.sinh(x)


cdef inline real cosh_of(real x) noexcept nogil:
    if real is float:
        return tl_coshf(x)
    else:
        return m.cosh(x)


cdef inline real asin_of(real x) noexcept nogil:
    if real is float:
        return tl_asinf(x)
    else:
        return m.asin(x)


cdef inline real acos_of(real x) noexcept nogil:
    if real is float:
        return tl_acosf(x)
    else:
        return m.acos(x)


cdef inline real atan_of(real x) noexcept nogil:
    if real is float:
        return tl_atanf(x)
    else:
        return m.atan(x)


cdef inline real pow_of(real x, real y) noexcept nogil:
    if real is float:
        return tl_powf(x, y)
    else:
        return m.pow(x, y)


cdef inline real atan2_of(real x, real y) noexcept nogil:
    if real is float:
        return tl_atan2f(x, y)
    else:
        return m.atan2(x, y)
