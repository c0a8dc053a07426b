// The interpreter: groups of lanes run in the order of their place in the code, so that those that part at a branch
// meet again where it ends. A group that needs others first (a barrier, a shuffle) waits and is run again once they
// stand beside it.
#include "warp.h"

#include <sys/mman.h>

#include <cstdlib>

namespace cuemu {

Warp::~Warp() {
    std::free(registers);
    if (local) munmap(local, size_t(kLanes) * kLocalBytes);
}

void Warp::start(Block& owner, int warpIndex, u32 mask) {
    block = &owner;
    index = warpIndex;
    existing = alive = mask;
    counters = &owner.counters;
    syncEpoch = 1;
    frames.clear();
    framesUsed = 0;
    enter(owner.launch.program->kernel(), mask, nullptr);
}

void Warp::rebase() {
    if (frames.empty()) return;
    bases[0] = registers + frames.back().registers;
    bases[1] = reinterpret_cast<const u8*>(frames.back().function->constants.data());
}

static u64 specialValue(const Warp& warp, const SpecialRegister& special, int lane) {
    const Launch& launch = warp.block->launch;
    const u32* n = launch.block;
    u32 thread = warp.threadOf(lane), bit = 1u << lane;
    switch (special.which) {
        case Special::TidX: return thread % n[0];
        case Special::TidY: return thread / n[0] % n[1];
        case Special::TidZ: return thread / n[0] / n[1];
        case Special::NtidX:
        case Special::NtidY:
        case Special::NtidZ: return n[int(special.which) - int(Special::NtidX)];
        case Special::CtaidX:
        case Special::CtaidY:
        case Special::CtaidZ: return warp.block->position[int(special.which) - int(Special::CtaidX)];
        case Special::NctaidX:
        case Special::NctaidY:
        case Special::NctaidZ: return launch.grid[int(special.which) - int(Special::NctaidX)];
        case Special::LaneId: return u64(lane);
        case Special::WarpId: return u64(warp.index);
        case Special::NWarpId: return (launch.threads() + kLanes - 1) / kLanes;
        case Special::NSmId: return 1;
        case Special::GridId: return launch.number;
        case Special::LaneMaskEq: return bit;
        case Special::LaneMaskLt: return bit - 1;
        case Special::LaneMaskLe: return (bit - 1) | bit;
        case Special::LaneMaskGt: return ~((bit - 1) | bit);
        case Special::LaneMaskGe: return ~(bit - 1);
        case Special::DynamicSharedSize: return launch.dynamicShared;
        case Special::TotalSharedSize: return launch.dynamicShared + launch.program->staticShared;
        case Special::LocalAddress: return warp.localBase() + special.value;
        case Special::DynamicSharedAddress: return launch.program->sharedSpan + special.value;
        default: return 0;
    }
}

void Warp::enter(const Function& function, u32 mask, const Op* callOp) {
    Frame frame;
    frame.function = &function;
    frame.mask = mask;
    frame.call = callOp;
    frame.registers = u32(framesUsed);
    if (!frames.empty()) frame.local = (localTop() + 15) & ~15u;
    if (framesUsed + function.frameBytes > registersSize) {
        size_t size = std::max(registersSize * 2, framesUsed + function.frameBytes);
        auto* grown = static_cast<u8*>(std::aligned_alloc(64, (size + 63) & ~size_t(63)));
        std::memset(grown, 0xcd, size);
        if (registers) std::memcpy(grown, registers, framesUsed);
        std::free(registers);
        registers = grown;
        registersSize = size;
    }
    framesUsed += function.frameBytes;
    if (!local && block->launch.program->usesLocal)
        local = static_cast<u8*>(mmap(nullptr, size_t(kLanes) * kLocalBytes, PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    if (frame.local + function.localBytes > kLocalBytes)
        fail(callOp ? *callOp : function.code[0], __builtin_ctz(mask), kLaunchFailed,
             format("stack overflow: %u bytes of local memory, frames of %zu calls", kLocalBytes, frames.size()));
    if (local && function.localBytes)
        for (u32 m = mask; m; m &= m - 1)
            std::memset(localOf(__builtin_ctz(m)) + frame.local, 0xff, function.localBytes);
    Group group;
    group.mask = mask;
    frame.groups.push_back(group);
    frames.push_back(std::move(frame));
    rebase();
    for (auto& special : function.specials)
        for (int l = 0; l < kLanes; l++) {
            u64 value = specialValue(*this, special, l);
            if (special.wide)
                out<u64>(special.offset)[l] = value;
            else
                out<u32>(special.offset)[l] = u32(value);
        }
}

// Ends the frame on top: results go to the caller, whose lanes go on after the call if they still live.
void Warp::leave() {
    Frame frame = std::move(frames.back());
    frames.pop_back();
    framesUsed = frame.registers;
    if (frames.empty()) return;
    if (frame.call) {
        const u32* list = frames.back().function->lists.data() + frame.call->list;
        u32 arguments = list[0];
        for (size_t i = 0; i < frame.function->results.size(); i++) {
            const Slot& slot = frame.function->results[i];
            for (u32 m = frame.mask & alive; m; m &= m - 1) {
                u8* memory = localOf(__builtin_ctz(m));
                std::memcpy(memory + frames.back().local + list[2 + arguments + i],
                            memory + frame.local + slot.offset, slot.size);
            }
        }
    }
    auto& groups = frames.back().groups;
    for (size_t g = groups.size(); g-- > 0;) {
        groups[g].mask &= alive;
        if (!groups[g].mask) groups.erase(groups.begin() + long(g));
    }
    rebase();
}

bool Warp::waiting() const {
    if (frames.empty()) return false;
    for (auto& group : frames.back().groups)
        if (group.state == Group::Ready) return false;
    return !frames.back().groups.empty();
}

// The ready group that stands first, after joining those at one place. Lanes that spin on others let these go first
// at times.
int Warp::pick() {
    auto& groups = frames.back().groups;
    bool last = spins > 2000;
    if (last) spins = 0;
    int best = -1;
    for (size_t g = 0; g < groups.size(); g++)
        if (groups[g].state == Group::Ready && (best < 0 || (groups[g].pc < groups[size_t(best)].pc) != last))
            best = int(g);
    if (best < 0) return -1;
    u32 pc = groups[size_t(best)].pc;
    for (size_t g = groups.size(); g-- > 0;) {
        if (int(g) == best || groups[g].pc != pc || groups[g].state == Group::AtBarrier) continue;
        groups[size_t(best)].mask |= groups[g].mask;
        groups.erase(groups.begin() + long(g));
        if (int(g) < best) best--;
    }
    return best;
}

void Warp::run(u64 quantum) {
    while (!frames.empty() && quantum) {
        if (frames.back().groups.empty()) {
            leave();
            continue;
        }
        int g = pick();
        if (g < 0) return;
        runGroup(size_t(g), quantum);
    }
}

u32 Warp::guardMask(const Op& op, u32 mask) const {
    if (op.guard == kNoOperand) return mask;
    u32 p = predicate(op.guard);
    return mask & (op.guardNegated ? ~p : p);
}

// Moves lanes out of a group, to a place of their own; the group itself if it has no others.
Group& Warp::split(size_t g, u32 mask, u32 pc) {
    auto& groups = frames.back().groups;
    Group part;
    part.mask = mask;
    part.pc = pc;
    groups[g].mask &= ~mask;
    if (!groups[g].mask) return groups[g] = part;
    groups.push_back(part);
    return groups.back();
}

void Warp::retire(size_t g, u32 mask) {
    auto& groups = frames.back().groups;
    groups[g].mask &= ~mask;
    if (!groups[g].mask) groups.erase(groups.begin() + long(g));
    for (auto& group : groups)  // they may have waited for these lanes
        if (group.state == Group::AtSync) group.state = Group::Ready;
}

void Warp::runGroup(size_t g, u64& quantum) {
    Frame& frame = frames.back();
    const Op* code = frame.function->code.data();
    u32 mask = frame.groups[g].mask, pc = frame.groups[g].pc, limit = ~0u;
    bool alone = frame.groups.size() == 1;
    for (auto& other : frame.groups)
        if (other.pc > pc && other.state != Group::AtBarrier) limit = std::min(limit, other.pc);
    Counters& count = *counters;
    for (;;) {
        const Op& op = code[pc];
        u32 active = guardMask(op, mask);
        count.warp[int(op.cls)]++;
        count.lanes[int(op.cls)] += u32(__builtin_popcount(active));
        quantum--;
        if (op.kind == Kind::Plain) {
            if (active) op.run(*this, op, active);
            pc++;
        } else if (op.kind == Kind::Branch) {
            count.branches++;
            if (!active) {
                pc++;
            } else if (active == mask) {
                bool back = op.target <= pc;
                pc = op.target;
                if (back && !alone) {
                    spins++;
                    break;
                }
            } else {
                count.divergentBranches++;
                if (op.target <= pc) spins++;
                frame.groups[g].pc = pc + 1;
                split(g, active, op.target);
                return;
            }
        } else if (op.kind == Kind::WarpSync) {
            if (active) {
                frame.groups[g].pc = pc;
                if (active != mask) {
                    frame.groups[g].pc = pc + 1;
                    Group& part = split(g, active, pc);
                    g = size_t(&part - frame.groups.data());
                    mask = active;
                    alone = false;
                }
                if (!gathered(g, op, active)) return;
                op.run(*this, op, active);
                if (!alone) {
                    frame.groups[g].pc = pc + 1;
                    return;
                }
            }
            pc++;
        } else {
            frame.groups[g].pc = pc + 1;
            if (!active) {
                pc++;
                if (pc >= limit) return;
                continue;
            }
            switch (op.kind) {
                case Kind::Exit:
                    alive &= ~active;
                    retire(g, active);
                    return;
                case Kind::Return:
                    if (frames.size() == 1) alive &= ~active;
                    retire(g, active);
                    return;
                case Kind::Call: call(g, op, active); return;
                case Kind::Barrier: barrier(g, op, active); return;
                case Kind::BranchIndexed: branchIndexed(g, op, active); return;
                case Kind::Trap: fail(op, __builtin_ctz(active), kLaunchFailed, "trap");
                default:
                    fail(op, __builtin_ctz(active), kNotSupported, "this instruction is not known to the emulator");
            }
        }
        if (pc >= limit || quantum == 0) break;
    }
    frame.groups[g].pc = pc;
}

// Lanes with the first lane's target go there; the rest come back to this instruction.
void Warp::branchIndexed(size_t g, const Op& op, u32 mask) {
    const u32* which = in<u32>(op.a);
    const u32* list = frames.back().function->lists.data() + op.list;
    int first = __builtin_ctz(mask);
    if (which[first] >= list[0])
        fail(op, first, kLaunchFailed, format("brx.idx takes entry %u of a list of %u", which[first], list[0]));
    u32 same = 0;
    for (u32 m = mask; m; m &= m - 1)
        if (which[__builtin_ctz(m)] == which[first]) same |= m & -m;
    if (same != mask) frames.back().groups[g].pc--;
    split(g, same, list[1 + which[first]]);
}

// Whether all live lanes that a warp-wide operation names stand at it; if not, the group waits for them.
bool Warp::gathered(size_t g, const Op& op, u32 mask) {
    if (op.e == kNoOperand) return true;  // activemask and the like name nobody
    u32 named = in<u32>(op.e)[__builtin_ctz(mask)];
    u32 missing = named & alive & ~mask;
    if (!missing) {
        u32 outsider = mask & ~named;
        if (outsider && named)
            fail(op, __builtin_ctz(outsider), kLaunchFailed,
                 format("this lane is not in its own member mask 0x%08x", named));
        return true;
    }
    u32 here = 0;
    for (auto& group : frames.back().groups) here |= group.mask;
    if (missing & ~here)
        fail(op, __builtin_ctz(missing & ~here), kLaunchFailed,
             format("member mask 0x%08x names this lane, which is in another call", named));
    frames.back().groups[g].state = Group::AtSync;
    return false;
}

void Warp::call(size_t g, const Op& op, u32 mask) {
    const Program& program = *block->launch.program;
    u32 target = op.target;
    if (op.a != kNoOperand) {  // through a pointer: those with the first lane's target go first
        const u64* pointer = in<u64>(op.a);
        int first = __builtin_ctz(mask);
        u32 same = 0;
        for (u32 m = mask; m; m &= m - 1)
            if (pointer[__builtin_ctz(m)] == pointer[first]) same |= m & -m;
        auto found = program.byPointer.find(pointer[first]);
        if (found == program.byPointer.end())
            fail(op, first, kIllegalAddress,
                 format("call of 0x%llx, which is no function", (unsigned long long)pointer[first]));
        target = found->second;
        if (same != mask) {
            frames.back().groups[g].pc--;
            Group& part = split(g, same, frames.back().groups[g].pc + 1);
            g = size_t(&part - frames.back().groups.data());
            mask = same;
        }
    }
    auto& group = frames.back().groups[g];
    if (group.mask != mask) {  // guarded: the others go on after it
        u32 after = group.pc;
        split(g, mask, after);
    }
    const Function& callee = *program.functions[target];
    const u32* list = frames.back().function->lists.data() + op.list;
    u32 from = frames.back().local;
    if (list[0] != callee.parameters.size() || list[1] != callee.results.size())
        fail(op, __builtin_ctz(mask), kLaunchFailed,
             format("%s is called with %u arguments", callee.name.c_str(), list[0]));
    vector<u32> arguments(list + 2, list + 2 + list[0]);
    if (frames.size() > 4096) fail(op, __builtin_ctz(mask), kLaunchFailed, "stack overflow: more than 4096 calls");
    enter(callee, mask, &op);
    u32 to = frames.back().local;
    for (size_t i = 0; i < arguments.size(); i++) {
        const Slot& slot = callee.parameters[i];
        for (u32 m = mask; m; m &= m - 1) {
            u8* memory = localOf(__builtin_ctz(m));
            std::memcpy(memory + to + slot.offset, memory + from + arguments[i], slot.size);
        }
    }
}

void Warp::barrier(size_t g, const Op& op, u32 mask) {
    u32 id = in<u32>(op.a)[__builtin_ctz(mask)];
    if (id > 15) fail(op, __builtin_ctz(mask), kLaunchFailed, format("barrier %u of 16", id));
    bool arriveOnly = op.sub == 1;
    auto& b = block->barriers[id];
    u32 expected = op.b == kNoOperand ? 0 : in<u32>(op.b)[__builtin_ctz(mask)];
    if (b.first && op.b == kNoOperand && b.first != &op && op.mode == 0)
        fail(op, __builtin_ctz(mask), kLaunchFailed,
             "divergent barrier: other threads of the block wait at another one, at " +
                 b.firstWarp->place(*b.first, -1));
    if (!b.first) {
        b.first = &op;
        b.firstWarp = this;
    }
    b.expected = expected;
    // A counted barrier counts whole warps: the missing lanes of a last, partial warp are taken as arrived.
    b.arrived += expected && mask == alive ? kLanes : u32(__builtin_popcount(mask));
    if (op.sub == 2) {
        u32 p = predicate(op.c);
        if (op.negated) p = ~p;
        b.popc += u32(__builtin_popcount(p & mask));
        b.all = b.all && (p & mask) == mask;
        b.any = b.any || (p & mask);
    }
    counters->barriers++;
    auto& group = frames.back().groups[g];
    if (arriveOnly) return;
    u32 pc = group.pc - 1;
    if (group.mask != mask) {
        Group& part = split(g, mask, pc);
        part.state = Group::AtBarrier;
        part.barrier = id;
    } else {
        group.pc = pc;
        group.state = Group::AtBarrier;
        group.barrier = id;
    }
}

void Warp::addresses(const Op& op, u64* to) const {
    u64 offset = op.imm;
    if (op.a == kNoOperand) {
        for (int l = 0; l < kLanes; l++) to[l] = offset;
    } else if (op.wideAddress) {
        const u64* base = in<u64>(op.a);
        for (int l = 0; l < kLanes; l++) to[l] = base[l] + offset;
    } else {
        const u32* base = in<u32>(op.a);
        for (int l = 0; l < kLanes; l++) to[l] = u32(base[l] + u32(offset));
    }
}

// Kernel, block, thread and line of an operation, in words; lane -1 leaves out the thread.
string Warp::place(const Op& op, int lane) const {
    const Program& program = *block->launch.program;
    string text;
    const Where* where = nullptr;
    const Function* owner = nullptr;
    for (auto& f : program.functions)
        if (!f->code.empty() && &op >= f->code.data() && &op < f->code.data() + f->code.size()) {
            where = &f->where[size_t(&op - f->code.data())];
            owner = f.get();
        }
    if (lane >= 0) {
        u32 t = threadOf(lane);
        const u32* n = block->launch.block;
        text = format("kernel %s, block (%u,%u,%u), thread (%u,%u,%u)", program.name.c_str(), block->position[0],
                      block->position[1], block->position[2], t % n[0], t / n[0] % n[1], t / n[0] / n[1]);
        if (owner && !owner->kernel) text += ", in function " + owner->name;
        text += ", ";
    }
    if (!where) return text + "no line known";
    text += format("PTX line %d: %s", where->line, program.module->line(where->line).c_str());
    auto file = program.module->files.find(where->file);
    if (where->sourceLine && file != program.module->files.end())
        text += format(" (%s:%d)", file->second.c_str(), where->sourceLine);
    return text;
}

void Warp::giveUp(u64 instructions) const {
    if (frames.empty() || frames.back().groups.empty()) return;
    fail(function().code[frames.back().groups[0].pc], __builtin_ctz(frames.back().groups[0].mask), kLaunchTimeout,
         format("a block ran for more than %llu instructions: an endless loop?",
                static_cast<unsigned long long>(instructions)));
}

void Warp::fail(const Op& op, int lane, int status, const string& what) const {
    throw Fault(status, what + "; " + place(op, lane));
}

}  // namespace cuemu
