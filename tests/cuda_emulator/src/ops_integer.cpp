// Integer arithmetic, bits and shifts. Everything is total: a division by zero or a long shift gives what the
// hardware gives.
#include "lanes.h"
#include "ops.h"

namespace cuemu {
namespace {

template <class T> using U = std::make_unsigned_t<T>;
template <class T>
using Wide = std::conditional_t<sizeof(T) == 2, std::conditional_t<std::is_signed_v<T>, i32, u32>,
                                std::conditional_t<std::is_signed_v<T>, i64, u64>>;
template <class T> constexpr u32 kBits = sizeof(T) * 8;

// 16 bits wide products would be ints and could overflow: 32 bits are enough to multiply in.
template <class T> using Work = std::conditional_t<sizeof(T) == 2, u32, U<T>>;

template <class T> T mulHigh(T a, T b) {
    if constexpr (sizeof(T) == 8) {
        using W = std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>;
        return T(W(a) * b >> 64);
    } else {
        return T(Wide<T>(a) * Wide<T>(b) >> kBits<T>);
    }
}

template <class T> struct Add {
    static T f(T a, T b) { return T(Work<T>(a) + Work<T>(b)); }
};
template <class T> struct Sub {
    static T f(T a, T b) { return T(Work<T>(a) - Work<T>(b)); }
};
template <class T> struct Mul {
    static T f(T a, T b) { return T(Work<T>(a) * Work<T>(b)); }
};
template <class T> struct MulHi {
    static T f(T a, T b) { return mulHigh(a, b); }
};
template <class T> struct MulWide {
    static Wide<T> f(T a, T b) { return Wide<T>(Wide<T>(a) * Wide<T>(b)); }
};
template <class T> struct Mad {
    static T f(T a, T b, T c) { return T(Work<T>(a) * Work<T>(b) + Work<T>(c)); }
};
template <class T> struct MadHi {
    static T f(T a, T b, T c) { return T(Work<T>(mulHigh(a, b)) + Work<T>(c)); }
};
template <class T> struct MadWide {
    static Wide<T> f(T a, T b, Wide<T> c) { return Wide<T>(U<Wide<T>>(Wide<T>(a) * Wide<T>(b)) + U<Wide<T>>(c)); }
};
template <class T> T clamp32(i64 v) { return T(v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : v); }
struct AddSat {
    static i32 f(i32 a, i32 b) { return clamp32<i32>(i64(a) + b); }
};
struct SubSat {
    static i32 f(i32 a, i32 b) { return clamp32<i32>(i64(a) - b); }
};
struct MadHiSat {
    static i32 f(i32 a, i32 b, i32 c) { return clamp32<i32>(i64(mulHigh(a, b)) + c); }
};
template <class T> T low24(T v) { return std::is_signed_v<T> ? T(i32(u32(v) << 8) >> 8) : T(v & 0xffffff); }
template <class T> struct Mul24 {
    static T f(T a, T b) { return T(i64(low24(a)) * i64(low24(b))); }
};
template <class T> struct Mul24Hi {
    static T f(T a, T b) { return T(i64(low24(a)) * i64(low24(b)) >> 16); }
};
template <class T> struct Mad24 {
    static T f(T a, T b, T c) { return T(Mul24<T>::f(a, b) + U<T>(c)); }
};
template <class T> struct Mad24Hi {
    static T f(T a, T b, T c) { return T(Mul24Hi<T>::f(a, b) + U<T>(c)); }
};
template <class T> struct Sad {
    static T f(T a, T b, T c) { return T(U<T>(c) + (a < b ? U<T>(b) - U<T>(a) : U<T>(a) - U<T>(b))); }
};
template <class T> struct Div {
    static T f(T a, T b) {
        if (!b) return T(-1);
        if (std::is_signed_v<T> && b == T(-1)) return T(U<T>(0) - U<T>(a));
        return T(a / b);
    }
};
template <class T> struct Rem {
    static T f(T a, T b) {
        if (!b) return a;
        if (std::is_signed_v<T> && b == T(-1)) return 0;
        return T(a % b);
    }
};
template <class T> struct Abs {
    static T f(T a) { return T(a < 0 ? U<T>(0) - U<T>(a) : U<T>(a)); }
};
template <class T> struct Neg {
    static T f(T a) { return T(U<T>(0) - U<T>(a)); }
};
template <class T> struct Min {
    static T f(T a, T b) { return a < b ? a : b; }
};
template <class T> struct Max {
    static T f(T a, T b) { return a > b ? a : b; }
};
template <class T> struct MinRelu {
    static T f(T a, T b) { return Max<T>::f(Min<T>::f(a, b), 0); }
};
template <class T> struct MaxRelu {
    static T f(T a, T b) { return Max<T>::f(Max<T>::f(a, b), 0); }
};
template <class T> struct And {
    static T f(T a, T b) { return T(a & b); }
};
template <class T> struct Or {
    static T f(T a, T b) { return T(a | b); }
};
template <class T> struct Xor {
    static T f(T a, T b) { return T(a ^ b); }
};
template <class T> struct Not {
    static T f(T a) { return T(~a); }
};
template <class T> struct Cnot {
    static T f(T a) { return T(a == 0); }
};
template <class T> struct Shl {
    static T f(T a, u32 n) { return n >= kBits<T> ? T(0) : T(U<T>(a) << (n & (kBits<T> - 1))); }
};
template <class T> struct Shr {
    static T f(T a, u32 n) {
        if (std::is_signed_v<T>) return T(a >> (n >= kBits<T> ? kBits<T> - 1 : n));
        return n >= kBits<T> ? T(0) : T(a >> (n & (kBits<T> - 1)));
    }
};
template <class T> struct Popc {
    static u32 f(T a) { return u32(__builtin_popcountll(u64(U<T>(a)))); }
};
template <class T> struct Clz {
    static u32 f(T a) { return a ? u32(__builtin_clzll(u64(U<T>(a)))) - (64 - kBits<T>) : kBits<T>; }
};
template <class T> struct Bfind {
    static u32 f(T a) {
        U<T> v = std::is_signed_v<T> && a < 0 ? U<T>(~a) : U<T>(a);
        return v ? 63u - u32(__builtin_clzll(u64(v))) : ~0u;
    }
};
template <class T> struct BfindShift {
    static u32 f(T a) {
        u32 r = Bfind<T>::f(a);
        return r == ~0u ? r : kBits<T> - 1 - r;
    }
};
template <class T> struct Brev {
    static T f(T a) {
        u64 v = u64(U<T>(a)), r = 0;
        for (u32 i = 0; i < kBits<T>; i++) r |= (v >> i & 1) << (kBits<T> - 1 - i);
        return T(r);
    }
};
template <class T> struct Bfe {
    static T f(T a, u32 position, u32 length) {
        u32 p = position & 255, n = length & 255;
        if (!n) return 0;
        U<T> v = U<T>(a);
        u32 top = p + n - 1 < kBits<T> - 1 ? p + n - 1 : kBits<T> - 1;
        bool fill = std::is_signed_v<T> && (v >> top & 1);
        U<T> r = p >= kBits<T> ? U<T>(0) : U<T>(v >> p);
        if (n < kBits<T>) r &= U<T>((U<T>(1) << n) - 1);
        u32 kept = p >= kBits<T> ? 0 : top - p + 1;
        if (fill && kept < kBits<T>) r |= U<T>(~U<T>(0) << kept);
        return T(r);
    }
};
template <class T> T insertBits(T a, T b, u32 position, u32 length) {
    u32 p = position & 255, n = length & 255;
    if (p >= kBits<T>) return b;
    T mask = T((n >= kBits<T> ? ~T(0) : T((T(1) << n) - 1)) << p);
    return T((b & ~mask) | (T(a << p) & mask));
}
template <class T> void bfi(Warp& w, const Op& op, u32 mask) {
    auto *a = w.in<Cell<T>>(op.a), *b = w.in<Cell<T>>(op.b);
    auto *c = w.in<u32>(op.c), *e = w.in<u32>(op.e);
    store<T>(w.out<Cell<T>>(op.d), mask, [=](int l) { return insertBits<T>(T(a[l]), T(b[l]), c[l], e[l]); });
}
template <bool Right, bool Wrap> struct Shf {
    static u32 f(u32 a, u32 b, u32 n) {
        n = Wrap ? n & 31 : (n > 32 ? 32 : n);
        u64 both = u64(b) << 32 | a;
        return Right ? u32(both >> n) : u32(both << n >> 32);
    }
};
void lop3(Warp& w, const Op& op, u32 mask) {
    auto *a = w.in<u32>(op.a), *b = w.in<u32>(op.b), *c = w.in<u32>(op.c);
    u32 m[8];
    for (int i = 0; i < 8; i++) m[i] = op.imm >> i & 1 ? ~0u : 0u;
    store<u32>(w.out<u32>(op.d), mask, [=](int l) {
        u32 x = a[l], y = b[l], z = c[l];
        u32 lowPart = (~y & ~z & m[0]) | (~y & z & m[1]) | (y & ~z & m[2]) | (y & z & m[3]);
        u32 highPart = (~y & ~z & m[4]) | (~y & z & m[5]) | (y & ~z & m[6]) | (y & z & m[7]);
        return (~x & lowPart) | (x & highPart);
    });
}
struct Prmt {
    static u32 f(u32 a, u32 b, u32 c) {
        u64 bytes = u64(b) << 32 | a;
        u32 r = 0;
        for (int i = 0; i < 4; i++) {
            u32 s = c >> (4 * i) & 15, byte = u32(bytes >> (8 * (s & 7))) & 255;
            if (s & 8) byte = byte & 128 ? 255 : 0;
            r |= byte << (8 * i);
        }
        return r;
    }
};
// prmt with a mode (f4e, b4e, rc8, ecl, ecr, rc16): the selector is the low two bits of c.
u32 prmtSelector(int mode, u32 n) {
    static const u16 selectors[6][4] = {{0x3210, 0x4321, 0x5432, 0x6543}, {0x5670, 0x6701, 0x7012, 0x0123},
                                        {0x0000, 0x1111, 0x2222, 0x3333}, {0x3210, 0x3211, 0x3222, 0x3333},
                                        {0x0000, 0x1110, 0x2210, 0x3210}, {0x1010, 0x3232, 0x1010, 0x3232}};
    return selectors[mode - 1][n & 3];
}
void prmtMode(Warp& w, const Op& op, u32 mask) {
    auto *a = w.in<u32>(op.a), *b = w.in<u32>(op.b), *c = w.in<u32>(op.c);
    each(mask, [&](int l) { w.out<u32>(op.d)[l] = Prmt::f(a[l], b[l], prmtSelector(op.mode, c[l])); });
}
template <class A, class B> struct Dp4a {
    static u32 f(u32 a, u32 b, u32 c) {
        for (int i = 0; i < 4; i++) c += u32(i32(A(a >> (8 * i))) * i32(B(b >> (8 * i))));
        return c;
    }
};
template <class A, class B> void dp2a(Warp& w, const Op& op, u32 mask) {
    auto *a = w.in<u32>(op.a), *b = w.in<u32>(op.b), *c = w.in<u32>(op.c);
    int high = op.mode ? 16 : 0;
    using W = std::conditional_t<std::is_signed_v<A>, i16, u16>;
    store<u32>(w.out<u32>(op.d), mask, [=](int l) {
        u32 r = c[l];
        for (int i = 0; i < 2; i++) r += u32(i32(W(a[l] >> (16 * i))) * i32(B(b[l] >> (high + 8 * i))));
        return r;
    });
}
struct Bmsk {
    static u32 f(u32 p, u32 n) { return p > 31 ? 0u : (n > 31 ? ~0u : (1u << n) - 1) << p; }
};
struct BmskWrap {
    static u32 f(u32 p, u32 n) { return ((1u << (n & 31)) - 1) << (p & 31); }
};
template <class T> struct Szext {
    static T f(T a, u32 n) {
        if (!n) return 0;
        return n > 31 ? a : T(T(U<T>(a) << (32 - n)) >> (32 - n));
    }
};
struct Fns {
    static u32 f(u32 v, u32 base, u32 offset) {
        i32 n = i32(offset), at = i32(base & 31);
        if (!n) return v >> at & 1 ? u32(at) : ~0u;
        int step = n > 0 ? 1 : -1;
        for (n *= step; at >= 0 && at < 32; at += step)
            if (v >> at & 1 && --n == 0) return u32(at);
        return ~0u;
    }
};

// Addition and its kin with the carry flag, which is kept as a hidden predicate: op.e reads it, op.d2 sets it.
template <class T> void carry(Warp& w, const Op& op, u32 mask) {
    auto *a = w.in<Cell<T>>(op.a), *b = w.in<Cell<T>>(op.b);
    auto* c = op.c == kNoOperand ? nullptr : w.in<Cell<T>>(op.c);
    u32 in = op.e == kNoOperand ? 0 : w.predicate(op.e), carried = 0;
    each(mask, [&](int l) {
        using W = unsigned __int128;
        W sum, bit = in >> l & 1;
        if (op.mode == 0)
            sum = W(T(a[l])) + T(b[l]) + bit;
        else if (op.mode == 1)
            sum = W(T(a[l])) - T(b[l]) - bit;
        else if (op.mode == 2)
            sum = W(T(a[l] * b[l])) + T(c[l]) + bit;
        else
            sum = W(T(op.sub ? T(mulHigh(std::make_signed_t<T>(a[l]), std::make_signed_t<T>(b[l])))
                             : mulHigh(T(a[l]), T(b[l])))) +
                  T(c[l]) + bit;
        w.out<Cell<T>>(op.d)[l] = T(sum);
        carried |= u32(sum >> kBits<T> & 1) << l;
    });
    if (op.d2 != kNoOperand) *w.out<u32>(op.d2) = (*w.out<u32>(op.d2) & ~mask) | carried;
}

template <class T> Handler arithmetic(const string& o, const Modifiers& m) {
    using Un = U<T>;
    if (o == "add") return binary<T, T, T, Add<T>>;
    if (o == "sub") return binary<T, T, T, Sub<T>>;
    if (o == "mul" && m.hi) return binary<T, T, T, MulHi<T>>;
    if (o == "mul" && !m.wide) return binary<T, T, T, Mul<T>>;
    if (o == "mad" && m.hi) return ternary<T, T, T, T, MadHi<T>>;
    if (o == "mad" && !m.wide) return ternary<T, T, T, T, Mad<T>>;
    if constexpr (sizeof(T) < 8) {
        if (o == "mul") return binary<Wide<T>, T, T, MulWide<T>>;
        if (o == "mad") return ternary<Wide<T>, T, T, Wide<T>, MadWide<T>>;
    }
    if (o == "sad") return ternary<T, T, T, T, Sad<T>>;
    if (o == "div") return binary<T, T, T, Div<T>>;
    if (o == "rem") return binary<T, T, T, Rem<T>>;
    if (o == "abs") return unary<T, T, Abs<T>>;
    if (o == "neg") return unary<T, T, Neg<T>>;
    if (o == "min") return m.relu ? binary<T, T, T, MinRelu<T>> : binary<T, T, T, Min<T>>;
    if (o == "max") return m.relu ? binary<T, T, T, MaxRelu<T>> : binary<T, T, T, Max<T>>;
    if (o == "and") return binary<Un, Un, Un, And<Un>>;
    if (o == "or") return binary<Un, Un, Un, Or<Un>>;
    if (o == "xor") return binary<Un, Un, Un, Xor<Un>>;
    if (o == "not") return unary<Un, Un, Not<Un>>;
    if (o == "cnot") return unary<Un, Un, Cnot<Un>>;
    if (o == "shl") return binary<T, T, u32, Shl<T>>;
    if (o == "shr") return binary<T, T, u32, Shr<T>>;
    if (o == "bfind") return m.shiftAmount ? unary<u32, T, BfindShift<T>> : unary<u32, T, Bfind<T>>;
    return nullptr;
}

template <class T> Handler wordOnly(const string& o) {  // 32 and 64 bits
    if (o == "popc") return unary<u32, T, Popc<T>>;
    if (o == "clz") return unary<u32, T, Clz<T>>;
    if (o == "brev") return unary<T, T, Brev<T>>;
    if (o == "bfe") return ternary<T, T, u32, u32, Bfe<T>>;
    if (o == "bfi") return bfi<U<T>>;
    return nullptr;
}

template <class T> Handler only32(const string& o, const Modifiers& m) {
    if (o == "mul24") return m.hi ? binary<T, T, T, Mul24Hi<T>> : binary<T, T, T, Mul24<T>>;
    if (o == "mad24") return m.hi ? ternary<T, T, T, T, Mad24Hi<T>> : ternary<T, T, T, T, Mad24<T>>;
    if (o == "shf" && m.left)
        return m.wrap ? ternary<u32, u32, u32, u32, Shf<false, true>>
                      : ternary<u32, u32, u32, u32, Shf<false, false>>;
    if (o == "shf")
        return m.wrap ? ternary<u32, u32, u32, u32, Shf<true, true>> : ternary<u32, u32, u32, u32, Shf<true, false>>;
    if (o == "lop3") return lop3;
    if (o == "prmt") return ternary<u32, u32, u32, u32, Prmt>;
    if (o == "prmt.mode") return prmtMode;
    if (o == "bmsk") return m.wrap ? binary<u32, u32, u32, BmskWrap> : binary<u32, u32, u32, Bmsk>;
    if (o == "szext") return binary<T, T, u32, Szext<T>>;
    if (o == "fns") return ternary<u32, u32, u32, u32, Fns>;
    if (o == "dp4a.uu") return ternary<u32, u32, u32, u32, Dp4a<u8, u8>>;
    if (o == "dp4a.us") return ternary<u32, u32, u32, u32, Dp4a<u8, i8>>;
    if (o == "dp4a.su") return ternary<u32, u32, u32, u32, Dp4a<i8, u8>>;
    if (o == "dp4a.ss") return ternary<u32, u32, u32, u32, Dp4a<i8, i8>>;
    if (o == "dp2a.uu") return dp2a<u8, u8>;
    if (o == "dp2a.us") return dp2a<u8, i8>;
    if (o == "dp2a.su") return dp2a<i8, u8>;
    if (o == "dp2a.ss") return dp2a<i8, i8>;
    return nullptr;
}

}  // namespace

Handler carryHandler(Type type) { return sizeOf(type) == 8 ? carry<u64> : carry<u32>; }

Handler integerHandler(const string& o, Type type, const Modifiers& m) {
    if (m.sat) {
        if (type != Type::S32) return nullptr;
        if (o == "add") return binary<i32, i32, i32, AddSat>;
        if (o == "sub") return binary<i32, i32, i32, SubSat>;
        return (o == "mad" && m.hi) ? ternary<i32, i32, i32, i32, MadHiSat> : nullptr;
    }
    Handler h = nullptr;
    switch (type) {
        case Type::U16:
        case Type::B16: return arithmetic<u16>(o, m);
        case Type::S16: return arithmetic<i16>(o, m);
        case Type::U32:
        case Type::B32:
            if ((h = arithmetic<u32>(o, m)) || (h = wordOnly<u32>(o))) return h;
            return only32<u32>(o, m);
        case Type::S32:
            if ((h = arithmetic<i32>(o, m)) || (h = wordOnly<i32>(o))) return h;
            return only32<i32>(o, m);
        case Type::U64:
        case Type::B64: return (h = arithmetic<u64>(o, m)) ? h : wordOnly<u64>(o);
        case Type::S64: return (h = arithmetic<i64>(o, m)) ? h : wordOnly<i64>(o);
        default: return nullptr;
    }
}

}  // namespace cuemu
