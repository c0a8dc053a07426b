// What lanes of a warp tell each other: shuffles, votes, matches, reductions. The interpreter has gathered the named
// lanes before.
#include "lanes.h"
#include "ops.h"

namespace cuemu {
namespace {

void shuffle(Warp& w, const Op& op, u32 mask) {
    auto *a = w.in<u32>(op.a), *b = w.in<u32>(op.b), *c = w.in<u32>(op.c);
    u32 result[kLanes], inside = 0;
    each(mask, [&](int l) {
        int n = int(b[l] & 31), clamp = int(c[l] & 31), segment = int(c[l] >> 8 & 31);
        int top = (l & segment) | (clamp & ~segment), bottom = l & segment, from = l;
        bool ok = false;
        switch (Shuffle(op.mode)) {
            case Shuffle::Up:
                from = l - n;
                ok = from >= top;
                break;
            case Shuffle::Down:
                from = l + n;
                ok = from <= top;
                break;
            case Shuffle::Butterfly:
                from = l ^ n;
                ok = from <= top;
                break;
            case Shuffle::Index:
                from = bottom | (n & ~segment);
                ok = from <= top;
                break;
        }
        if (!ok) from = l;
        if (!(mask >> from & 1))
            w.fail(op, l, kLaunchFailed, format("shfl.sync reads lane %d, which does not take part", from));
        result[l] = a[from];
        inside |= u32(ok) << l;
    });
    if (op.d != kNoOperand) each(mask, [&](int l) { w.out<u32>(op.d)[l] = result[l]; });
    if (op.d2 != kNoOperand) {
        u32& p = *w.out<u32>(op.d2);
        p = (p & ~mask) | inside;
    }
}

void vote(Warp& w, const Op& op, u32 mask) {
    u32 p = w.predicate(op.a);
    if (op.negated) p = ~p;
    p &= mask;
    if (Vote(op.mode) == Vote::Ballot) {
        each(mask, [&](int l) { w.out<u32>(op.d)[l] = p; });
        return;
    }
    bool answer = Vote(op.mode) == Vote::All ? p == mask : Vote(op.mode) == Vote::Any ? p != 0 : p == mask || p == 0;
    u32& d = *w.out<u32>(op.d);
    d = answer ? d | mask : d & ~mask;
}

// match.any: the lanes with the same value; match.all (mode 1): all of them if they agree.
void match(Warp& w, const Op& op, u32 mask) {
    bool wide = sizeOf(op.type) == 8;
    auto value = [&](int l) { return wide ? w.in<u64>(op.a)[l] : w.in<u32>(op.a)[l]; };
    u32 result[kLanes];
    bool agree = true;
    each(mask, [&](int l) {
        result[l] = 0;
        each(mask, [&](int k) { result[l] |= u32(value(k) == value(l)) << k; });
        agree = agree && result[l] == mask;
    });
    each(mask, [&](int l) { w.out<u32>(op.d)[l] = op.mode == 0 || agree ? result[l] : 0; });
    if (op.d2 != kNoOperand) {
        u32& p = *w.out<u32>(op.d2);
        p = agree ? p | mask : p & ~mask;
    }
}

void reduce(Warp& w, const Op& op, u32 mask) {
    auto* a = w.in<u32>(op.a);
    u32 r = a[__builtin_ctz(mask)];
    each(mask & (mask - 1), [&](int l) {
        u32 v = a[l];
        bool less = isSigned(op.type) ? i32(v) < i32(r) : v < r;
        switch (Atomic(op.mode)) {
            case Atomic::Add: r += v; break;
            case Atomic::Min: r = less ? v : r; break;
            case Atomic::Max: r = less ? r : v; break;
            case Atomic::And: r &= v; break;
            case Atomic::Or: r |= v; break;
            default: r ^= v;
        }
    });
    each(mask, [&](int l) { w.out<u32>(op.d)[l] = r; });
}

void activeMask(Warp& w, const Op& op, u32 mask) {
    each(mask, [&](int l) { w.out<u32>(op.d)[l] = mask; });
}

void syncWarp(Warp& w, const Op&, u32) { w.syncEpoch++; }

void elect(Warp& w, const Op& op, u32 mask) {
    u32 leader = u32(__builtin_ctz(mask));
    if (op.d != kNoOperand) each(mask, [&](int l) { w.out<u32>(op.d)[l] = leader; });
    u32& p = *w.out<u32>(op.d2);
    p = (p & ~mask) | (1u << leader);
}

}  // namespace

Handler shuffleHandler() { return shuffle; }
Handler voteHandler() { return vote; }
Handler matchHandler() { return match; }
Handler reduceHandler() { return reduce; }
Handler activeMaskHandler() { return activeMask; }
Handler syncWarpHandler() { return syncWarp; }
Handler electHandler() { return elect; }

}  // namespace cuemu
