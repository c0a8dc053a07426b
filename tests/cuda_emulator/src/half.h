// float16 and bfloat16 in software: storage, conversion with any rounding, arithmetic through wider types.
#pragma once
#include <cmath>

#include "base.h"

namespace cuemu {

enum class Round : u8 { Nearest, Zero, Down, Up, NearestAway };

// Rounds a finite positive or negative value to `bits` of precision with exponents from `lowest` (of the last
// subnormal bit).
double roundTo(double v, int bits, int lowest, Round round);

struct Half {
    u16 bits;
    static constexpr u16 kNaN = 0x7fff;
    static Half of(double v, Round round = Round::Nearest);
    double value() const;
};

struct BHalf {
    u16 bits;
    static constexpr u16 kNaN = 0x7fff;
    static BHalf of(double v, Round round = Round::Nearest);
    double value() const { return bitCast<float>(u32(bits) << 16); }
};

template <class H> struct Pair {
    H lo, hi;
};

// a*b+c so that one more rounding, to fewer bits, gives what a single rounding would: the last bit says if something
// was lost.
double fusedForNarrowing(double a, double b, double c);

}  // namespace cuemu
