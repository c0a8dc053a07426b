/* IEEE binary16 to binary32 and back, round to nearest even, in plain integer arithmetic. */
#ifndef TENSORLIB_HALF_H
#define TENSORLIB_HALF_H
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
#endif
