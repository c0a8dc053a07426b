// cvt between all types, and the plain moves: joining, splitting, widening.
#include <cfenv>
#include <cfloat>
#include <cmath>
#include <limits>

#include "lanes.h"
#include "ops.h"

namespace cuemu {
namespace {

template <class T> constexpr bool isHalf = std::is_same_v<T, Half> || std::is_same_v<T, BHalf>;
template <class T> constexpr bool isReal = isHalf<T> || std::is_floating_point_v<T>;

template <class T> double wide(T v) {
    if constexpr (isHalf<T>)
        return v.value();
    else
        return double(v);
}

Round roundOf(char c) {
    return c == 'z'   ? Round::Zero
           : c == 'm' ? Round::Down
           : c == 'p' ? Round::Up
           : c == 'a' ? Round::NearestAway
                      : Round::Nearest;
}

double toWhole(double v, char rounding) {
    switch (rounding) {
        case 'z': return std::trunc(v);
        case 'm': return std::floor(v);
        case 'p': return std::ceil(v);
        default: return std::nearbyint(v);
    }
}

// NaN is 0, but the highest bit alone where 64 bits are on either side.
template <class D, class S> D wholeOfNan() {
    return sizeof(D) == 8 || sizeof(S) == 8 ? D(std::make_unsigned_t<D>(1) << (sizeof(D) * 8 - 1)) : D(0);
}

// A whole number in range. For 64 bits the limits are not doubles, so they are compared with powers of two.
template <class D, class S> D clampWhole(double v) {
    using L = std::numeric_limits<D>;
    if (v != v) return wholeOfNan<D, S>();
    double top = std::ldexp(1.0, L::digits);
    if (v >= top) return L::max();
    if (v < double(L::min())) return L::min();
    return D(v);
}

template <class D, class S> D saturate(S v) {
    using L = std::numeric_limits<D>;
    __int128 x = v;
    return x < __int128(L::min()) ? L::min() : x > __int128(L::max()) ? L::max() : D(v);
}

struct ScopedRounding {
    int before = std::fegetround();
    explicit ScopedRounding(char c) {
        std::fesetround(c == 'z' ? FE_TOWARDZERO : c == 'm' ? FE_DOWNWARD : c == 'p' ? FE_UPWARD : FE_TONEAREST);
    }
    ~ScopedRounding() { std::fesetround(before); }
};

// Whatever has no loop of its own below; op.mode is the rounding, op.sub: 1 saturates, 2 flushes, 4 goes to a whole
// number, 8 relu.
template <class D, class S> void convert(Warp& w, const Op& op, u32 mask) {
    auto* a = w.in<Cell<S>>(op.a);
    auto* d = w.out<Cell<D>>(op.d);
    char rounding = char(op.mode);
    bool sat = op.sub & 1, ftz = op.sub & 2, whole = op.sub & 4, relu = op.sub & 8;
    ScopedRounding scoped(isReal<D> && (std::is_integral_v<S> || std::is_same_v<S, double>) && !whole ? rounding
                                                                                                      : 'n');
    each(mask, [&](int l) {
        S s = fromCell<S>(a[l]);
        D r;
        if constexpr (std::is_integral_v<D> && std::is_integral_v<S>) {
            r = sat ? saturate<D>(s) : D(s);
        } else if constexpr (std::is_integral_v<D>) {
            double v = wide(s);
            if (ftz && std::fabs(v) < double(FLT_MIN)) v = 0;
            r = clampWhole<D, S>(toWhole(v, rounding));
        } else if constexpr (isHalf<D>) {
            double v;
            if constexpr (std::is_integral_v<S>)
                v = double(s);
            else
                v = wide(s);
            if (whole) v = toWhole(v, rounding);
            if (sat) v = v > 0 ? (v < 1 ? v : 1) : 0;
            if (relu && !(v > 0) && v == v) v = 0;
            r = D::of(v, roundOf(rounding));
        } else if constexpr (std::is_integral_v<S>) {
            volatile S kept = s;
            r = D(kept);
        } else {
            double v = wide(s);
            if (whole) v = toWhole(v, rounding);
            volatile double kept = v;
            r = D(kept);
            if (ftz && std::is_same_v<D, float> && std::fabs(r) < FLT_MIN) r = std::copysign(D(0), r);
            if (sat) r = r > 0 ? (r < 1 ? r : D(1)) : D(0);
        }
        d[l] = toCell<D>(r);
    });
}

template <class D, class S> struct Cast {
    static D f(S v) { return D(v); }
};

template <class S> struct ToWhole32 {  // the commonest: (int)f
    static i32 f(S v) {
        return v != v                 ? wholeOfNan<i32, S>()
               : v >= S(2147483648.0) ? INT32_MAX
               : v < S(-2147483648.0) ? INT32_MIN
                                      : i32(v);
    }
};

template <class D, class S> Handler pick(const Modifiers& m) {
    bool plain = !m.sat && !m.ftz && !m.relu;
    if constexpr (std::is_integral_v<D> && std::is_integral_v<S>) {
        if (plain) return unary<D, S, Cast<D, S>>;
    } else if constexpr (std::is_floating_point_v<D> && !isHalf<S>) {
        if (plain && m.rounding == 'n' && !m.integral) return unary<D, S, Cast<D, S>>;
    } else if constexpr (std::is_same_v<D, i32> && std::is_floating_point_v<S>) {
        if (plain && m.rounding == 'z') return unary<D, S, ToWhole32<S>>;
    }
    return convert<D, S>;
}

template <class D> Handler from(Type t, const Modifiers& m) {
    switch (t) {
        case Type::U8:
        case Type::B8: return pick<D, u8>(m);
        case Type::S8: return pick<D, i8>(m);
        case Type::U16:
        case Type::B16: return pick<D, u16>(m);
        case Type::S16: return pick<D, i16>(m);
        case Type::U32:
        case Type::B32: return pick<D, u32>(m);
        case Type::S32: return pick<D, i32>(m);
        case Type::U64:
        case Type::B64: return pick<D, u64>(m);
        case Type::S64: return pick<D, i64>(m);
        case Type::F16: return pick<D, Half>(m);
        case Type::BF16: return pick<D, BHalf>(m);
        case Type::F32: return pick<D, float>(m);
        case Type::F64: return pick<D, double>(m);
        default: return nullptr;
    }
}

void toTf32(Warp& w, const Op& op, u32 mask) {
    auto* a = w.in<u32>(op.a);
    each(mask, [&](int l) {
        double v = bitCast<float>(a[l]);
        w.out<u32>(op.d)[l] =
            std::isnan(v) ? 0x7fffffffu : bitCast<u32>(float(roundTo(v, 11, -149, roundOf(char(op.mode)))));
    });
}

template <class H> void pack(Warp& w, const Op& op, u32 mask) {
    auto *a = w.in<u32>(op.a), *b = w.in<u32>(op.b);
    bool relu = op.sub & 8;
    auto one = [&](u32 cell) -> u32 {
        double v = bitCast<float>(cell);
        if (relu && !(v > 0) && v == v) v = 0;
        return H::of(v, roundOf(char(op.mode))).bits;
    };
    each(mask, [&](int l) { w.out<u32>(op.d)[l] = one(a[l]) << 16 | one(b[l]); });
}

template <class T> struct Same {
    static T f(T v) { return v; }
};

// Numbers in the list: how many parts, the bits of each, then their operands.
void join(Warp& w, const Op& op, u32 mask) {
    const u32* list = w.function().lists.data() + op.list;
    u32 count = list[0], bits = list[1];
    each(mask, [&](int l) {
        u64 v = 0;
        for (u32 i = 0; i < count; i++) {
            u64 part = bits == 64 ? w.in<u64>(list[2 + i])[l] : w.in<u32>(list[2 + i])[l];
            v |= (part & (bits == 64 ? ~u64(0) : (u64(1) << bits) - 1)) << (bits * i);
        }
        if (count * bits > 32)
            w.out<u64>(op.d)[l] = v;
        else
            w.out<u32>(op.d)[l] = u32(v);
    });
}

void divide(Warp& w, const Op& op, u32 mask) {
    const u32* list = w.function().lists.data() + op.list;
    u32 count = list[0], bits = list[1];
    each(mask, [&](int l) {
        u64 v = count * bits > 32 ? w.in<u64>(op.a)[l] : w.in<u32>(op.a)[l];
        for (u32 i = 0; i < count; i++)
            if (list[2 + i] != kNoOperand) w.out<u32>(list[2 + i])[l] = u32(v >> (bits * i) & ((u64(1) << bits) - 1));
    });
}

}  // namespace

Handler convertHandler(Type to, Type t, const Modifiers& m) {
    switch (to) {
        case Type::U8:
        case Type::B8: return from<u8>(t, m);
        case Type::S8: return from<i8>(t, m);
        case Type::U16:
        case Type::B16: return from<u16>(t, m);
        case Type::S16: return from<i16>(t, m);
        case Type::U32:
        case Type::B32: return from<u32>(t, m);
        case Type::S32: return from<i32>(t, m);
        case Type::U64:
        case Type::B64: return from<u64>(t, m);
        case Type::S64: return from<i64>(t, m);
        case Type::F16: return from<Half>(t, m);
        case Type::BF16: return from<BHalf>(t, m);
        case Type::F32: return from<float>(t, m);
        case Type::F64: return from<double>(t, m);
        case Type::TF32: return t == Type::F32 ? toTf32 : nullptr;
        default: return nullptr;
    }
}

Handler packHandler(Type to) { return to == Type::F16x2 ? pack<Half> : to == Type::BF16x2 ? pack<BHalf> : nullptr; }
Handler moveHandler(int bytes) { return bytes == 8 ? unary<u64, u64, Same<u64>> : unary<u32, u32, Same<u32>>; }
Handler joinHandler() { return join; }
Handler splitHandler() { return divide; }

Handler resizeHandler(int fromBytes, int toBytes, bool isSignedType) {
    if (fromBytes == 8) return unary<u32, u64, Cast<u32, u64>>;
    if (toBytes != 8) return moveHandler(4);
    return isSignedType ? unary<i64, i32, Cast<i64, i32>> : unary<u64, u32, Cast<u64, u32>>;
}

}  // namespace cuemu
