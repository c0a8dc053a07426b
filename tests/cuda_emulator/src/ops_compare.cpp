// Comparisons, selections and logic of predicates. A predicate is the bits of 32 lanes in one word.
#include <chrono>
#include <cmath>

#include "lanes.h"
#include "ops.h"

namespace cuemu {
namespace {

template <class T> auto comparable(T v) {
    if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BHalf>)
        return v.value();
    else
        return v;
}

template <class F> u32 bitsWhere(F f) {
    u32 r = 0;
    for (int l = 0; l < kLanes; l++) r |= u32(bool(f(l))) << l;
    return r;
}

template <class T> u32 compare(Compare how, const Cell<T>* ca, const Cell<T>* cb) {
    auto a = [=](int l) { return comparable(fromCell<T>(ca[l])); };
    auto b = [=](int l) { return comparable(fromCell<T>(cb[l])); };
    switch (how) {
        case Compare::Eq: return bitsWhere([=](int l) { return a(l) == b(l); });
        case Compare::Ne: return bitsWhere([=](int l) { return a(l) < b(l) || a(l) > b(l); });
        case Compare::Lt:
        case Compare::Lo: return bitsWhere([=](int l) { return a(l) < b(l); });
        case Compare::Le:
        case Compare::Ls: return bitsWhere([=](int l) { return a(l) <= b(l); });
        case Compare::Gt:
        case Compare::Hi: return bitsWhere([=](int l) { return a(l) > b(l); });
        case Compare::Ge:
        case Compare::Hs: return bitsWhere([=](int l) { return a(l) >= b(l); });
        case Compare::Equ: return bitsWhere([=](int l) { return !(a(l) < b(l) || a(l) > b(l)); });
        case Compare::Neu: return bitsWhere([=](int l) { return !(a(l) == b(l)); });
        case Compare::Ltu: return bitsWhere([=](int l) { return !(a(l) >= b(l)); });
        case Compare::Leu: return bitsWhere([=](int l) { return !(a(l) > b(l)); });
        case Compare::Gtu: return bitsWhere([=](int l) { return !(a(l) <= b(l)); });
        case Compare::Geu: return bitsWhere([=](int l) { return !(a(l) < b(l)); });
        case Compare::Num: return bitsWhere([=](int l) { return a(l) == a(l) && b(l) == b(l); });
        default: return bitsWhere([=](int l) { return a(l) != a(l) || b(l) != b(l); });
    }
}

u32 combine(Warp& w, const Op& op, u32 p) {
    if (Combine(op.sub) == Combine::None) return p;
    u32 c = w.predicate(op.c);
    if (op.negated) c = ~c;
    return Combine(op.sub) == Combine::And ? p & c : Combine(op.sub) == Combine::Or ? p | c : p ^ c;
}

void put(Warp& w, u32 operand, u32 mask, u32 value) {
    if (operand == kNoOperand) return;
    u32& p = *w.out<u32>(operand);
    p = (p & ~mask) | (value & mask);
}

template <class T> void setp(Warp& w, const Op& op, u32 mask) {
    u32 p = compare<T>(Compare(op.mode), w.in<Cell<T>>(op.a), w.in<Cell<T>>(op.b));
    u32 second = op.d2 == kNoOperand ? 0 : combine(w, op, ~p);
    put(w, op.d, mask, combine(w, op, p));
    put(w, op.d2, mask, second);
}

// Pairs set two predicates: one for each half.
template <class H> void setpPair(Warp& w, const Op& op, u32 mask) {
    auto *a = w.in<u32>(op.a), *b = w.in<u32>(op.b);
    u32 la[kLanes], lb[kLanes], ha[kLanes], hb[kLanes];
    for (int l = 0; l < kLanes; l++)
        la[l] = a[l] & 0xffff, lb[l] = b[l] & 0xffff, ha[l] = a[l] >> 16, hb[l] = b[l] >> 16;
    u32 lo = combine(w, op, compare<H>(Compare(op.mode), la, lb)),
        hi = combine(w, op, compare<H>(Compare(op.mode), ha, hb));
    put(w, op.d, mask, lo);
    put(w, op.d2, mask, hi);
}

// set: all ones or 1.0 where true; op.type is the type of the result.
template <class T> void set(Warp& w, const Op& op, u32 mask) {
    u32 p = combine(w, op, compare<T>(Compare(op.mode), w.in<Cell<T>>(op.a), w.in<Cell<T>>(op.b)));
    u32 yes = op.type == Type::F32    ? bitCast<u32>(1.0f)
              : op.type == Type::F16  ? 0x3c00u
              : op.type == Type::BF16 ? 0x3f80u
              : sizeOf(op.type) == 2  ? 0xffffu
                                      : ~0u;
    each(mask, [&](int l) { w.out<u32>(op.d)[l] = p >> l & 1 ? yes : 0; });
}

template <class H> void setPair(Warp& w, const Op& op, u32 mask) {
    auto *a = w.in<u32>(op.a), *b = w.in<u32>(op.b);
    u32 la[kLanes], lb[kLanes], ha[kLanes], hb[kLanes];
    for (int l = 0; l < kLanes; l++)
        la[l] = a[l] & 0xffff, lb[l] = b[l] & 0xffff, ha[l] = a[l] >> 16, hb[l] = b[l] >> 16;
    u32 lo = combine(w, op, compare<H>(Compare(op.mode), la, lb)),
        hi = combine(w, op, compare<H>(Compare(op.mode), ha, hb));
    u32 yes = op.type == Type::F16x2 ? 0x3c00u : op.type == Type::BF16x2 ? 0x3f80u : 0xffffu;
    each(mask, [&](int l) { w.out<u32>(op.d)[l] = (lo >> l & 1 ? yes : 0) | (hi >> l & 1 ? yes << 16 : 0); });
}

template <class T> void selp(Warp& w, const Op& op, u32 mask) {
    auto *a = w.in<T>(op.a), *b = w.in<T>(op.b);
    u32 p = w.predicate(op.c);
    if (op.negated) p = ~p;
    store<T>(w.out<T>(op.d), mask, [=](int l) { return p >> l & 1 ? a[l] : b[l]; });
}

template <class T, class S> void slct(Warp& w, const Op& op, u32 mask) {
    auto *a = w.in<T>(op.a), *b = w.in<T>(op.b);
    auto* c = w.in<u32>(op.c);
    store<T>(w.out<T>(op.d), mask, [=](int l) { return fromCell<S>(c[l]) >= S(0) ? a[l] : b[l]; });
}

template <class F> void logic2(Warp& w, const Op& op, u32 mask) {
    put(w, op.d, mask, F::f(w.predicate(op.a), w.predicate(op.b)));
}
struct And {
    static u32 f(u32 a, u32 b) { return a & b; }
};
struct Or {
    static u32 f(u32 a, u32 b) { return a | b; }
};
struct Xor {
    static u32 f(u32 a, u32 b) { return a ^ b; }
};
void notp(Warp& w, const Op& op, u32 mask) { put(w, op.d, mask, ~w.predicate(op.a)); }
void movp(Warp& w, const Op& op, u32 mask) { put(w, op.d, mask, w.predicate(op.a)); }

void clock(Warp& w, const Op& op, u32 mask) {
    auto now = std::chrono::steady_clock::now().time_since_epoch();
    u64 t = u64(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
    if (op.mode == 1) t >>= 32;
    each(mask, [&](int l) {
        if (op.sub == 8)
            w.out<u64>(op.d)[l] = t;
        else
            w.out<u32>(op.d)[l] = u32(t);
    });
}

}  // namespace

#define CUEMU_BY_TYPE(F)                          \
    switch (type) {                               \
        case Type::U16:                           \
        case Type::B16: return F<u16>;            \
        case Type::S16: return F<i16>;            \
        case Type::U32:                           \
        case Type::B32: return F<u32>;            \
        case Type::S32: return F<i32>;            \
        case Type::U64:                           \
        case Type::B64: return F<u64>;            \
        case Type::S64: return F<i64>;            \
        case Type::F16: return F<Half>;           \
        case Type::BF16: return F<BHalf>;         \
        case Type::F32: return F<float>;          \
        case Type::F64: return F<double>;         \
        case Type::F16x2: return F##Pair<Half>;   \
        case Type::BF16x2: return F##Pair<BHalf>; \
        default: return nullptr;                  \
    }

Handler compareHandler(Type type){CUEMU_BY_TYPE(setp)} Handler setHandler(Type type){CUEMU_BY_TYPE(set)}

Handler predicateHandler(const string& o) {
    return o == "and"   ? logic2<And>
           : o == "or"  ? logic2<Or>
           : o == "xor" ? logic2<Xor>
           : o == "not" ? notp
           : o == "mov" ? movp
                        : nullptr;
}
Handler selectHandler(Type type) { return sizeOf(type) == 8 ? selp<u64> : selp<u32>; }
Handler slctHandler(Type type, Type selector) {
    if (selector == Type::F32) return sizeOf(type) == 8 ? slct<u64, float> : slct<u32, float>;
    return sizeOf(type) == 8 ? slct<u64, i32> : slct<u32, i32>;
}
Handler clockHandler() { return clock; }

}  // namespace cuemu
