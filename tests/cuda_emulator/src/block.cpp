// Runs the warps of a block in turns, opens barriers, and shares the blocks of a launch between host threads.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <random>
#include <thread>

#include "warp.h"

namespace cuemu {

const char* const kClassNames[kClasses] = {"integer", "float32", "float64", "half",     "special", "convert", "move",
                                           "global",  "shared",  "local",   "constant", "atomic",  "control", "sync"};

Block::Block(const Launch& l, Counters& c) : launch(l), counters(c), cache(256, nullptr) {
    shared.prepare(*l.program, l.dynamicShared, l.checks.races, l.checks.sharedUninitialised);
    u32 count = (l.threads() + kLanes - 1) / kLanes;
    for (u32 i = 0; i < count; i++) warps.push_back(std::make_unique<Warp>());
}

void Block::run(u32 x, u32 y, u32 z) {
    position[0] = x;
    position[1] = y;
    position[2] = z;
    shared.clear();
    std::fill(std::begin(barriers), std::end(barriers), Barrier());
    instructions = 0;
    u32 threads = launch.threads();
    for (u32 i = 0; i < warps.size(); i++) {
        u32 lanes = std::min<u32>(kLanes, threads - i * kLanes);
        warps[i]->start(*this, int(i), lanes == kLanes ? kAll : (1u << lanes) - 1);
    }
    counters.blocks++;
    constexpr u64 quantum = 1 << 16;
    for (;;) {
        bool ended = true, stopped = true;
        for (auto& warp : warps) {
            if (warp->ended() || warp->waiting()) continue;
            warp->run(quantum);
            if (!warp->ended() && !warp->waiting()) {
                stopped = false;
                instructions += quantum;
            }
        }
        if (instructions > launch.checks.maxInstructions)
            for (auto& warp : warps) warp->giveUp(launch.checks.maxInstructions);
        for (auto& warp : warps) ended = ended && warp->ended();
        if (ended) return;
        if (stopped && !release()) stuck();
    }
}

// Opens every barrier that has all the threads it waits for.
bool Block::release() {
    bool any = false;
    for (u32 id = 0; id < 16; id++) {
        auto& b = barriers[id];
        u32 expected = b.expected ? b.expected : launch.threads();
        if (!b.first || b.arrived < expected) continue;
        release(id);
        any = true;
    }
    return any;
}

void Block::release(u32 id) {
    Barrier b = barriers[id];
    barriers[id] = Barrier();
    shared.barrier();
    for (auto& warp : warps) {
        if (warp->ended()) continue;
        auto& frame = warp->frames.back();
        for (auto& group : frame.groups) {
            if (group.state != Group::AtBarrier || group.barrier != id) continue;
            const Op& op = frame.function->code[group.pc];
            if (op.sub == 2 && op.mode == 2) {
                for (u32 m = group.mask; m; m &= m - 1) warp->out<u32>(op.d)[__builtin_ctz(m)] = b.popc;
            } else if (op.sub == 2) {
                u32& p = *warp->out<u32>(op.d);
                bool value = op.mode == 3 ? b.all : b.any;
                p = value ? p | group.mask : p & ~group.mask;
            }
            group.pc++;
            group.state = Group::Ready;
        }
        warp->syncEpoch++;
    }
}

// Nothing can go on. Says which thread is missing where.
void Block::stuck() {
    for (auto& warp : warps) {
        if (warp->ended()) continue;
        for (auto& group : warp->frames.back().groups) {
            const Op& op = warp->frames.back().function->code[group.pc];
            if (group.state == Group::AtSync)
                warp->fail(op, __builtin_ctz(group.mask), kLaunchFailed,
                           "lanes named by the member mask never come to this instruction");
        }
    }
    const Barrier* open =
        std::find_if(std::begin(barriers), std::end(barriers), [](const Barrier& b) { return b.first; });
    if (open == std::end(barriers)) throw Fault(kLaunchFailed, "no thread can go on");
    for (auto& warp : warps) {
        u32 missing = warp->existing;
        if (!warp->ended())
            for (auto& group : warp->frames.back().groups)
                if (group.state == Group::AtBarrier && group.barrier == u32(open - barriers)) missing &= ~group.mask;
        if (!missing) continue;
        int lane = __builtin_ctz(missing);
        bool exited = !(warp->alive >> lane & 1);
        warp->fail(
            *open->first, lane, kLaunchFailed,
            format("barrier not reached by all threads: %u of %u have come, and this thread %s", open->arrived,
                   open->expected ? open->expected : launch.threads(), exited ? "has exited" : "waits elsewhere"));
    }
    throw Fault(kLaunchFailed,
                "barrier: threads wait for others that never come; " + warps[0]->place(*open->first, 0));
}

void Counters::add(const Counters& o) {
    static_assert(sizeof(Counters) % sizeof(u64) == 0, "counters are plain numbers");
    auto* to = reinterpret_cast<u64*>(this);
    auto* from = reinterpret_cast<const u64*>(&o);
    for (size_t i = 0; i < sizeof(Counters) / sizeof(u64); i++) to[i] += from[i];
}

string Counters::json() const {
    string text = "{";
    auto put = [&](const string& name, u64 value) {
        text += format("%s\"%s\": %llu", text.size() > 1 ? ", " : "", name.c_str(), (unsigned long long)value);
    };
    u64 warpAll = 0, laneAll = 0;
    for (int i = 0; i < kClasses; i++) warpAll += warp[i], laneAll += lanes[i];
    put("launches", launches);
    put("blocks", blocks);
    put("warp_instructions", warpAll);
    put("lane_instructions", laneAll);
    for (int i = 0; i < kClasses; i++) put(string("warp_") + kClassNames[i], warp[i]);
    for (int i = 0; i < kClasses; i++) put(string("lane_") + kClassNames[i], lanes[i]);
    put("global_loads", globalLoads);
    put("global_load_sectors", globalLoadSectors);
    put("global_stores", globalStores);
    put("global_store_sectors", globalStoreSectors);
    put("shared_accesses", sharedAccesses);
    put("shared_conflicts", sharedConflicts);
    put("branches", branches);
    put("divergent_branches", divergentBranches);
    put("barriers", barriers);
    return text + "}";
}

Checks Checks::fromEnvironment() {
    auto number = [](const char* name, u64 otherwise) {
        const char* text = std::getenv(name);
        return text ? std::strtoull(text, nullptr, 0) : otherwise;
    };
    Checks checks;
    const char* off = std::getenv("CUEMU_DISABLE");
    string disabled = off ? off : "";
    checks.races = disabled.find("race") == string::npos;
    checks.uninitialised = disabled.find("uninit") == string::npos;
    checks.sharedUninitialised = checks.uninitialised;
    checks.maxInstructions = number("CUEMU_MAX_INSTRUCTIONS", 2000000000ull);
    checks.threads = unsigned(number("CUEMU_THREADS", std::max(1u, std::thread::hardware_concurrency())));
    checks.seed = number("CUEMU_SEED", 1);
    return checks;
}

namespace {

class Runner {
public:
    explicit Runner(const Launch& l) : launch(l), total(u64(l.grid[0]) * l.grid[1] * l.grid[2]) {
        if (l.checks.seed && total > 1) {
            std::mt19937_64 random(l.checks.seed + l.number);
            start = random() % total;
            do stride = random() % total | 1;
            while (gcd(stride, total) != 1);
        }
    }

    Counters run() {
        // One block tells whether more threads are worth their start.
        Counters sum = work(1);
        u64 done = 0;
        for (u64 n : sum.warp) done += n;
        unsigned threads = unsigned(std::min<u64>(launch.checks.threads, total));
        if (threads > 1 && next < total && done * (total - next) > 20000) {
            vector<std::thread> helpers;
            vector<Counters> counts(threads);
            for (unsigned i = 1; i < threads; i++)
                helpers.emplace_back([this, i, &counts] { counts[i] = work(total); });
            counts[0] = work(total);
            for (auto& helper : helpers) helper.join();
            for (auto& c : counts) sum.add(c);
        } else {
            sum.add(work(total));
        }
        if (failed) throw Fault(status, message);
        sum.launches = 1;
        return sum;
    }

private:
    const Launch& launch;
    u64 total, start = 0, stride = 1;
    std::atomic<u64> next{0};
    std::atomic<bool> failed{false};
    std::mutex mutex;
    int status = 0;
    string message;

    static u64 gcd(u64 a, u64 b) { return b ? gcd(b, a % b) : a; }

    Counters work(u64 most) {
        Counters counters;
        if (next >= total) return counters;
        Block block(launch, counters);
        for (u64 n = 0; n < most && !failed; n++) {
            u64 i = next++;
            if (i >= total) break;
            u64 b = u64((start + static_cast<unsigned __int128>(i) * stride) % total);
            try {
                block.run(u32(b % launch.grid[0]), u32(b / launch.grid[0] % launch.grid[1]),
                          u32(b / launch.grid[0] / launch.grid[1]));
            } catch (const Fault& fault) {
                std::lock_guard<std::mutex> lock(mutex);
                if (!failed) {
                    status = fault.status;
                    message = fault.what();
                    failed = true;
                }
            }
        }
        return counters;
    }
};

}  // namespace

Counters run(const Launch& launch) { return Runner(launch).run(); }

}  // namespace cuemu
