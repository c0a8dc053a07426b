// One kernel launch: what it was given, what is checked, what is counted.
#pragma once
#include "memory_view.h"
#include "program.h"

namespace cuemu {

struct Checks {
    bool uninitialised = true, races = true, sharedUninitialised = true;
    u64 maxInstructions = 0;  // of one block, in warp instructions
    unsigned threads = 1;
    u64 seed = 0;  // 0: blocks in order
    static Checks fromEnvironment();
};

struct Counters {
    u64 launches = 0, blocks = 0;
    u64 warp[kClasses] = {}, lanes[kClasses] = {};
    u64 globalLoads = 0, globalLoadSectors = 0, globalStores = 0, globalStoreSectors = 0;
    u64 sharedAccesses = 0, sharedConflicts = 0;
    u64 branches = 0, divergentBranches = 0, barriers = 0;

    void add(const Counters& other);
    string json() const;
};

struct Launch {
    const Program* program = nullptr;
    u32 grid[3] = {1, 1, 1}, block[3] = {1, 1, 1};
    u32 dynamicShared = 0;
    vector<u8> parameters;
    const MemoryView* memory = nullptr;
    Checks checks;
    u64 number = 0;

    u32 threads() const { return block[0] * block[1] * block[2]; }
};

// Runs all blocks. Throws the first Fault, with kernel, block, thread and line in its text.
Counters run(const Launch& launch);

}  // namespace cuemu
