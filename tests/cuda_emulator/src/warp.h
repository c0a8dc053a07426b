// The state of 32 lanes: frames of registers, groups of lanes that stand at the same instruction, and the memory they
// see.
#pragma once
#include "launch.h"
#include "shared_memory.h"

namespace cuemu {

class Block;

struct Group {
    enum State : u8 { Ready, AtBarrier, AtSync };
    u32 pc = 0, mask = 0;
    State state = Ready;
    u32 barrier = 0;
};

struct Frame {
    const Function* function = nullptr;
    u32 registers = 0;  // where its registers begin, in bytes
    u32 local = 0;      // where its part of each lane's local memory begins
    u32 mask = 0;
    const Op* call = nullptr;
    vector<Group> groups;
};

class Warp {
public:
    ~Warp();
    void start(Block& block, int index, u32 mask);
    // Runs until every lane has ended or waits, or for so many instructions.
    void run(u64 quantum);
    bool ended() const { return frames.empty(); }
    bool waiting() const;

    template <class S> const S* in(u32 operand) const {
        return reinterpret_cast<const S*>(bases[operand & kConstantBit] + (operand & ~kConstantBit));
    }
    template <class S> S* out(u32 operand) { return reinterpret_cast<S*>(const_cast<u8*>(bases[0]) + operand); }
    u32 predicate(u32 operand) const { return *in<u32>(operand); }

    // The addresses the lanes give to a memory operation.
    void addresses(const Op& op, u64* to) const;
    u8* localOf(int lane) const { return local + size_t(lane) * kLocalBytes; }
    u32 localTop() const { return frames.back().local + frames.back().function->localBytes; }
    u32 localBase() const { return frames.back().local; }
    const Function& function() const { return *frames.back().function; }
    [[noreturn]] void fail(const Op& op, int lane, int status, const string& what) const;
    string place(const Op& op, int lane) const;
    // Fails for running too long, unless it has ended.
    void giveUp(u64 instructions) const;
    u32 threadOf(int lane) const { return u32(index * kLanes + lane); }

    static constexpr u32 kLocalBytes = 256 << 10;

    Block* block = nullptr;
    int index = 0;
    u32 existing = 0, alive = 0;
    u32 syncEpoch = 1;  // counts the __syncwarp passed
    Counters* counters = nullptr;
    vector<Frame> frames;

private:
    const u8* bases[2] = {nullptr, nullptr};
    u8* registers = nullptr;
    size_t registersSize = 0, framesUsed = 0;
    u8* local = nullptr;
    u64 spins = 0;

    void enter(const Function& function, u32 mask, const Op* call);
    void leave();
    void rebase();
    int pick();
    void runGroup(size_t g, u64& quantum);
    u32 guardMask(const Op& op, u32 mask) const;
    Group& split(size_t g, u32 mask, u32 pc);
    void retire(size_t g, u32 mask);
    void call(size_t g, const Op& op, u32 mask);
    void barrier(size_t g, const Op& op, u32 mask);
    void branchIndexed(size_t g, const Op& op, u32 mask);
    bool gathered(size_t g, const Op& op, u32 mask);
    friend class Block;
};

// One block: its warps, shared memory and barriers. Runs on one host thread.
class Block {
public:
    struct Barrier {
        u32 arrived = 0, expected = 0, popc = 0;
        bool all = true, any = false;
        const Op* first = nullptr;
        const Warp* firstWarp = nullptr;
    };

    Block(const Launch& launch, Counters& counters);
    void run(u32 x, u32 y, u32 z);
    const Region* region(const Op& op, u64 lo, u64 hi) {
        const Region*& cached = cache[op.site % cache.size()];
        if (cached && cached->holds(lo, hi)) return cached;
        const Region* found = launch.memory->find(lo, hi);
        if (found) cached = found;
        return found;
    }

    const Launch& launch;
    Counters& counters;
    u32 position[3] = {0, 0, 0};
    SharedMemory shared;
    Barrier barriers[16];
    u64 instructions = 0;

private:
    vector<std::unique_ptr<Warp>> warps;
    vector<const Region*> cache;

    bool release();
    void release(u32 id);
    [[noreturn]] void stuck();
    friend class Warp;
};

}  // namespace cuemu
