// The methods for loads, stores, atomics and addresses, and for branches and calls.
#include "decode.h"

namespace cuemu {

static Class memoryClass(Space space) {
    switch (space) {
        case Space::Shared: return Class::Shared;
        case Space::Local: return Class::Local;
        case Space::Param:
        case Space::Const: return Class::Constant;
        default: return Class::Global;
    }
}

static bool isStrong(const ptx::Instruction& i) {
    return i.has("volatile") || i.has("relaxed") || i.has("acquire") || i.has("release") || i.has("mmio");
}

void FunctionDecoder::load(const Instruction& i) {
    auto all = types(i);
    if (all.empty() || all[0] == Type::B128) unsupported();
    Type type = all[0];
    const Operand& to = arg(i, 0);
    vector<Operand> parts = to.kind == Operand::List ? to.list : vector<Operand>{to};
    Op op = start(i, loadHandler(), Class::Global);
    op.type = type;
    op.count = u8(parts.size());
    op.strong = isStrong(i);
    op.space = spaceOf(i);
    op.sub = sizeOf(type) == 8 ? 8 : 4;
    for (auto& o : parts)
        if (o.kind == Operand::Register) op.sub = u8(cellOf(o.reg));
    op.list = u32(fn.lists.size());
    for (auto& o : parts) {
        if (o.kind == Operand::Register && cellOf(o.reg) != op.sub) unsupported("registers of different sizes");
        fn.lists.push_back(o.kind == Operand::Sink ? kNoOperand : registerOffsets[size_t(o.reg)]);
    }
    if (isFloat(type) && sizeOf(type) == 2) op.type = Type::B16;
    address(op, arg(i, 1));
    op.cls = memoryClass(op.space);
    if (op.space == Space::Shared || op.space == Space::Generic) builder.noteSharedAccess(u32(sizeOf(type)));
    push(op);
}

void FunctionDecoder::store(const Instruction& i) {
    auto all = types(i);
    if (all.empty() || all[0] == Type::B128 || i.has("async")) unsupported();
    Type type = all[0];
    const Operand& from = arg(i, 1);
    vector<Operand> parts = from.kind == Operand::List ? from.list : vector<Operand>{from};
    int cell = sizeOf(type) == 8 ? 8 : 4;
    vector<u32> values;
    for (auto& o : parts) values.push_back(input(o, type));
    Op op = start(i, storeHandler(), Class::Global);
    op.type = type;
    op.count = u8(parts.size());
    op.strong = isStrong(i);
    op.space = spaceOf(i);
    op.sub = u8(cell);
    op.list = u32(fn.lists.size());
    fn.lists.insert(fn.lists.end(), values.begin(), values.end());
    address(op, arg(i, 0));
    op.cls = memoryClass(op.space);
    if (op.space == Space::Shared || op.space == Space::Generic) builder.noteSharedAccess(u32(sizeOf(type)));
    push(op);
}

void FunctionDecoder::atomic(const Instruction& i) {
    static const std::pair<const char*, Atomic> names[] = {
        {"add", Atomic::Add}, {"min", Atomic::Min}, {"max", Atomic::Max},   {"and", Atomic::And},
        {"or", Atomic::Or},   {"xor", Atomic::Xor}, {"exch", Atomic::Exch}, {"cas", Atomic::Cas},
        {"inc", Atomic::Inc}, {"dec", Atomic::Dec}};
    auto all = types(i);
    bool returns = i.opcode() == "atom";
    if (all.size() != 1 || all[0] == Type::B128 || i.has("v2") || i.has("v4") || i.has("v8") || i.has("async"))
        unsupported();
    Type type = all[0];
    size_t first = returns ? 1 : 0;
    u32 b = input(arg(i, first + 1), type), c = kNoOperand;
    Op op = start(i, atomicHandler(), Class::Atomic);
    bool known = false;
    for (auto& name : names)
        if (i.has(name.first)) {
            op.mode = u8(name.second);
            known = true;
        }
    if (!known || (isFloat(type) && Atomic(op.mode) != Atomic::Add)) unsupported();
    if (Atomic(op.mode) == Atomic::Cas) c = input(arg(i, first + 2), type);
    op.type = type;
    op.space = spaceOf(i);
    address(op, arg(i, first));
    op.b = b;
    op.c = c;
    if (returns && arg(i, 0).kind != Operand::Sink) op.d = output(arg(i, 0), type);
    if (op.space != Space::Global) builder.noteSharedAccess(u32(sizeOf(type)));
    push(op);
}

void FunctionDecoder::convertAddress(const Instruction& i) {
    Space space = spaceOf(i);
    u64 window = space == Space::Shared  ? kSharedWindow
                 : space == Space::Local ? kLocalWindow
                 : space == Space::Param ? kParamWindow
                                         : 0;
    u32 a = input(arg(i, 1), Type::U64);
    Op op = start(i, addressHandler(), Class::Integer);
    op.a = a;
    op.imm = i.has("to") ? u64(0) - window : window;
    op.d = output(arg(i, 0), Type::U64);
    push(op);
}

void FunctionDecoder::testSpace(const Instruction& i) {
    u32 a = input(arg(i, 1), Type::U64);
    Op op = start(i, spaceTestHandler(), Class::Move);
    op.a = a;
    op.space = spaceOf(i);
    op.d = predicate(arg(i, 0));
    push(op);
}

void FunctionDecoder::branch(const Instruction& i) {
    Op op = start(i, nullptr, Class::Control);
    op.kind = Kind::Branch;
    branches.push_back({u32(fn.code.size()), {arg(i, 0).name, i.scope}});
    push(op);
}

void FunctionDecoder::branchIndexed(const Instruction& i) {
    u32 a = input(arg(i, 0), Type::U32);
    auto found = body.branchTargets.find(arg(i, 1).name);
    if (found == body.branchTargets.end()) unsupported("the list of targets is missing");
    Op op = start(i, nullptr, Class::Control);
    op.kind = Kind::BranchIndexed;
    op.a = a;
    op.list = u32(fn.lists.size());
    fn.lists.push_back(u32(found->second.size()));
    for (auto& name : found->second) {
        tables.push_back({u32(fn.lists.size()), name, i.scope});
        fn.lists.push_back(0);
    }
    push(op);
}

// Numbers in the list: how many arguments and results, then where they lie in this function's local memory.
void FunctionDecoder::call(const Instruction& i) {
    size_t n = 0;
    vector<Operand> results, arguments;
    if (arg(i, 0).kind == Operand::List) results = i.args[n++].list;
    const Operand& target = arg(i, n++);
    if (n < i.args.size() && i.args[n].kind == Operand::List) arguments = i.args[n].list;
    vector<u32> list{u32(arguments.size()), u32(results.size())};
    for (auto* all : {&arguments, &results})
        for (auto& o : *all) {
            if (o.kind != Operand::Variable) unsupported("arguments must be .param variables");
            list.push_back(variableOffsets[size_t(o.variable)]);
        }
    Op op = start(i, nullptr, Class::Control);
    op.kind = Kind::Call;
    if (target.kind == Operand::Register) {
        builder.decodeTargets();
        op.a = registerOffsets[size_t(target.reg)];
    } else if (target.name == "vprintf" || target.name == "__assertfail") {
        op.kind = Kind::Plain;
        op.run = target.name == "vprintf" ? printfHandler() : assertHandler();
    } else {
        op.target = builder.function(target.name);
    }
    op.list = u32(fn.lists.size());
    fn.lists.insert(fn.lists.end(), list.begin(), list.end());
    push(op);
}

void FunctionDecoder::leave(const Instruction& i) {
    Op op = start(i, nullptr, Class::Control);
    op.kind = i.opcode() == "exit" ? Kind::Exit : Kind::Return;
    push(op);
}

void FunctionDecoder::trap(const Instruction& i) {
    Op op = start(i, nullptr, Class::Control);
    op.kind = Kind::Trap;
    push(op);
}

}  // namespace cuemu
