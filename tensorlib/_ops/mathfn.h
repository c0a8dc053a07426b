/* Scalar math without branches, which GCC and Clang turn into vector code when a loop calls it.
 *
 * At most 2 ulp everywhere (exp and log: 1), denormals, -0, infinities and NaN included; tests/test_mathfn.py
 * measures it. Needs no -ffast-math, only -fno-math-errno and -fno-trapping-math, and no instruction set.
 */
#ifndef TENSORLIB_MATHFN_H
#define TENSORLIB_MATHFN_H
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#define TL_MATH static inline __attribute__((always_inline, unused))

TL_MATH float tl_as_float(int32_t i) { float f; memcpy(&f, &i, 4); return f; }
TL_MATH int32_t tl_as_int(float f) { int32_t i; memcpy(&i, &f, 4); return i; }

/* x = k log 2 + r with |r| <= log(2) / 2; x neither NaN nor beyond 2^22. */
TL_MATH int32_t tl_reduce(float x, float *r)
{
    float shifted = x * 1.44269504088896341f + 12582912.0f;     /* 1.5 * 2^23: rounds to an integer */
    float n = shifted - 12582912.0f;
    *r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    return tl_as_int(shifted) - 0x4B400000;
}

/* (e^r - 1 - r) / r^2 */
TL_MATH float tl_exp_tail(float r)
{
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    return p * r + 5.0000001201e-1f;
}

TL_MATH float tl_power_of_two(int32_t k) { return tl_as_float((int32_t)((uint32_t)(k + 127) << 23)); }

/* 2^k e^r. The power of two is applied in two halves, so that results which overflow or are denormal round
 * once. Comparisons are written so that NaN passes through both clamps. */
TL_MATH float tl_expf(float x)
{
    float r, c = x < -104.0f ? -104.0f : x;
    c = c > 89.0f ? 89.0f : c;
    int32_t k = tl_reduce(c, &r), half = k >> 1;
    float sum = 1.0f + r;                                       /* its rounding error is added back below */
    float p = sum + (tl_exp_tail(r) * (r * r) + ((1.0f - sum) + r));
    return p * tl_power_of_two(half) * tl_power_of_two(k - half);
}

/* e^x for x up to 88, in fewer steps: within 2 ulp, and 0 below -86 where tl_expf comes near denormals. NaN passes.
 * For sums of exponentials, whose largest term is 1. */
TL_MATH float tl_exp_lowf(float x)
{
    float c = x < -86.0f ? -86.0f : x;
    float shifted = c * 1.44269504088896341f + 12583039.0f;     /* 1.5 * 2^23 + 127: the low bits hold k + 127 */
    float n = shifted - 12583039.0f;
    float r = (c - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = (tl_exp_tail(r) * r + 1.0f) * r + 1.0f;
    p = p * tl_as_float((int32_t)((uint32_t)tl_as_int(shifted) << 23));
    return x < -86.0f ? 0.0f : p;
}

/* e^x - 1 = 2^k (e^r - 1) + (2^k - 1); beyond 20 the 1 is lost. */
TL_MATH float tl_expm1f(float x)
{
    float r, c = x < -18.0f ? -18.0f : x;
    c = c > 20.0f ? 20.0f : c;
    float scale = tl_power_of_two(tl_reduce(c, &r));
    float y = scale * (r + tl_exp_tail(r) * (r * r)) + (scale - 1.0f);
    y = x > 20.0f ? tl_expf(x) : y;
    return x == 0.0f ? x : y;                                   /* keeps -0 */
}

/* e log 2 + log(1 + f), for 1 + f in [sqrt(1/2), sqrt(2)). */
TL_MATH float tl_log_parts(float e, float f)
{
    float z = f * f;
    float p = 7.0376836292e-2f;
    p = p * f - 1.1514610310e-1f;
    p = p * f + 1.1676998740e-1f;
    p = p * f - 1.2420140846e-1f;
    p = p * f + 1.4249322787e-1f;
    p = p * f - 1.6668057665e-1f;
    p = p * f + 2.0000714765e-1f;
    p = p * f - 2.4999993993e-1f;
    p = p * f + 3.3333331174e-1f;
    p = p * f * z - e * 2.12194440e-4f;
    p = p - 0.5f * z;
    p = f + p;
    return p + e * 0.693359375f;
}

/* The k of x = 2^k m with m in [sqrt(1/2), sqrt(2)), and m; x positive and normal. */
TL_MATH int32_t tl_split(float x, float *m)
{
    int32_t bits = tl_as_int(x);
    int32_t k = (bits - 0x3F3504F3) >> 23;
    *m = tl_as_float((int32_t)((uint32_t)bits - ((uint32_t)k << 23)));
    return k;
}

TL_MATH float tl_logf(float x)
{
    float m;
    float e = (float)tl_split(x < FLT_MIN ? x * 33554432.0f : x, &m);   /* 2^25 makes denormals normal */
    float y = tl_log_parts(x < FLT_MIN ? e - 25.0f : e, m - 1.0f);
    y = x > 0.0f ? y : (x == 0.0f ? -INFINITY : NAN);
    return x <= FLT_MAX ? y : x;
}

/* log(1 + x): what u = 1 + x lost to rounding is added to the mantissa of u; near 1 that mantissa less 1 is x. */
TL_MATH float tl_log1pf(float x)
{
    float m, u = 1.0f + x;
    float lost = x > 1.0f ? 1.0f - (u - x) : x - (u - 1.0f);
    int32_t k = tl_split(u, &m);
    float f = (m - 1.0f) + lost * tl_power_of_two(k < 64 ? -k : -127);
    float y = tl_log_parts((float)k, k == 0 ? x : f);
    y = x > -1.0f ? y : (x == -1.0f ? -INFINITY : NAN);
    y = x == 0.0f ? x : y;                                      /* keeps -0 */
    return x <= FLT_MAX ? y : x;
}

/* An odd polynomial near zero, 1 - 2 / (e^2|x| + 1) elsewhere. */
TL_MATH float tl_tanhf(float x)
{
    float a = fabsf(x);
    float t = 1.0f - 2.0f / (tl_expf(a + a) + 1.0f);
    float s = x * x;
    float p = -5.70498872745e-3f;
    p = p * s + 2.06390887954e-2f;
    p = p * s - 5.37397155531e-2f;
    p = p * s + 1.33314422036e-1f;
    p = p * s - 3.33332819422e-1f;
    p = p * s * a + a;
    return copysignf(a < 0.625f ? p : t, x);
}

/* e^x for x <= 0. The power of two is 2^64 too large until the end, where results that are denormal round once. */
TL_MATH float tl_exp_negf(float x)
{
    float c = x < -104.0f ? -104.0f : x;
    float shifted = c * 1.44269504088896341f + 12583103.0f;     /* 1.5 * 2^23 + 127 + 64 */
    float n = shifted - 12583103.0f;
    float r = (c - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = (tl_exp_tail(r) * r + 1.0f) * r + 1.0f;
    return p * tl_as_float((int32_t)((uint32_t)tl_as_int(shifted) << 23)) * 0x1p-64f;
}

/* By the exponential of -|x|, so that neither tail overflows and small results keep all their digits.
 * What 1 + e lost to rounding is put back to first order; 1.457 - d / 2 is 1 / d well enough for that. */
TL_MATH float tl_sigmoidf(float x)
{
    float e = tl_exp_negf(-fabsf(x));
    float d = 1.0f + e;
    float lost = e - (d - 1.0f);
    float q = (x < 0.0f ? e : 1.0f) / d;
    return q - q * (lost * (1.457f - 0.5f * d));
}

/* Both in fewer steps, within 4 ulp, for the gates of recurrent layers. NaN passes. */
TL_MATH float tl_sigmoid_lowf(float x)
{
    float c = x < -87.0f ? -87.0f : x;
    return 1.0f / (1.0f + tl_exp_lowf(-c));
}

/* (e^2x - 1) / (e^2x + 1); beyond 9.1 it is 1. */
TL_MATH float tl_tanh_lowf(float x)
{
    float r, c = x < -9.1f ? -9.1f : x;
    c = c > 9.1f ? 9.1f : c;
    float scale = tl_power_of_two(tl_reduce(c + c, &r));
    float e = scale * (r + tl_exp_tail(r) * (r * r)) + (scale - 1.0f);
    return e / (e + 2.0f);
}

/* ---- the same in double ---- */

#define TL_ROUND 6755399441055744.0         /* 1.5 * 2^52: adding it rounds, and shows the integer in the low bits */

TL_MATH double tl_as_double(int64_t i) { double d; memcpy(&d, &i, 8); return d; }
TL_MATH int64_t tl_as_long(double d) { int64_t i; memcpy(&i, &d, 8); return i; }

/* 2^n for a whole n from -1022 to 1023. */
TL_MATH double tl_power_of_two_d(double n)
{
    return tl_as_double((int64_t)((uint64_t)tl_as_long(n + (TL_ROUND + 1023.0)) << 52));
}

/* x = n log 2 + r with |r| <= log(2) / 2; gives n. */
TL_MATH double tl_reduce_d(double x, double *r)
{
    double n = (x * 1.4426950408889634 + TL_ROUND) - TL_ROUND;
    *r = (x - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10;
    return n;
}

/* (e^r - 1 - r) / r^2, by its Taylor series */
TL_MATH double tl_exp_tail_d(double r)
{
    double p = 1.6059043836821613e-10;
    p = p * r + 2.0876756987868100e-09;
    p = p * r + 2.5052108385441720e-08;
    p = p * r + 2.7557319223985890e-07;
    p = p * r + 2.7557319223985893e-06;
    p = p * r + 2.4801587301587302e-05;
    p = p * r + 1.9841269841269841e-04;
    p = p * r + 1.3888888888888889e-03;
    p = p * r + 8.3333333333333333e-03;
    p = p * r + 4.1666666666666664e-02;
    p = p * r + 1.6666666666666666e-01;
    return p * r + 0.5;
}

TL_MATH double tl_exp(double x)
{
    double r, c = x < -746.0 ? -746.0 : x;
    c = c > 710.0 ? 710.0 : c;
    double n = tl_reduce_d(c, &r);
    double half = (n * 0.5 + TL_ROUND) - TL_ROUND;
    double sum = 1.0 + r;
    double p = sum + (tl_exp_tail_d(r) * (r * r) + ((1.0 - sum) + r));
    return p * tl_power_of_two_d(half) * tl_power_of_two_d(n - half);
}

TL_MATH double tl_expm1(double x)
{
    double r, c = x < -40.0 ? -40.0 : x;
    c = c > 50.0 ? 50.0 : c;
    double scale = tl_power_of_two_d(tl_reduce_d(c, &r));
    double y = scale * (r + tl_exp_tail_d(r) * (r * r)) + (scale - 1.0);
    y = x > 50.0 ? tl_exp(x) : y;
    return x == 0.0 ? x : y;
}

/* e log 2 + log(1 + f), by s = f / (2 + f): log(1 + f) = f - f^2 / 2 + s (f^2 / 2 + p(s^2)). */
TL_MATH double tl_log_parts_d(double e, double f)
{
    double s = f / (2.0 + f), z = s * s, h = 0.5 * f * f;
    double p = 1.479819860511658591e-01;
    p = p * z + 1.531383769920937332e-01;
    p = p * z + 1.818357216161805012e-01;
    p = p * z + 2.222219843214978396e-01;
    p = p * z + 2.857142874366239149e-01;
    p = p * z + 3.999999999940941908e-01;
    p = p * z + 6.666666666666735130e-01;
    p = p * z;
    return e * 6.93147180369123816490e-01 - ((h - (s * (h + p) + e * 1.90821492927058770002e-10)) - f);
}

/* As tl_split. k + 1023 is made without a sign, so that a logical shift does; k comes back as a double. */
TL_MATH double tl_split_d(double x, double *m)
{
    uint64_t bits = (uint64_t)tl_as_long(x);
    uint64_t biased = (bits + (0x3FF0000000000000u - 0x3FE6A09E667F3BCDu)) >> 52;
    *m = tl_as_double((int64_t)(bits - ((biased - 1023u) << 52)));
    return tl_as_double((int64_t)(biased | 0x4330000000000000u)) - (4503599627370496.0 + 1023.0);
}

TL_MATH double tl_log(double x)
{
    double m;
    double e = tl_split_d(x < DBL_MIN ? x * 18014398509481984.0 : x, &m);       /* 2^54 */
    double y = tl_log_parts_d(x < DBL_MIN ? e - 54.0 : e, m - 1.0);
    y = x > 0.0 ? y : (x == 0.0 ? -INFINITY : NAN);
    return x <= DBL_MAX ? y : x;
}

TL_MATH double tl_log1p(double x)
{
    double m, u = 1.0 + x;
    double lost = x > 1.0 ? 1.0 - (u - x) : x - (u - 1.0);
    double k = tl_split_d(u, &m);
    double f = (m - 1.0) + lost * tl_power_of_two_d(k < 100.0 ? -k : -1023.0);
    double y = tl_log_parts_d(k, k == 0.0 ? x : f);
    y = x > -1.0 ? y : (x == -1.0 ? -INFINITY : NAN);
    y = x == 0.0 ? x : y;
    return x <= DBL_MAX ? y : x;
}

/* Near zero x + x^3 p / q, a rational function of x^2. */
TL_MATH double tl_tanh(double x)
{
    double a = fabs(x);
    double t = 1.0 - 2.0 / (tl_exp(a + a) + 1.0);
    double s = x * x;
    double p = (-9.64399179425052238628e-1 * s - 9.92877231001918586564e1) * s - 1.61468768441708447952e3;
    double q = ((s + 1.12811678491632931402e2) * s + 2.23548839060100448583e3) * s + 4.84406305325125486048e3;
    return copysign(a < 0.625 ? a + a * s * (p / q) : t, x);
}

TL_MATH double tl_sigmoid(double x)
{
    double e = tl_exp(-fabs(x));
    double d = 1.0 + e;
    double lost = e - (d - 1.0);
    double q = (x < 0.0 ? e : 1.0) / d;
    return q - q * (lost * (1.457 - 0.5 * d));
}

#endif
