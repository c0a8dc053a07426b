// Arithmetic of f16, bf16 and their pairs: computed in double, where one further rounding is exact, then narrowed
// once.
#include <cmath>

#include "lanes.h"
#include "ops.h"

namespace cuemu {
namespace {

template <class H> struct Add {
    static H f(H a, H b) { return H::of(a.value() + b.value()); }
};
template <class H> struct Sub {
    static H f(H a, H b) { return H::of(a.value() - b.value()); }
};
template <class H> struct Mul {
    static H f(H a, H b) { return H::of(a.value() * b.value()); }
};
template <class H> struct Fma {
    static H f(H a, H b, H c) { return H::of(fusedForNarrowing(a.value(), b.value(), c.value())); }
};
template <class H> struct Neg {
    static H f(H a) { return {u16(a.bits ^ 0x8000)}; }
};
template <class H> struct Abs {
    static H f(H a) { return {u16(a.bits & 0x7fff)}; }
};
template <class H> struct Ex2 {
    static H f(H a) { return H::of(std::exp2(a.value())); }
};
template <class H> struct Tanh {
    static H f(H a) { return H::of(std::tanh(a.value())); }
};

template <class H, bool Less, bool Nan> struct Extreme {
    static H f(H a, H b) {
        double x = a.value(), y = b.value();
        if (std::isnan(x) || std::isnan(y))
            return Nan || (std::isnan(x) && std::isnan(y)) ? H{H::kNaN} : std::isnan(x) ? b : a;
        if (x == y) return std::signbit(x) == Less ? a : b;
        return (x < y) == Less ? a : b;
    }
};

template <class H> H flushed(H h) { return {u16(h.bits & 0x7c00 ? h.bits : h.bits & 0x8000)}; }

template <class F> struct Sat {
    template <class... H> static auto f(H... v) {
        auto r = F::f(v...);
        double x = r.value();
        return decltype(r)::of(x > 0 ? (x < 1 ? x : 1) : 0);
    }
};
template <class F> struct Relu {
    template <class... H> static auto f(H... v) {
        auto r = F::f(v...);
        if (std::isnan(r.value())) return decltype(r){decltype(r)::kNaN};
        return r.value() > 0 ? r : decltype(r){0};
    }
};
template <class F> struct Ftz {
    template <class... H> static auto f(H... v) { return flushed(F::f(flushed(v)...)); }
};
template <class F> struct Both {
    template <class P> static P f(P a) { return {F::f(a.lo), F::f(a.hi)}; }
    template <class P> static P f(P a, P b) { return {F::f(a.lo, b.lo), F::f(a.hi, b.hi)}; }
    template <class P> static P f(P a, P b, P c) { return {F::f(a.lo, b.lo, c.lo), F::f(a.hi, b.hi, c.hi)}; }
};

template <class H, class F, int N> Handler shape(bool pair) {
    using P = Pair<H>;
    if constexpr (N == 1)
        return pair ? unary<P, P, Both<F>> : unary<H, H, F>;
    else if constexpr (N == 2)
        return pair ? binary<P, P, P, Both<F>> : binary<H, H, H, F>;
    else
        return pair ? ternary<P, P, P, P, Both<F>> : ternary<H, H, H, H, F>;
}
template <class H, class F, int N> Handler with(bool pair, const Modifiers& m) {
    if (m.ftz && m.sat) return shape<H, Sat<Ftz<F>>, N>(pair);
    if (m.ftz) return shape<H, Ftz<F>, N>(pair);
    if (m.sat) return shape<H, Sat<F>, N>(pair);
    return m.relu ? shape<H, Relu<F>, N>(pair) : shape<H, F, N>(pair);
}

template <class H> Handler handler(const string& o, bool pair, const Modifiers& m) {
    if (o == "add") return with<H, Add<H>, 2>(pair, m);
    if (o == "sub") return with<H, Sub<H>, 2>(pair, m);
    if (o == "mul") return with<H, Mul<H>, 2>(pair, m);
    if (o == "fma" || o == "mad") return with<H, Fma<H>, 3>(pair, m);
    if (o == "neg") return shape<H, Neg<H>, 1>(pair);
    if (o == "abs") return shape<H, Abs<H>, 1>(pair);
    if (o == "min")
        return m.nan ? with<H, Extreme<H, true, true>, 2>(pair, m) : with<H, Extreme<H, true, false>, 2>(pair, m);
    if (o == "max")
        return m.nan ? with<H, Extreme<H, false, true>, 2>(pair, m) : with<H, Extreme<H, false, false>, 2>(pair, m);
    if (o == "ex2") return with<H, Ex2<H>, 1>(pair, m);
    if (o == "tanh") return with<H, Tanh<H>, 1>(pair, m);
    return nullptr;
}

}  // namespace

Handler halfHandler(const string& o, Type type, const Modifiers& m) {
    if (m.rounding != 'n' || m.xorsign) return nullptr;
    bool pair = type == Type::F16x2 || type == Type::BF16x2;
    return type == Type::F16 || type == Type::F16x2 ? handler<Half>(o, pair, m) : handler<BHalf>(o, pair, m);
}

}  // namespace cuemu
