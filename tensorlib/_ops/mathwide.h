/* Functions of floats whose steps lose too much in float: computed in double, without branches, and rounded once.
 *
 * Within 0.51 ulp, so mostly the nearest float, special values as in C99; tests/test_mathfn.py measures it.
 * Half the lanes of a vector, but the polynomials need no more than 2^-34 and no second word anywhere.
 */
#ifndef TENSORLIB_MATHWIDE_H
#define TENSORLIB_MATHWIDE_H
#include "mathfn.h"

#define TL_FAR 4194304.0f       /* angles beyond lose digits in tl_less_pi: they are for libm */
#define TL_FMOD_MOST 134217728.0f       /* quotients below this differ enough from whole numbers in tl_fmodf */
#define TL_PI 3.141592653589793

/* ---- powers ---- */

/* 2^t; 0 and infinite as a float beyond the range of floats. NaN passes. */
TL_MATH double tl_exp2_wide(double t)
{
    double c = t < -160.0 ? -160.0 : t;
    c = c > 130.0 ? 130.0 : c;
    double n = (c + TL_ROUND) - TL_ROUND, f = c - n;
    double p = 1.52019149415063e-05;
    p = p * f + 0.00015469290737562847;
    p = p * f + 0.0013333922581397816;
    p = p * f + 0.009618027255147515;
    p = p * f + 0.05550410353450344;
    p = p * f + 0.24022651198147238;
    p = p * f + 0.6931471807284361;
    p = p * f + 0.9999999999616824;
    return p * tl_power_of_two_d(n);
}

/* log2 of a float that is not negative, by s = (m - 1) / (m + 1). */
TL_MATH double tl_log2_wide(double x)
{
    double m, e = tl_split_d(x, &m);
    double s = (m - 1.0) / (m + 1.0), u = s * s;
    double p = 0.3407280615588277;
    p = p * u + 0.41167282365855956;
    p = p * u + 0.5770835833301162;
    p = p * u + 0.9617966733497364;
    p = p * u + 2.8853900817900797;
    p = p * s + e;
    p = x == 0.0 ? -INFINITY : p;
    return x <= FLT_MAX ? p : x;                                /* infinity and NaN */
}

TL_MATH float tl_powf(float base, float exponent)
{
    double a = base, b = exponent, half = 0.5 * b, size = fabs(a);
    double t = b * tl_log2_wide(size);
    int whole = trunc(b) == b, odd = whole & (trunc(half) != half);
    double y = tl_exp2_wide((b == 0.0) | (size == 1.0) ? 0.0 : t);
    y = copysign(y, odd ? a : 1.0);
    return (float)((a < 0.0) & !whole & (size <= FLT_MAX) ? NAN : y);
}

TL_MATH float tl_sinhf(float x)
{
    double a = fabs((double)x), e = tl_exp2_wide(a * 1.4426950408889634), u = a * a;
    double p = 2.755731922398589e-06;                           /* a Taylor series, where e - 1 / e would cancel */
    p = p * u + 0.0001984126984126984;
    p = p * u + 0.008333333333333333;
    p = p * u + 0.16666666666666666;
    p = p * u * a + a;
    return (float)copysign(a < 0.5 ? p : 0.5 * (e - 1.0 / e), x);
}

TL_MATH float tl_coshf(float x)
{
    double e = tl_exp2_wide(fabs((double)x) * 1.4426950408889634);
    return (float)(0.5 * (e + 1.0 / e));
}

/* Exact, as the whole quotient and its product with y are; |x| < TL_FMOD_MOST |y|, y finite. */
TL_MATH float tl_fmodf(float x, float y)
{
    double a = x, b = y;
    return (float)copysign(a - b * trunc(a / b), a);
}

/* ---- angles; |x| <= TL_FAR ---- */

/* x less n times pi, whose first two parts have 29 digits. */
TL_MATH double tl_less_pi(double x, double n)
{
    return ((x - n * 3.141592651605606) - n * 1.9841871548575973e-09) - n * 4.503483548312435e-18;
}

/* sin(r) for |r| <= pi / 2, with the sign changed if the lowest bit of turns is set. */
TL_MATH double tl_sin_wide(double r, int64_t turns)
{
    double u = r * r;
    double p = 1.5401100995323381e-10;
    p = p * u - 2.5029514026286642e-08;
    p = p * u + 2.75569318002811e-06;
    p = p * u - 0.00019841266410105157;
    p = p * u + 0.008333333318757291;
    p = p * u - 0.1666666666643217;
    p = p * u + 0.9999999999999375;
    return tl_as_double(tl_as_long(p * r) ^ (int64_t)((uint64_t)turns << 63));
}

TL_MATH float tl_sinf(float x)
{
    double shifted = x * 0.3183098861837907 + TL_ROUND, n = shifted - TL_ROUND;
    return (float)tl_sin_wide(tl_less_pi(x, n), tl_as_long(shifted));
}

/* sin(x + pi / 2) */
TL_MATH float tl_cosf(float x)
{
    double shifted = (x * 0.3183098861837907 + 0.5) + TL_ROUND, n = shifted - TL_ROUND;
    return (float)tl_sin_wide(tl_less_pi(x, n - 0.5), tl_as_long(shifted));
}

/* sin / cos of what is left of x after n right angles, or -cos / sin. */
TL_MATH float tl_tanf(float x)
{
    double shifted = x * 0.6366197723675814 + TL_ROUND, n = shifted - TL_ROUND;
    double r = tl_less_pi(x, 0.5 * n), u = r * r;
    int odd = (tl_as_long(shifted) & 1) != 0;
    double s = 2.7171489467792492e-06, c = 2.4379887971479415e-05;
    s = s * u - 0.0001983917793558357;
    s = s * u + 0.008333328688748387;
    s = s * u - 0.1666666663043154;
    s = (s * u + 0.9999999999954482) * r;
    c = c * u - 0.001388661876410456;
    c = c * u + 0.041666616724491345;
    c = c * u - 0.49999999615282514;
    c = c * u + 0.9999999999525778;
    return (float)((odd ? -c : s) / (odd ? s : c));
}

/* The angle of (x, y), by a polynomial in the quotient of the lesser and the greater of the two. */
TL_MATH double tl_atan2_wide(double y, double x)
{
    double a = fabs(x), b = fabs(y);
    double high = b > a ? b : a, low = b > a ? a : b;
    double q = a + b == 0.0 ? 0.0 : (low == high ? 1.0 : low / high), u = q * q;      /* NaN passes */
    double p = -0.0006848306810283065;
    p = p * u + 0.004851133700491709;
    p = p * u - 0.016112130249480612;
    p = p * u + 0.03421017572664803;
    p = p * u - 0.05427954809399095;
    p = p * u + 0.0724574002968697;
    p = p * u - 0.08980245859313649;
    p = p * u + 0.11093242538886137;
    p = p * u - 0.14283980895747703;
    p = p * u + 0.19999912059598148;
    p = p * u - 0.3333333157136932;
    p = (p * u + 0.999999999941252) * q;
    p = b > a ? 0.5 * TL_PI - p : p;
    p = copysign(1.0, x) < 0.0 ? TL_PI - p : p;
    return copysign(p, y);
}

TL_MATH float tl_atan2f(float y, float x) { return (float)tl_atan2_wide(y, x); }
TL_MATH float tl_atanf(float x) { return (float)tl_atan2_wide(x, 1.0); }
TL_MATH float tl_asinf(float x) { return (float)tl_atan2_wide(x, sqrt((1.0 - x) * (1.0 + x))); }
TL_MATH float tl_acosf(float x) { return (float)tl_atan2_wide(sqrt((1.0 - x) * (1.0 + x)), x); }

#endif
