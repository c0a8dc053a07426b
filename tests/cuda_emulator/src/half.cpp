// Rounding to the two 16-bit formats. Out of line: these functions are called in loops over lanes, and inlining them
// there is slow.
#include "half.h"

#include <algorithm>

namespace cuemu {

double roundTo(double v, int bits, int lowest, Round round) {
    if (v == 0 || !std::isfinite(v)) return v;
    int exponent;
    std::frexp(v, &exponent);
    int unit = std::max(exponent - bits, lowest);
    double scaled = std::ldexp(v, -unit), whole = std::trunc(scaled), rest = std::fabs(scaled - whole),
           sign = v < 0 ? -1 : 1;
    bool away = false;
    switch (round) {
        case Round::Nearest: away = rest > 0.5 || (rest == 0.5 && std::fmod(whole, 2) != 0); break;
        case Round::NearestAway: away = rest >= 0.5; break;
        case Round::Zero: break;
        case Round::Down: away = rest > 0 && v < 0; break;
        case Round::Up: away = rest > 0 && v > 0; break;
    }
    double result = std::ldexp(whole + (away ? sign : 0), unit);
    return result == 0 ? std::copysign(0.0, v) : result;
}

// Out of range values become the largest or infinity, as the rounding says.
static double overflow(double v, double largest, Round round) {
    if (std::fabs(v) <= largest || !std::isfinite(v)) return v;
    bool infinite = round == Round::Nearest || round == Round::NearestAway || (round == Round::Up && v > 0) ||
                    (round == Round::Down && v < 0);
    return std::copysign(infinite ? INFINITY : largest, v);
}

Half Half::of(double v, Round round) {
    if (std::isnan(v)) return {kNaN};
    v = overflow(roundTo(v, 11, -24, round), 65504.0, round);
    u16 sign = std::signbit(v) ? 0x8000 : 0;
    double a = std::fabs(v);
    if (std::isinf(a)) return {u16(sign | 0x7c00)};
    if (a < 6.103515625e-05) return {u16(sign | u16(std::ldexp(a, 24)))};
    int exponent;
    double m = std::frexp(a, &exponent);
    return {u16(sign | (u32(exponent + 14) << 10) | (u32(std::ldexp(m, 11)) & 0x3ff))};
}

double Half::value() const {
    int exponent = bits >> 10 & 31, mantissa = bits & 0x3ff;
    double v = exponent == 31 ? (mantissa ? NAN : INFINITY)
               : exponent     ? std::ldexp(1024 + mantissa, exponent - 25)
                              : std::ldexp(mantissa, -24);
    return bits & 0x8000 ? -v : v;
}

BHalf BHalf::of(double v, Round round) {
    if (std::isnan(v)) return {kNaN};
    v = overflow(roundTo(v, 8, -133, round), 3.3895313892515355e38, round);
    return {u16(bitCast<u32>(float(v)) >> 16)};
}

double fusedForNarrowing(double a, double b, double c) {
    double product = a * b, sum = product + c;  // the product of two halves is exact
    if (!std::isfinite(sum)) return sum;
    double t = sum - product, error = (product - (sum - t)) + (c - t);
    u64 bits = bitCast<u64>(sum);
    if (error == 0 || (bits & 1)) return sum;
    if (sum == 0) return error;
    return bitCast<double>((error > 0) == (sum > 0) ? bits | 1 : bits - 1);
}

}  // namespace cuemu
