/* IEEE binary16 to binary32 and back, round to nearest even, in plain integer arithmetic. */
#ifndef TENSORLIB_HALF_H
#define TENSORLIB_HALF_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The digits as those of a float whose exponent is 112 too small, denormals among them: a product makes them right. */
static inline float tl_half_to_float(uint16_t h) {
    uint32_t magnitude = h & 0x7fff, bits = magnitude << 13;
    float f;
    memcpy(&f, &bits, 4);
    f *= 0x1p112f;
    memcpy(&bits, &f, 4);
    bits |= (magnitude >= 0x7c00 ? 0x7f800000u : 0u) | (uint32_t)(h & 0x8000) << 16;    /* inf, nan; the sign */
    memcpy(&f, &bits, 4);
    return f;
}

static inline uint16_t tl_float_to_half(float f) {
    uint32_t bits, sign, magnitude;
    memcpy(&bits, &f, 4);
    sign = bits >> 16 & 0x8000;
    magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7e00);               /* nan */
    if (magnitude >= 0x477ff000) return (uint16_t)(sign | 0x7c00);              /* rounds to inf */
    if (magnitude < 0x38800000) {                       /* subnormal: adding 0.5 rounds at 2^-24 */
        float a, shifted;
        memcpy(&a, &magnitude, 4);
        shifted = a + 0.5f;
        memcpy(&magnitude, &shifted, 4);
        return (uint16_t)(sign | (magnitude - 0x3f000000));
    }
    magnitude += 0xfff + (magnitude >> 13 & 1);
    return (uint16_t)(sign | (magnitude - (112u << 23)) >> 13);
}

/* A vector of them, where there is an instruction for it; GCC finds it in no loop. */
#if defined(__AVX512F__)
#define TL_HALVES 16
#define TL_ROUND_TO_HALVES(v) __builtin_ia32_vcvtps2ph512_mask(v, 0, (halves){0}, -1)
#elif defined(__F16C__)
#define TL_HALVES 8
#define TL_ROUND_TO_HALVES(v) __builtin_ia32_vcvtps2ph256(v, 0)
#endif

static inline void tl_floats_to_halves(uint16_t *y, const float *x, ptrdiff_t n) {
    ptrdiff_t i = 0;
#ifdef TL_HALVES
    typedef float floats __attribute__((vector_size(4 * TL_HALVES), aligned(4), may_alias));
    typedef int16_t halves __attribute__((vector_size(2 * TL_HALVES), aligned(2), may_alias));
    for (; n - i >= TL_HALVES; i += TL_HALVES) {
        const halves h = (halves)TL_ROUND_TO_HALVES(*(const floats *)(x + i)), sign = h & INT16_MIN;
        const halves nan = (h & 0x7fff) > 0x7c00;       /* with digits of the float's */
        *(halves *)(y + i) = (h & ~nan) | (nan & (sign | 0x7e00));
    }
#endif
    for (; i < n; i++)
        y[i] = tl_float_to_half(x[i]);
}
#endif
