// atom and red. Blocks run on several host threads, so global memory is changed with the host's own atomic
// instructions.
#include "lanes.h"
#include "memory_ops.h"
#include "ops.h"

namespace cuemu {
namespace {

template <class H> u32 addPair(u32 a, u32 b) {
    auto one = [](u32 x, u32 y) { return u32(H::of(H{u16(x)}.value() + H{u16(y)}.value()).bits); };
    return one(a, b) | one(a >> 16, b >> 16) << 16;
}

template <class T> T smaller(T a, T b, bool less) { return (a < b) == less ? a : b; }

// The new value of a cell; c is what cas stores.
template <class T> T updated(const Op& op, T old, T b, T c) {
    switch (op.type) {
        case Type::F32:
            if constexpr (sizeof(T) == 4) return bitCast<u32>(bitCast<float>(old) + bitCast<float>(b));
            break;
        case Type::F64:
            if constexpr (sizeof(T) == 8) return bitCast<u64>(bitCast<double>(old) + bitCast<double>(b));
            break;
        case Type::F16: return T(Half::of(Half{u16(old)}.value() + Half{u16(b)}.value()).bits);
        case Type::BF16: return T(BHalf::of(BHalf{u16(old)}.value() + BHalf{u16(b)}.value()).bits);
        case Type::F16x2: return T(addPair<Half>(u32(old), u32(b)));
        case Type::BF16x2: return T(addPair<BHalf>(u32(old), u32(b)));
        default: break;
    }
    using S = std::make_signed_t<T>;
    bool less = Atomic(op.mode) == Atomic::Min;
    switch (Atomic(op.mode)) {
        case Atomic::Add: return T(old + b);
        case Atomic::Sub: return T(old - b);
        case Atomic::Min:
        case Atomic::Max: return isSigned(op.type) ? T(smaller<S>(S(old), S(b), less)) : smaller<T>(old, b, less);
        case Atomic::And: return old & b;
        case Atomic::Or: return old | b;
        case Atomic::Xor: return old ^ b;
        case Atomic::Exch: return b;
        case Atomic::Cas: return old == b ? c : old;
        case Atomic::Inc: return old >= b ? 0 : T(old + 1);
        case Atomic::Dec: return old == 0 || old > b ? b : T(old - 1);
    }
    return old;
}

template <class T> void change(Warp& w, const Op& op, int l, u8* at) {
    T b = T(w.in<Cell<T>>(op.b)[l]), c = op.c == kNoOperand ? T(0) : T(w.in<Cell<T>>(op.c)[l]);
    auto* cell = reinterpret_cast<T*>(at);
    T old = __atomic_load_n(cell, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(cell, &old, updated<T>(op, old, b, c), true, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED)) {
    }
    if (op.d != kNoOperand) w.out<Cell<T>>(op.d)[l] = old;
}

void apply(Warp& w, const Op& op, Space space, const u64* address, u32 mask) {
    u32 bytes = u32(sizeOf(op.type));
    Span span = spanOf(address, mask, bytes);
    checkAligned(w, op, address, mask, bytes, span.bits);
    if (space == Space::Shared) {
        w.counters->sharedAccesses++;
    } else if (space == Space::Global) {
        w.counters->globalStores++;
        w.counters->globalStoreSectors += sectorsOf(address, mask, bytes, span.lo, span.hi);
    } else {
        w.fail(op, __builtin_ctz(mask), kIllegalAddress, "an atomic operation on local memory or parameters");
    }
    each(mask, [&](int l) {
        u8* at;
        if (space == Space::Shared) {
            const char* wrong = address[l] > 0xffffffffu
                                    ? "out of bounds"
                                    : w.block->shared.check(u32(address[l]), bytes, SharedMemory::Kind::Atomic,
                                                            w.threadOf(l), w.syncEpoch, nullptr);
            if (wrong) sharedFault(w, op, l, address[l], bytes, wrong);
            at = w.block->shared.data() + address[l];
        } else {
            const Region* r = globalRegion(w, op, l, address[l], bytes, true);
            size_t offset = address[l] - r->base;
            bool reads = Atomic(op.mode) != Atomic::Exch;
            if (r->written && reads && w.block->launch.checks.uninitialised &&
                !allWritten(r->written + offset, bytes))
                uninitialised(w, op, l, address[l], bytes);
            if (r->written) std::memset(r->written + offset, 1, bytes);
            at = r->host + offset;
        }
        if (bytes == 2)
            change<u16>(w, op, l, at);
        else if (bytes == 4)
            change<u32>(w, op, l, at);
        else
            change<u64>(w, op, l, at);
    });
}

void atomic(Warp& w, const Op& op, u32 mask) {
    u64 address[kLanes];
    w.addresses(op, address);
    if (op.space != Space::Generic) return apply(w, op, op.space, address, mask);
    bySpace(address, mask, [&](Space space, u32 part) { apply(w, op, space, address, part); });
}

}  // namespace

Handler atomicHandler() { return atomic; }

}  // namespace cuemu
