// Applying a function to 32 lanes, written so that compilers turn the loops into vector code. A functor has one
// static member f.
#pragma once
#include <type_traits>

#include "half.h"
#include "warp.h"

namespace cuemu {

template <class T> using Cell = std::conditional_t<sizeof(T) == 8, u64, u32>;  // how a register keeps a T

template <class T> inline T fromCell(Cell<T> c) {
    if constexpr (std::is_integral_v<T>) {
        return T(c);
    } else if constexpr (sizeof(T) == sizeof(Cell<T>)) {
        return bitCast<T>(c);
    } else {
        return bitCast<T>(u16(c));
    }
}

template <class T> inline Cell<T> toCell(T v) {
    if constexpr (std::is_integral_v<T>) {
        return Cell<T>(std::make_unsigned_t<T>(v));
    } else if constexpr (sizeof(T) == sizeof(Cell<T>)) {
        return bitCast<Cell<T>>(v);
    } else {
        return Cell<T>(bitCast<u16>(v));
    }
}

// Stores f(lane) in the lanes of the mask. All lanes are computed: f must be harmless for those that are not wanted.
template <class D, class F> inline void store(Cell<D>* d, u32 mask, F f) {
    if (mask == kAll) {
#pragma GCC ivdep
        for (int l = 0; l < kLanes; l++) d[l] = toCell<D>(f(l));
    } else {
#pragma GCC ivdep
        for (int l = 0; l < kLanes; l++) {
            Cell<D> r = toCell<D>(f(l));
            d[l] = mask >> l & 1 ? r : d[l];
        }
    }
}

template <class D, class A, class F> void unary(Warp& w, const Op& op, u32 mask) {
    auto* a = w.in<Cell<A>>(op.a);
    store<D>(w.out<Cell<D>>(op.d), mask, [=](int l) { return F::f(fromCell<A>(a[l])); });
}

template <class D, class A, class B, class F> void binary(Warp& w, const Op& op, u32 mask) {
    auto* a = w.in<Cell<A>>(op.a);
    auto* b = w.in<Cell<B>>(op.b);
    store<D>(w.out<Cell<D>>(op.d), mask, [=](int l) { return F::f(fromCell<A>(a[l]), fromCell<B>(b[l])); });
}

template <class D, class A, class B, class C, class F> void ternary(Warp& w, const Op& op, u32 mask) {
    auto* a = w.in<Cell<A>>(op.a);
    auto* b = w.in<Cell<B>>(op.b);
    auto* c = w.in<Cell<C>>(op.c);
    store<D>(w.out<Cell<D>>(op.d), mask,
             [=](int l) { return F::f(fromCell<A>(a[l]), fromCell<B>(b[l]), fromCell<C>(c[l])); });
}

// For lanes one at a time, where only those of the mask may be touched.
template <class F> inline void each(u32 mask, F f) {
    for (; mask; mask &= mask - 1) f(__builtin_ctz(mask));
}

}  // namespace cuemu
