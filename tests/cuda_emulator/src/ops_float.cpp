// Arithmetic of f32 and f64. The approximate functions are computed as well as the host can: no kernel may rely on
// their error.
#include <cfenv>
#include <cfloat>
#include <cmath>

#include "lanes.h"
#include "ops.h"

namespace cuemu {
namespace {

template <class T> struct Add {
    static T f(T a, T b) { return a + b; }
};
template <class T> struct Sub {
    static T f(T a, T b) { return a - b; }
};
template <class T> struct Mul {
    static T f(T a, T b) { return a * b; }
};
template <class T> struct Div {
    static T f(T a, T b) { return a / b; }
};
template <class T> struct Fma {
    static T f(T a, T b, T c) { return std::fma(a, b, c); }
};
template <class T> struct Rcp {
    static T f(T a) { return 1 / a; }
};
template <class T> struct Sqrt {
    static T f(T a) { return std::sqrt(a); }
};
template <class T> struct Rsqrt {
    static T f(T a) { return T(1 / std::sqrt(double(a))); }
};
template <class T> struct Abs {
    static T f(T a) { return std::fabs(a); }
};
template <class T> struct Neg {
    static T f(T a) { return -a; }
};
struct Sin {
    static float f(float a) { return std::sin(a); }
};
struct Cos {
    static float f(float a) { return std::cos(a); }
};
struct Ex2 {
    static float f(float a) { return std::exp2(a); }
};
struct Lg2 {
    static float f(float a) { return std::log2(a); }
};
struct Tanh {
    static float f(float a) { return std::tanh(a); }
};
template <class T> struct Copysign {
    static T f(T a, T b) { return std::copysign(b, a); }
};

// The half of the bits that hardware gives; the rest is for the Newton steps that follow in the kernel.
double upperHalf(double v) { return bitCast<double>(bitCast<u64>(v) & 0xffffffff00000000ull); }
struct RcpCoarse {
    static double f(double a) { return upperHalf(1 / a); }
};
struct RsqrtCoarse {
    static double f(double a) { return upperHalf(1 / std::sqrt(a)); }
};

template <class T, bool Nan, bool Xor, bool Less> struct Extreme {
    static T f(T a, T b) {
        bool sign = Xor && (std::signbit(a) != std::signbit(b));
        if (Xor) a = std::fabs(a), b = std::fabs(b);
        T r;
        if (a != a || b != b)
            r = Nan ? T(NAN) : a != a ? b : a;
        else if (a == b)
            r = std::signbit(a) == Less ? a : b;  // -0 is less than +0
        else
            r = (a < b) == Less ? a : b;
        return sign ? -r : r;
    }
};

inline float flush(float v) {
    u32 b = bitCast<u32>(v);
    return bitCast<float>(b & 0x7f800000 ? b : b & 0x80000000);
}
inline double flush(double v) { return v; }

template <class F> struct Ftz {
    template <class... T> static auto f(T... v) { return flush(F::f(flush(v)...)); }
};
template <class F> struct Sat {
    template <class... T> static auto f(T... v) {
        auto r = F::f(v...);
        return r > 0 ? (r < 1 ? r : decltype(r)(1)) : decltype(r)(0);
    }
};

template <class T, class F> Handler with1(const Modifiers& m) {
    if (m.ftz && m.sat) return unary<T, T, Sat<Ftz<F>>>;
    if (m.ftz) return unary<T, T, Ftz<F>>;
    return m.sat ? unary<T, T, Sat<F>> : unary<T, T, F>;
}
template <class T, class F> Handler with2(const Modifiers& m) {
    if (m.ftz && m.sat) return binary<T, T, T, Sat<Ftz<F>>>;
    if (m.ftz) return binary<T, T, T, Ftz<F>>;
    return m.sat ? binary<T, T, T, Sat<F>> : binary<T, T, T, F>;
}
template <class T, class F> Handler with3(const Modifiers& m) {
    if (m.ftz && m.sat) return ternary<T, T, T, T, Sat<Ftz<F>>>;
    if (m.ftz) return ternary<T, T, T, T, Ftz<F>>;
    return m.sat ? ternary<T, T, T, T, Sat<F>> : ternary<T, T, T, T, F>;
}

// The same under another rounding. The values come from and go to memory, so no compiler moves the arithmetic past
// the switch.
template <Handler H, int Mode> void rounded(Warp& w, const Op& op, u32 mask) {
    int before = std::fegetround();
    std::fesetround(Mode);
    H(w, op, mask);
    std::fesetround(before);
}
template <Handler Plain, Handler Flushed> Handler directed(const Modifiers& m) {
    switch (m.rounding) {
        case 'z': return m.ftz ? rounded<Flushed, FE_TOWARDZERO> : rounded<Plain, FE_TOWARDZERO>;
        case 'm': return m.ftz ? rounded<Flushed, FE_DOWNWARD> : rounded<Plain, FE_DOWNWARD>;
        default: return m.ftz ? rounded<Flushed, FE_UPWARD> : rounded<Plain, FE_UPWARD>;
    }
}
template <class T, class F> Handler directed1(const Modifiers& m) {
    return directed<unary<T, T, F>, unary<T, T, Ftz<F>>>(m);
}
template <class T, class F> Handler directed2(const Modifiers& m) {
    return m.sat ? directed<binary<T, T, T, Sat<F>>, binary<T, T, T, Sat<Ftz<F>>>>(m)
                 : directed<binary<T, T, T, F>, binary<T, T, T, Ftz<F>>>(m);
}
template <class T, class F> Handler directed3(const Modifiers& m) {
    return m.sat ? directed<ternary<T, T, T, T, Sat<F>>, ternary<T, T, T, T, Sat<Ftz<F>>>>(m)
                 : directed<ternary<T, T, T, T, F>, ternary<T, T, T, T, Ftz<F>>>(m);
}

template <class T, bool Less> Handler extreme(const Modifiers& m) {
    if (m.nan && m.xorsign) return with2<T, Extreme<T, true, true, Less>>(m);
    if (m.nan) return with2<T, Extreme<T, true, false, Less>>(m);
    if (m.xorsign) return with2<T, Extreme<T, false, true, Less>>(m);
    return with2<T, Extreme<T, false, false, Less>>(m);
}

// testp.finite and the like: op.mode is the index in the list of names.
template <class T> void testp(Warp& w, const Op& op, u32 mask) {
    auto* a = w.in<Cell<T>>(op.a);
    u32 result = 0;
    each(mask, [&](int l) {
        T v = fromCell<T>(a[l]);
        int kind = std::fpclassify(v);
        const bool answers[] = {bool(std::isfinite(v)), bool(std::isinf(v)), !std::isnan(v),
                                bool(std::isnan(v)),    kind == FP_NORMAL,   kind == FP_SUBNORMAL};
        result |= u32(answers[op.mode]) << l;
    });
    u32& p = *w.out<u32>(op.d);
    p = (p & ~mask) | result;
}

template <class T> Handler common(const string& o, const Modifiers& m) {
    bool nearest = m.rounding == 'n';
    if (o == "add") return nearest ? with2<T, Add<T>>(m) : directed2<T, Add<T>>(m);
    if (o == "sub") return nearest ? with2<T, Sub<T>>(m) : directed2<T, Sub<T>>(m);
    if (o == "mul") return nearest ? with2<T, Mul<T>>(m) : directed2<T, Mul<T>>(m);
    if (o == "fma" || o == "mad") return nearest ? with3<T, Fma<T>>(m) : directed3<T, Fma<T>>(m);
    if (o == "div") return nearest ? with2<T, Div<T>>(m) : directed2<T, Div<T>>(m);
    if (o == "sqrt") return nearest ? with1<T, Sqrt<T>>(m) : directed1<T, Sqrt<T>>(m);
    if (o == "abs") return with1<T, Abs<T>>(m);
    if (o == "neg") return with1<T, Neg<T>>(m);
    if (o == "min") return extreme<T, true>(m);
    if (o == "max") return extreme<T, false>(m);
    if (o == "copysign") return binary<T, T, T, Copysign<T>>;
    if (o == "testp") return testp<T>;
    return nullptr;
}

}  // namespace

Handler floatHandler(const string& o, Type type, const Modifiers& m) {
    if (type == Type::F64) {
        if (o == "rcp" && m.approx) return unary<double, double, RcpCoarse>;
        if (o == "rsqrt" && m.ftz) return unary<double, double, RsqrtCoarse>;
        if (o == "rcp") return m.rounding == 'n' ? with1<double, Rcp<double>>(m) : directed1<double, Rcp<double>>(m);
        if (o == "rsqrt") return with1<double, Rsqrt<double>>(m);
        return common<double>(o, m);
    }
    if (o == "rcp") return m.rounding == 'n' ? with1<float, Rcp<float>>(m) : directed1<float, Rcp<float>>(m);
    if (o == "rsqrt") return with1<float, Rsqrt<float>>(m);
    if (o == "sin") return with1<float, Sin>(m);
    if (o == "cos") return with1<float, Cos>(m);
    if (o == "ex2") return with1<float, Ex2>(m);
    if (o == "lg2") return with1<float, Lg2>(m);
    if (o == "tanh") return with1<float, Tanh>(m);
    return common<float>(o, m);
}

}  // namespace cuemu
