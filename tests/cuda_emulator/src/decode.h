// Turns parsed instructions into operations: finds the handler, gives every operand its place in the frame.
#pragma once
#include "ops.h"
#include "program.h"

namespace cuemu {

// What functions of one program share: the layout of shared memory, and who calls whom.
class ProgramBuilder {
public:
    ProgramBuilder(std::shared_ptr<ptx::Module> module, const Symbols& symbols);
    std::unique_ptr<Program> build(const string& kernel);

    u32 function(const string& name);  // decodes it when it is first named
    u32 sharedAddress(const string& owner, const ptx::Variable& variable);
    void noteSharedAccess(u32 bytes);
    u64 pointerTo(const string& function);
    void decodeTargets();  // every function whose address a table may hold

    std::shared_ptr<ptx::Module> module;
    const Symbols& symbols;
    std::unique_ptr<Program> program;

private:
    std::unordered_map<string, u32> sharedAddresses;
    bool targetsDecoded = false;
};

class FunctionDecoder {
public:
    FunctionDecoder(ProgramBuilder& builder, const ptx::FunctionSource& source, Function& function);
    void run();

private:
    using Instruction = ptx::Instruction;
    using Operand = ptx::Operand;
    using Method = void (FunctionDecoder::*)(const Instruction&);

    ProgramBuilder& builder;
    const ptx::FunctionSource& source;
    Function& fn;
    ptx::Body body;
    vector<u32> registerOffsets, variableOffsets, firstOp;
    std::unordered_map<u64, u32> constants32, constants64;
    std::map<std::pair<int, u64>, u32> specialOffsets;
    struct Resize {
        u32 from, to;
        int fromBytes, toBytes;
        bool isSignedType;
    };
    vector<Resize> resizes;  // of results, after the operation
    vector<std::pair<u32, std::pair<string, int>>> branches;
    struct TableFix {
        u32 list;
        string name;
        int scope;
    };
    vector<TableFix> tables;
    const Instruction* current = nullptr;
    u32 carryFlag = kNoOperand;

    static const std::unordered_map<string, Method>& methods();

    void layoutRegisters();
    void layoutVariables();
    void fixBranches();
    [[noreturn]] void unsupported(const string& why = "");

    // Operands.
    u32 temporary(int bytes);
    u32 constant(u64 bits, int bytes);
    u32 special(Special which, u64 value, bool wide);
    int cellOf(int reg) const;
    u32 immediate(const Operand& o, Type type);
    u32 symbol(const Operand& o, Type type);
    u32 variableAddress(const Operand& o, bool wide);
    u32 input(const Operand& o, Type type);
    u32 output(const Operand& o, Type type);
    u32 flushed(u32 a);
    u32 predicate(const Operand& o, bool* negated = nullptr);
    void address(Op& op, const Operand& o);
    const Operand& arg(const Instruction& i, size_t n) const;

    // Operations.
    Op start(const Instruction& i, Handler handler, Class cls);
    void push(Op op);
    Class classOf(Type type) const;
    static Modifiers modifiers(const Instruction& i);
    static vector<Type> types(const Instruction& i);
    static Space spaceOf(const Instruction& i);

    // One for each kind of opcode.
    void arithmetic(const Instruction& i);
    void product(const Instruction& i);
    void shiftLike(const Instruction& i);
    void countLike(const Instruction& i);
    void logic(const Instruction& i);
    void fourInputs(const Instruction& i);
    void dotProduct(const Instruction& i);
    void carry(const Instruction& i);
    void testp(const Instruction& i);
    void move(const Instruction& i);
    void convert(const Instruction& i);
    void compare(const Instruction& i);
    void select(const Instruction& i);
    void load(const Instruction& i);
    void store(const Instruction& i);
    void atomic(const Instruction& i);
    void convertAddress(const Instruction& i);
    void testSpace(const Instruction& i);
    void nothing(const Instruction& i);
    void shuffle(const Instruction& i);
    void vote(const Instruction& i);
    void match(const Instruction& i);
    void reduce(const Instruction& i);
    void activeMask(const Instruction& i);
    void elect(const Instruction& i);
    void barrier(const Instruction& i);
    void branch(const Instruction& i);
    void branchIndexed(const Instruction& i);
    void call(const Instruction& i);
    void leave(const Instruction& i);
    void trap(const Instruction& i);
};

}  // namespace cuemu
