// A kernel as it is run: every function a dense array of operations whose operands are byte offsets into a frame of
// registers. A register is 32 lanes side by side, of 4 or 8 bytes; a predicate is one word of 32 bits.
#pragma once
#include "ptx.h"

namespace cuemu {

class Warp;
struct Op;
using Handler = void (*)(Warp&, const Op&, u32 mask);

enum class Kind : u8 { Plain, Branch, BranchIndexed, Call, Return, Exit, Barrier, WarpSync, Trap };

enum class Class : u8 {
    Integer,
    Float32,
    Float64,
    Half,
    Special,
    Convert,
    Move,
    Global,
    Shared,
    Local,
    Constant,
    Atomic,
    Control,
    Sync,
    Count
};
constexpr int kClasses = int(Class::Count);
extern const char* const kClassNames[kClasses];

constexpr u32 kNoOperand = ~0u;
constexpr u32 kConstantBit = 1;  // set in an operand that lies among the function's constants

struct Op {
    Handler run = nullptr;
    u64 imm = 0;
    u32 d = kNoOperand, d2 = kNoOperand, a = kNoOperand, b = kNoOperand, c = kNoOperand, e = kNoOperand;
    u32 guard = kNoOperand;
    u32 target = 0;  // of a branch; the callee's index in the program
    u32 list = 0;    // first of its numbers in Function::lists
    u32 site = 0;    // number within the program
    Kind kind = Kind::Plain;
    Class cls = Class::Move;
    Type type = Type::None, type2 = Type::None;
    Space space = Space::Generic;
    u8 count = 1;          // elements of a vector; numbers in a list
    u8 mode = 0, sub = 0;  // what they mean is the handler's own affair
    bool guardNegated = false, negated = false, wideAddress = false, strong = false;
};

struct Where {
    int line = 0, file = 0, sourceLine = 0;
};

// Registers filled when a frame is entered: what the hardware calls special registers, and addresses that depend on
// the frame.
enum class Special : u8 {
    TidX,
    TidY,
    TidZ,
    NtidX,
    NtidY,
    NtidZ,
    CtaidX,
    CtaidY,
    CtaidZ,
    NctaidX,
    NctaidY,
    NctaidZ,
    LaneId,
    WarpId,
    NWarpId,
    SmId,
    NSmId,
    GridId,
    LaneMaskEq,
    LaneMaskLe,
    LaneMaskLt,
    LaneMaskGe,
    LaneMaskGt,
    DynamicSharedSize,
    TotalSharedSize,
    LocalAddress,
    DynamicSharedAddress,
    Clock,
    Clock64,
    GlobalTimer,
    GlobalTimerLo,
    GlobalTimerHi,
    None
};
struct SpecialRegister {
    Special which;
    u32 offset;
    u64 value;
    bool wide;
};

struct Slot {
    u32 offset, size;
};  // of a parameter or result

struct Function {
    string name;
    bool kernel = false;
    vector<Op> code;
    vector<Where> where;
    vector<u32> lists;
    vector<u64> constants;  // in units of 8 bytes: the alignment every lane needs
    vector<SpecialRegister> specials;
    vector<Slot> parameters, results;
    u32 frameBytes = 0, localBytes = 0;
};

struct SharedRange {
    u32 begin, end;
    string name;
};

struct Program {
    std::shared_ptr<ptx::Module> module;
    string name;
    vector<std::unique_ptr<Function>> functions;  // the kernel is the first
    std::unordered_map<string, u32> index;
    std::unordered_map<u64, u32> byPointer;  // address of a function -> index
    vector<SharedRange> shared;              // static variables, with unused bytes between them
    u32 staticShared = 0;                    // as the hardware would count it
    u32 sharedSpan = 0;                      // where dynamic shared memory begins
    u32 sharedGranule = 4;                   // the narrowest access to shared memory, in bytes
    u32 parameterBytes = 0, sites = 0;
    u32 maxThreads = 0;
    bool usesLocal = false;

    Function& kernel() const { return *functions[0]; }
};

constexpr u64 kFunctionPointers = 0x7e0000000000ull;
constexpr u64 kSharedWindow = 0x7f0000000000ull, kLocalWindow = 0x7f1000000000ull, kParamWindow = 0x7f2000000000ull;
constexpr u64 kWindowBytes = 1ull << 32;

// Addresses of a loaded module's global and const variables.
using Symbols = std::unordered_map<string, u64>;

std::unique_ptr<Program> buildProgram(std::shared_ptr<ptx::Module> module, const string& kernel,
                                      const Symbols& symbols);

}  // namespace cuemu
