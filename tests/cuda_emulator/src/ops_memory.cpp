// Loads and stores. All lanes' addresses are checked at once where they lie in one allocation, one by one only to
// tell what is wrong.
#include <algorithm>

#include "lanes.h"
#include "memory_ops.h"
#include "ops.h"

namespace cuemu {

u32 sectorsOf(const u64* address, u32 mask, u32 bytes, u64 lo, u64 hi) {
    u64 first = lo / 32, span = (hi - 1) / 32 - first;
    if (span < 64) {
        u64 seen = 0;
        each(mask, [&](int l) {
            seen |= u64(1) << (address[l] / 32 - first);
            seen |= u64(1) << ((address[l] + bytes - 1) / 32 - first);
        });
        return u32(__builtin_popcountll(seen));
    }
    u64 all[2 * kLanes];
    int n = 0;
    each(mask, [&](int l) {
        all[n++] = address[l] / 32;
        all[n++] = (address[l] + bytes - 1) / 32;
    });
    std::sort(all, all + n);
    return u32(std::unique(all, all + n) - all);
}

// Banks are 4 bytes wide; lanes that touch one word share it, others in its bank wait. Wide accesses go in several
// rounds.
u32 bankConflicts(const u64* address, u32 mask, u32 bytes) {
    u32 perRound = bytes <= 4 ? 32 : bytes <= 8 ? 16 : 8, conflicts = 0;
    for (u32 from = 0; from < kLanes; from += perRound) {
        u64 lo = ~u64(0), hi = 0;
        for (u32 l = from; l < from + perRound; l++) {
            bool on = mask >> l & 1;
            lo = on && address[l] < lo ? address[l] : lo;
            hi = on && address[l] > hi ? address[l] : hi;
        }
        if (hi + bytes <= lo / 4 * 4 + 128) continue;  // 128 bytes in a row: each bank once
        u64 words[kLanes][4];
        u32 used[kLanes] = {0}, most = 1;
        for (u32 l = from; l < from + perRound; l++) {
            if (!(mask >> l & 1)) continue;
            for (u64 word = address[l] / 4; word <= (address[l] + bytes - 1) / 4; word++) {
                u32 bank = word & 31, n = used[bank];
                bool known = false;
                for (u32 i = 0; i < std::min(n, 4u); i++) known = known || words[bank][i] == word;
                if (known) continue;
                if (n < 4) words[bank][n] = word;
                used[bank]++;
                most = std::max(most, used[bank]);
            }
        }
        conflicts += most - 1;
    }
    return conflicts;
}

Span spanOf(const u64* address, u32 mask, u32 bytes) {
    u64 lo = ~u64(0), hi = 0, bits = 0;
    for (int l = 0; l < kLanes; l++) {
        bool on = mask >> l & 1;
        lo = on && address[l] < lo ? address[l] : lo;
        hi = on && address[l] > hi ? address[l] : hi;
        bits |= on ? address[l] : 0;
    }
    return {lo, hi + bytes, bits};
}

void checkAligned(Warp& w, const Op& op, const u64* address, u32 mask, u32 bytes, u64 bits) {
    if (!(bits & (bytes - 1))) return;
    each(mask, [&](int l) {
        if (address[l] & (bytes - 1))
            w.fail(op, l, kMisaligned,
                   format("misaligned address 0x%llx for %u bytes", (unsigned long long)address[l], bytes));
    });
}

void badGlobal(Warp& w, const Op& op, int lane, u64 address, u32 bytes, const char* verb) {
    w.fail(op, lane, kIllegalAddress,
           format("illegal %s of %u bytes at 0x%llx: %s", verb, bytes, (unsigned long long)address,
                  w.block->launch.memory->describe(address, bytes).c_str()));
}

const Region* globalRegion(Warp& w, const Op& op, int lane, u64 address, u32 bytes, bool writes) {
    const Region* r = w.block->region(op, address, address + bytes);
    if (!r) badGlobal(w, op, lane, address, bytes, writes ? "write" : "read");
    if (writes && r->readOnly)
        w.fail(op, lane, kIllegalAddress, format("write to constant memory at 0x%llx", (unsigned long long)address));
    return r;
}

void uninitialised(Warp& w, const Op& op, int lane, u64 address, u32 bytes) {
    w.fail(op, lane, kLaunchFailed,
           format("read of %u bytes at 0x%llx that were never written: %s", bytes, (unsigned long long)address,
                  w.block->launch.memory->describe(address, bytes).c_str()));
}

bool allWritten(const u8* written, size_t n) {
    const u64 ones = 0x0101010101010101ull;
    for (; n >= 8; n -= 8, written += 8) {
        u64 v;
        std::memcpy(&v, written, 8);
        if (v != ones) return false;
    }
    for (; n; n--)
        if (!*written++) return false;
    return true;
}

void sharedFault(Warp& w, const Op& op, int lane, u64 address, u32 bytes, const char* what) {
    string text =
        format("shared memory, %s of %u bytes: %s", what, bytes, w.block->shared.describe(u32(address)).c_str());
    if (std::strncmp(what, "race", 4) == 0) {
        u32 t = w.block->shared.otherThread();
        const u32* n = w.block->launch.block;
        text += t == ~0u ? " (with several threads)"
                         : format(" (with thread (%u,%u,%u))", t % n[0], t / n[0] % n[1], t / n[0] / n[1]);
    }
    w.fail(op, lane, std::strncmp(what, "out", 3) == 0 ? kIllegalAddress : kLaunchFailed, text);
}

u8* localBytes(Warp& w, const Op& op, int lane, u64 address, u32 bytes) {
    if (address > w.localTop() || bytes > w.localTop() - address)
        w.fail(op, lane, kIllegalAddress,
               format("local memory, out of bounds: %u bytes at %llu of %u", bytes, (unsigned long long)address,
                      w.localTop()));
    return w.localOf(lane) + address;
}

const u8* paramBytes(Warp& w, const Op& op, int lane, u64 address, u32 bytes) {
    auto& p = w.block->launch.parameters;
    if (address > p.size() || bytes > p.size() - address)
        w.fail(op, lane, kIllegalAddress,
               format("kernel parameters, out of bounds: %u bytes at %llu of %zu", bytes, (unsigned long long)address,
                      p.size()));
    return p.data() + address;
}

// Splits the lanes of a generic access by what their addresses point to, and makes the addresses relative to that.
void bySpace(u64* address, u32 mask, const std::function<void(Space, u32)>& run) {
    u32 shared = 0, local = 0, param = 0;
    each(mask, [&](int l) {
        u64 a = address[l];
        if (a >= kSharedWindow && a < kSharedWindow + kWindowBytes)
            shared |= 1u << l, address[l] = a - kSharedWindow;
        else if (a >= kLocalWindow && a < kLocalWindow + kWindowBytes)
            local |= 1u << l, address[l] = a - kLocalWindow;
        else if (a >= kParamWindow && a < kParamWindow + kWindowBytes)
            param |= 1u << l, address[l] = a - kParamWindow;
    });
    u32 global = mask & ~(shared | local | param);
    if (global) run(Space::Global, global);
    if (shared) run(Space::Shared, shared);
    if (local) run(Space::Local, local);
    if (param) run(Space::Param, param);
}

namespace {

// How an element travels: T in memory, a cell of 4 or 8 bytes in the register. op.sub is 8 for wide registers.
template <class T> void fetch(Warp& w, u32 operand, bool wide, u32 mask, const u8* const* from, int element) {
    if (operand == kNoOperand) return;
    auto get = [&](int l) {
        T v;
        std::memcpy(&v, from[l] + size_t(element) * sizeof(T), sizeof v);
        return v;
    };
    if (wide)
        each(mask,
             [&](int l) { w.out<u64>(operand)[l] = u64(std::conditional_t<std::is_signed_v<T>, i64, u64>(get(l))); });
    else
        each(mask,
             [&](int l) { w.out<u32>(operand)[l] = u32(std::conditional_t<std::is_signed_v<T>, i32, u32>(get(l))); });
}

template <class T> void put(Warp& w, u32 operand, bool wide, u32 mask, u8* const* to, int element) {
    auto set = [&](int l, T v) { std::memcpy(to[l] + size_t(element) * sizeof(T), &v, sizeof v); };
    if (wide) {
        auto* a = w.in<u64>(operand);
        each(mask, [&](int l) { set(l, T(a[l])); });
    } else {
        auto* a = w.in<u32>(operand);
        each(mask, [&](int l) { set(l, T(a[l])); });
    }
}

void countGlobal(Warp& w, bool writes, const u64* address, u32 mask, u32 bytes, const Span& span) {
    u32 sectors = sectorsOf(address, mask, bytes, span.lo, span.hi);
    if (writes)
        w.counters->globalStores++, w.counters->globalStoreSectors += sectors;
    else
        w.counters->globalLoads++, w.counters->globalLoadSectors += sectors;
}

// Fills `at` with the host bytes of every lane's access to global memory, after all checks.
void openGlobal(Warp& w, const Op& op, const u64* address, u32 mask, u32 bytes, bool writes, u8** at) {
    Span span = spanOf(address, mask, bytes);
    checkAligned(w, op, address, mask, bytes, span.bits);
    const Region* one = w.block->region(op, span.lo, span.hi);
    bool check = !writes && w.block->launch.checks.uninitialised;
    bool dense = one && span.hi - span.lo <= size_t(bytes) * kLanes;
    if (one && one->written) {
        if (dense && check && allWritten(one->written + (span.lo - one->base), span.hi - span.lo)) check = false;
    } else if (one) {
        check = false;
    }
    each(mask, [&](int l) {
        const Region* r = one && !(writes && one->readOnly) ? one : globalRegion(w, op, l, address[l], bytes, writes);
        size_t offset = address[l] - r->base;
        if (r->written) {
            if (writes)
                std::memset(r->written + offset, 1, bytes);
            else if (check && !allWritten(r->written + offset, bytes))
                uninitialised(w, op, l, address[l], bytes);
        }
        at[l] = r->host + offset;
    });
    countGlobal(w, writes, address, mask, bytes, span);
}

void openShared(Warp& w, const Op& op, const u64* address, u32 mask, u32 bytes, SharedMemory::Kind kind, u8** at,
                const u8* values) {
    Span span = spanOf(address, mask, bytes);
    checkAligned(w, op, address, mask, bytes, span.bits);
    auto& shared = w.block->shared;
    each(mask, [&](int l) {
        if (address[l] > 0xffffffffu) sharedFault(w, op, l, address[l], bytes, "out of bounds");
        const char* wrong = shared.check(u32(address[l]), bytes, kind, w.threadOf(l), w.syncEpoch,
                                         values ? values + size_t(l) * 32 : nullptr);
        if (wrong) sharedFault(w, op, l, address[l], bytes, wrong);
        at[l] = shared.data() + address[l];
        if (kind == SharedMemory::Kind::Write && values) std::memcpy(at[l], values + size_t(l) * 32, bytes);
    });
    w.counters->sharedAccesses++;
    w.counters->sharedConflicts += bankConflicts(address, mask, bytes);
}

void open(Warp& w, const Op& op, Space space, const u64* address, u32 mask, u32 bytes, bool writes, u8** at) {
    auto kind = op.strong ? SharedMemory::Kind::Atomic : SharedMemory::Kind::Read;
    switch (space) {
        case Space::Shared: openShared(w, op, address, mask, bytes, kind, at, nullptr); break;
        case Space::Local: each(mask, [&](int l) { at[l] = localBytes(w, op, l, address[l], bytes); }); break;
        case Space::Param:
            if (writes) w.fail(op, __builtin_ctz(mask), kIllegalAddress, "write to the kernel's parameters");
            each(mask, [&](int l) { at[l] = const_cast<u8*>(paramBytes(w, op, l, address[l], bytes)); });
            break;
        default: openGlobal(w, op, address, mask, bytes, writes, at);
    }
}

// Neighbouring lanes on neighbouring elements in one allocation: the commonest access by far, so it has a loop of its
// own.
template <class T, bool Write> bool direct(Warp& w, const Op& op, const u64* address, u32 mask) {
    if (mask != kAll || op.count != 1) return false;
    u64 base = address[0], wrong = base & (sizeof(T) - 1);
    for (int l = 0; l < kLanes; l++) wrong |= address[l] ^ (base + u64(l) * sizeof(T));
    if (wrong) return false;
    constexpr size_t bytes = sizeof(T) * kLanes;
    const Region* r = w.block->region(op, base, base + bytes);
    if (!r || (Write && r->readOnly)) return false;
    size_t offset = base - r->base;
    u32 operand = w.function().lists[op.list];
    if (Write ? operand == kNoOperand : false) return false;
    auto* host = reinterpret_cast<T*>(r->host + offset);
    if (Write) {
        if (r->written) std::memset(r->written + offset, 1, bytes);
        if (op.sub == 8) {
            auto* a = w.in<u64>(operand);
            for (int l = 0; l < kLanes; l++) host[l] = T(a[l]);
        } else {
            auto* a = w.in<u32>(operand);
            for (int l = 0; l < kLanes; l++) host[l] = T(a[l]);
        }
    } else {
        if (r->written && w.block->launch.checks.uninitialised && !allWritten(r->written + offset, bytes))
            return false;
        using Large = std::conditional_t<std::is_signed_v<T>, i64, u64>;
        if (operand == kNoOperand) {
        } else if (op.sub == 8) {
            auto* d = w.out<u64>(operand);
            for (int l = 0; l < kLanes; l++) d[l] = u64(Large(host[l]));
        } else {
            auto* d = w.out<u32>(operand);
            for (int l = 0; l < kLanes; l++) d[l] = u32(Large(host[l]));
        }
    }
    u32 sectors = u32((base + bytes - 1) / 32 - base / 32 + 1);
    if (Write)
        w.counters->globalStores++, w.counters->globalStoreSectors += sectors;
    else
        w.counters->globalLoads++, w.counters->globalLoadSectors += sectors;
    return true;
}

template <class T> void loadFrom(Warp& w, const Op& op, Space space, u64* address, u32 mask) {
    if (space == Space::Global && direct<T, false>(w, op, address, mask)) return;
    u8* at[kLanes];
    open(w, op, space, address, mask, u32(sizeof(T)) * op.count, false, at);
    const u32* list = w.function().lists.data() + op.list;
    for (int i = 0; i < op.count; i++) fetch<T>(w, list[i], op.sub == 8, mask, at, i);
}

template <class T> void storeTo(Warp& w, const Op& op, Space space, u64* address, u32 mask) {
    if (space == Space::Global && direct<T, true>(w, op, address, mask)) return;
    u8* at[kLanes];
    const u32* list = w.function().lists.data() + op.list;
    u32 bytes = u32(sizeof(T)) * op.count;
    if (space == Space::Shared) {  // the values first: what is there already makes no race
        alignas(8) u8 values[kLanes][32];
        for (int l = 0; l < kLanes; l++) at[l] = values[l];
        for (int i = 0; i < op.count; i++) put<T>(w, list[i], op.sub == 8, mask, at, i);
        openShared(w, op, address, mask, bytes, op.strong ? SharedMemory::Kind::Atomic : SharedMemory::Kind::Write,
                   at, values[0]);
        if (op.strong) each(mask, [&](int l) { std::memcpy(at[l], values[l], bytes); });
        return;
    }
    open(w, op, space, address, mask, bytes, true, at);
    for (int i = 0; i < op.count; i++) put<T>(w, list[i], op.sub == 8, mask, at, i);
}

template <void (*Run)(Warp&, const Op&, Space, u64*, u32)> void access(Warp& w, const Op& op, u32 mask) {
    u64 address[kLanes];
    w.addresses(op, address);
    if (op.space != Space::Generic)
        return Run(w, op, op.space == Space::Const ? Space::Global : op.space, address, mask);
    bySpace(address, mask, [&](Space space, u32 part) { Run(w, op, space, address, part); });
}

template <class T> void load(Warp& w, const Op& op, u32 mask) { access<loadFrom<T>>(w, op, mask); }
template <class T> void storeOp(Warp& w, const Op& op, u32 mask) { access<storeTo<T>>(w, op, mask); }

void loadAny(Warp& w, const Op& op, u32 mask) {
    switch (op.type) {
        case Type::U8:
        case Type::B8: return load<u8>(w, op, mask);
        case Type::S8: return load<i8>(w, op, mask);
        case Type::S16: return load<i16>(w, op, mask);
        case Type::S32: return load<i32>(w, op, mask);
        default: break;
    }
    switch (sizeOf(op.type)) {
        case 2: return load<u16>(w, op, mask);
        case 4: return load<u32>(w, op, mask);
        default: return load<u64>(w, op, mask);
    }
}

void storeAny(Warp& w, const Op& op, u32 mask) {
    switch (sizeOf(op.type)) {
        case 1: return storeOp<u8>(w, op, mask);
        case 2: return storeOp<u16>(w, op, mask);
        case 4: return storeOp<u32>(w, op, mask);
        default: return storeOp<u64>(w, op, mask);
    }
}

void toWindow(Warp& w, const Op& op, u32 mask) {
    auto* a = w.in<u64>(op.a);
    store<u64>(w.out<u64>(op.d), mask, [=](int l) { return a[l] + op.imm; });
}

void spaceTest(Warp& w, const Op& op, u32 mask) {
    auto* a = w.in<u64>(op.a);
    u32 result = 0;
    each(mask, [&](int l) {
        auto within = [&](u64 window) { return a[l] >= window && a[l] < window + kWindowBytes; };
        bool shared = within(kSharedWindow), local = within(kLocalWindow), param = within(kParamWindow);
        bool answer = op.space == Space::Shared  ? shared
                      : op.space == Space::Local ? local
                      : op.space == Space::Param ? param
                                                 : !shared && !local && !param;
        result |= u32(answer) << l;
    });
    u32& p = *w.out<u32>(op.d);
    p = (p & ~mask) | result;
}

void nothing(Warp&, const Op&, u32) {}

}  // namespace

Handler loadHandler() { return loadAny; }
Handler storeHandler() { return storeAny; }
Handler addressHandler() { return toWindow; }
Handler spaceTestHandler() { return spaceTest; }
Handler prefetchHandler() { return nothing; }

}  // namespace cuemu
