// One method for each kind of opcode, and the table that says which.
#include <set>

#include "decode.h"

namespace cuemu {

const std::unordered_map<string, FunctionDecoder::Method>& FunctionDecoder::methods() {
    using D = FunctionDecoder;
    static const std::unordered_map<string, Method> table = [] {
        std::unordered_map<string, Method> t;
        auto add = [&](Method method, std::initializer_list<const char*> names) {
            for (auto name : names) t[name] = method;
        };
        add(&D::arithmetic, {"add",  "sub",   "div", "rem", "abs", "neg", "min",  "max",      "sad",  "fma", "rcp",
                             "sqrt", "rsqrt", "sin", "cos", "lg2", "ex2", "tanh", "copysign", "cnot", "brev"});
        add(&D::product, {"mul", "mad", "mul24", "mad24"});
        add(&D::shiftLike, {"shl", "shr", "bfe", "szext", "bmsk", "shf", "prmt", "fns"});
        add(&D::countLike, {"popc", "clz", "bfind"});
        add(&D::logic, {"and", "or", "xor", "not"});
        add(&D::fourInputs, {"bfi", "lop3"});
        add(&D::dotProduct, {"dp4a", "dp2a"});
        add(&D::carry, {"addc", "subc", "madc"});
        add(&D::testp, {"testp"});
        add(&D::move, {"mov"});
        add(&D::convert, {"cvt"});
        add(&D::compare, {"setp", "set"});
        add(&D::select, {"selp", "slct"});
        add(&D::load, {"ld", "ldu"});
        add(&D::store, {"st"});
        add(&D::atomic, {"atom", "red"});
        add(&D::convertAddress, {"cvta"});
        add(&D::testSpace, {"isspacep"});
        add(&D::nothing, {"membar", "fence", "prefetch", "prefetchu", "nanosleep", "pmevent", "griddepcontrol",
                          "discard", "applypriority", "setmaxnreg"});
        add(&D::shuffle, {"shfl"});
        add(&D::vote, {"vote"});
        add(&D::match, {"match"});
        add(&D::reduce, {"redux"});
        add(&D::activeMask, {"activemask"});
        add(&D::elect, {"elect"});
        add(&D::barrier, {"bar", "barrier"});
        add(&D::branch, {"bra"});
        add(&D::branchIndexed, {"brx"});
        add(&D::call, {"call"});
        add(&D::leave, {"ret", "exit"});
        add(&D::trap, {"trap", "brkpt"});
        return t;
    }();
    return table;
}

void FunctionDecoder::arithmetic(const Instruction& i) {
    auto all = types(i);
    if (all.empty()) unsupported();
    Type type = all[0];
    if (i.has("cc")) return carry(i);
    static const std::set<string> one = {"abs", "neg", "rcp",  "sqrt", "rsqrt", "sin", "cos",
                                         "lg2", "ex2", "tanh", "cnot", "not",   "brev"};
    static const std::set<string> three = {"fma", "mad", "sad"};
    size_t inputs = one.count(i.opcode()) ? 1 : three.count(i.opcode()) ? 3 : 2;
    if (i.args.size() != inputs + 1) unsupported(format("%zu inputs", i.args.size() - 1));
    Modifiers m = modifiers(i);
    Handler h = !isFloat(type)                           ? integerHandler(i.opcode(), type, m)
                : type == Type::F32 || type == Type::F64 ? floatHandler(i.opcode(), type, m)
                                                         : halfHandler(i.opcode(), type, m);
    static const std::set<string> slow = {"div", "rcp", "sqrt", "rsqrt", "sin", "cos", "lg2", "ex2", "tanh"};
    bool special = isFloat(type) && slow.count(i.opcode());
    u32 a = input(arg(i, 1), type);
    u32 b = i.args.size() > 2 ? input(arg(i, 2), type) : kNoOperand,
        c = i.args.size() > 3 ? input(arg(i, 3), type) : kNoOperand;
    Op op = start(i, h, special ? Class::Special : classOf(type));
    op.type = type;
    op.a = a;
    op.b = b;
    op.c = c;
    op.d = output(arg(i, 0), type);
    push(op);
}

void FunctionDecoder::product(const Instruction& i) {
    auto all = types(i);
    if (all.empty()) unsupported();
    Type type = all[0];
    Modifiers m = modifiers(i);
    if (isFloat(type)) return arithmetic(i);
    if (i.has("cc")) return carry(i);
    Type result = type;
    if (m.wide)
        result = type == Type::U16   ? Type::U32
                 : type == Type::S16 ? Type::S32
                 : type == Type::U32 ? Type::U64
                                     : Type::S64;
    u32 a = input(arg(i, 1), type), b = input(arg(i, 2), type);
    u32 c = i.args.size() > 3 ? input(arg(i, 3), result) : kNoOperand;
    Op op = start(i, integerHandler(i.opcode(), type, m), Class::Integer);
    op.type = type;
    op.a = a;
    op.b = b;
    op.c = c;
    op.d = output(arg(i, 0), result);
    push(op);
}

// The first input has the type of the result, the others are 32 bits.
void FunctionDecoder::shiftLike(const Instruction& i) {
    auto all = types(i);
    if (all.empty()) unsupported();
    Type type = all[0];
    string name = i.opcode();
    u8 mode = 0;
    static const char* const modes[] = {"f4e", "b4e", "rc8", "ecl", "ecr", "rc16"};
    for (int k = 0; k < 6; k++)
        if (name == "prmt" && i.has(modes[k])) mode = u8(k + 1);
    u32 a = input(arg(i, 1), type), b = input(arg(i, 2), Type::U32);
    u32 c = i.args.size() > 3 ? input(arg(i, 3), Type::U32) : kNoOperand;
    Op op = start(i, integerHandler(mode ? "prmt.mode" : name, type, modifiers(i)), Class::Integer);
    op.a = a;
    op.b = b;
    op.c = c;
    op.mode = mode;
    op.d = output(arg(i, 0), type);
    push(op);
}

void FunctionDecoder::countLike(const Instruction& i) {
    auto all = types(i);
    if (all.empty()) unsupported();
    u32 a = input(arg(i, 1), all[0]);
    Op op = start(i, integerHandler(i.opcode(), all[0], modifiers(i)), Class::Integer);
    op.a = a;
    op.d = output(arg(i, 0), Type::U32);
    push(op);
}

void FunctionDecoder::logic(const Instruction& i) {
    if (!i.has("pred")) return arithmetic(i);
    Op op = start(i, predicateHandler(i.opcode()), Class::Move);
    op.d = predicate(arg(i, 0));
    op.a = predicate(arg(i, 1));
    if (i.args.size() > 2) op.b = predicate(arg(i, 2));
    push(op);
}

void FunctionDecoder::fourInputs(const Instruction& i) {
    auto all = types(i);
    if (all.empty() || i.has("and") || i.has("or")) unsupported();
    bool table = i.opcode() == "lop3";
    Type third = table ? all[0] : Type::U32;
    u32 a = input(arg(i, 1), all[0]), b = input(arg(i, 2), all[0]), c = input(arg(i, 3), third);
    u32 e = table ? kNoOperand : input(arg(i, 4), Type::U32);
    Op op = start(i, integerHandler(i.opcode(), all[0], modifiers(i)), Class::Integer);
    op.a = a;
    op.b = b;
    op.c = c;
    op.e = e;
    op.imm = arg(i, 4).bits;
    op.d = output(arg(i, 0), all[0]);
    push(op);
}

void FunctionDecoder::dotProduct(const Instruction& i) {
    auto all = types(i);
    if (all.size() < 2) unsupported();
    string name = i.opcode() + "." + (isSigned(all[0]) ? "s" : "u") + (isSigned(all[1]) ? "s" : "u");
    u32 a = input(arg(i, 1), Type::U32), b = input(arg(i, 2), Type::U32), c = input(arg(i, 3), Type::U32);
    Op op = start(i, integerHandler(name, Type::U32, modifiers(i)), Class::Integer);
    op.a = a;
    op.b = b;
    op.c = c;
    op.mode = i.has("hi");
    op.d = output(arg(i, 0), Type::U32);
    push(op);
}

void FunctionDecoder::carry(const Instruction& i) {
    Type type = types(i)[0];
    const string& o = i.opcode();
    if (carryFlag == kNoOperand) carryFlag = temporary(1);
    u32 a = input(arg(i, 1), type), b = input(arg(i, 2), type),
        c = i.args.size() > 3 ? input(arg(i, 3), type) : kNoOperand;
    Op op = start(i, carryHandler(type), Class::Integer);
    op.a = a;
    op.b = b;
    op.c = c;
    op.d = output(arg(i, 0), type);
    op.mode = o[0] == 'a' ? 0 : o[0] == 's' ? 1 : i.has("hi") ? 3 : 2;
    op.sub = isSigned(type);
    if (o.back() == 'c' && o != "sub") op.e = carryFlag;
    if (i.has("cc")) op.d2 = carryFlag;
    push(op);
}

void FunctionDecoder::testp(const Instruction& i) {
    Type type = types(i).at(0);
    u32 a = input(arg(i, 1), type);
    Op op = start(i, floatHandler("testp", type, modifiers(i)), Class::Move);
    static const char* const names[] = {"finite", "infinite", "number", "notanumber", "normal", "subnormal"};
    for (int k = 0; k < 6; k++)
        if (i.has(names[k])) op.mode = u8(k);
    op.a = a;
    op.d = predicate(arg(i, 0));
    push(op);
}

void FunctionDecoder::move(const Instruction& i) {
    auto all = types(i);
    if (all.empty()) unsupported();
    Type type = all[0];
    const Operand &to = arg(i, 0), &from = arg(i, 1);
    if (type == Type::Pred) {
        Op op = start(i, predicateHandler("mov"), Class::Move);
        op.a = predicate(from);
        op.d = predicate(to);
        return push(op);
    }
    if (type == Type::B128) unsupported();
    const Operand* parts = to.kind == Operand::List ? &to : from.kind == Operand::List ? &from : nullptr;
    if (!parts) {
        u32 a = input(from, type);
        Op op = start(i, moveHandler(sizeOf(type)), Class::Move);
        op.a = a;
        op.d = output(to, type);
        return push(op);
    }
    u32 bits = u32(sizeOf(type) * 8) / u32(parts->list.size());
    Type part = bits == 64 ? Type::B64 : bits == 32 ? Type::B32 : bits == 16 ? Type::B16 : Type::B8;
    bool joins = parts == &from;
    vector<u32> list{u32(parts->list.size()), bits};
    for (auto& o : parts->list) {
        if (joins)
            list.push_back(input(o, part));
        else if (o.kind == Operand::Sink)
            list.push_back(kNoOperand);
        else
            list.push_back(output(o, part));
    }
    if (!joins && !resizes.empty()) unsupported("parts in wider registers");
    u32 a = joins ? kNoOperand : input(from, type);
    Op op = start(i, joins ? joinHandler() : splitHandler(), Class::Move);
    op.a = a;
    op.list = u32(fn.lists.size());
    fn.lists.insert(fn.lists.end(), list.begin(), list.end());
    if (joins) op.d = output(to, type);
    push(op);
}

void FunctionDecoder::convert(const Instruction& i) {
    auto all = types(i);
    if (all.size() < 2 || i.has("pack")) unsupported();
    Modifiers m = modifiers(i);
    bool pair = all[0] == Type::F16x2 || all[0] == Type::BF16x2;
    u32 a = input(arg(i, 1), all[1]), b = pair ? input(arg(i, 2), all[1]) : kNoOperand;
    Op op = start(i, pair && all[1] == Type::F32 ? packHandler(all[0]) : convertHandler(all[0], all[1], m),
                  Class::Convert);
    op.a = a;
    op.b = b;
    op.mode = u8(m.rounding);
    op.sub = u8(m.sat | m.ftz << 1 | (m.integral && isFloat(all[0])) << 2 | m.relu << 3);
    op.d = output(arg(i, 0), all[0]);
    push(op);
}

void FunctionDecoder::compare(const Instruction& i) {
    static const std::unordered_map<string, Compare> names = {
        {"eq", Compare::Eq},   {"ne", Compare::Ne},   {"lt", Compare::Lt},   {"le", Compare::Le},
        {"gt", Compare::Gt},   {"ge", Compare::Ge},   {"lo", Compare::Lo},   {"ls", Compare::Ls},
        {"hi", Compare::Hi},   {"hs", Compare::Hs},   {"equ", Compare::Equ}, {"neu", Compare::Neu},
        {"ltu", Compare::Ltu}, {"leu", Compare::Leu}, {"gtu", Compare::Gtu}, {"geu", Compare::Geu},
        {"num", Compare::Num}, {"nan", Compare::Nan}};
    auto all = types(i);
    bool sets = i.opcode() == "set";
    auto how = i.parts.size() > 1 ? names.find(i.parts[1]) : names.end();
    if (all.size() < (sets ? 2u : 1u) || how == names.end()) unsupported();
    Type type = all.back();
    u32 a = input(arg(i, 1), type), b = input(arg(i, 2), type);
    if (type == Type::F32 && i.has("ftz")) {
        a = flushed(a);
        b = flushed(b);
    }
    Op op = start(i, sets ? setHandler(type) : compareHandler(type), Class::Move);
    op.mode = u8(how->second);
    op.sub = u8(i.has("and")   ? Combine::And
                : i.has("or")  ? Combine::Or
                : i.has("xor") ? Combine::Xor
                               : Combine::None);
    op.a = a;
    op.b = b;
    op.type = all[0];
    if (op.sub) op.c = predicate(arg(i, 3), &op.negated);
    if (sets) {
        op.d = output(arg(i, 0), all[0]);
    } else {
        const Operand& d = arg(i, 0);
        op.d = d.kind == Operand::Sink ? kNoOperand : predicate(d);
        if (d.second >= 0) op.d2 = registerOffsets[size_t(d.second)];
    }
    push(op);
}

void FunctionDecoder::select(const Instruction& i) {
    auto all = types(i);
    if (all.empty()) unsupported();
    u32 a = input(arg(i, 1), all[0]), b = input(arg(i, 2), all[0]);
    bool bySign = i.opcode() == "slct";
    u32 c = bySign ? input(arg(i, 3), all.at(1)) : kNoOperand;
    Op op = start(i, bySign ? slctHandler(all[0], all[1]) : selectHandler(all[0]), Class::Move);
    op.a = a;
    op.b = b;
    op.c = bySign ? c : predicate(arg(i, 3), &op.negated);
    op.d = output(arg(i, 0), all[0]);
    push(op);
}

void FunctionDecoder::nothing(const Instruction& i) { push(start(i, prefetchHandler(), Class::Sync)); }

void FunctionDecoder::shuffle(const Instruction& i) {
    bool sync = i.has("sync");
    u32 a = input(arg(i, 1), Type::B32), b = input(arg(i, 2), Type::U32), c = input(arg(i, 3), Type::U32);
    u32 named = sync ? input(arg(i, 4), Type::U32) : kNoOperand;
    Op op = start(i, shuffleHandler(), Class::Sync);
    op.kind = Kind::WarpSync;
    op.mode = u8(i.has("up")     ? Shuffle::Up
                 : i.has("down") ? Shuffle::Down
                 : i.has("bfly") ? Shuffle::Butterfly
                                 : Shuffle::Index);
    op.a = a;
    op.b = b;
    op.c = c;
    op.e = named;
    const Operand& d = arg(i, 0);
    if (d.kind != Operand::Sink) op.d = output(d, Type::B32);
    if (d.second >= 0) op.d2 = registerOffsets[size_t(d.second)];
    push(op);
}

void FunctionDecoder::vote(const Instruction& i) {
    u32 named = i.has("sync") ? input(arg(i, 2), Type::U32) : kNoOperand;
    Op op = start(i, voteHandler(), Class::Sync);
    op.kind = Kind::WarpSync;
    op.mode = u8(i.has("all") ? Vote::All : i.has("any") ? Vote::Any : i.has("uni") ? Vote::Uni : Vote::Ballot);
    op.a = predicate(arg(i, 1), &op.negated);
    op.e = named;
    op.d = Vote(op.mode) == Vote::Ballot ? output(arg(i, 0), Type::B32) : predicate(arg(i, 0));
    push(op);
}

void FunctionDecoder::match(const Instruction& i) {
    Type type = types(i).at(0);
    u32 a = input(arg(i, 1), type), named = input(arg(i, 2), Type::U32);
    Op op = start(i, matchHandler(), Class::Sync);
    op.kind = Kind::WarpSync;
    op.mode = i.has("all");
    op.type = type;
    op.a = a;
    op.e = named;
    op.d = output(arg(i, 0), Type::B32);
    if (arg(i, 0).second >= 0) op.d2 = registerOffsets[size_t(arg(i, 0).second)];
    push(op);
}

void FunctionDecoder::reduce(const Instruction& i) {
    Type type = types(i).at(0);
    if (isFloat(type)) unsupported();
    u32 a = input(arg(i, 1), type), named = input(arg(i, 2), Type::U32);
    Op op = start(i, reduceHandler(), Class::Sync);
    op.kind = Kind::WarpSync;
    op.mode = u8(i.has("add")   ? Atomic::Add
                 : i.has("min") ? Atomic::Min
                 : i.has("max") ? Atomic::Max
                 : i.has("and") ? Atomic::And
                 : i.has("or")  ? Atomic::Or
                                : Atomic::Xor);
    op.type = type;
    op.a = a;
    op.e = named;
    op.d = output(arg(i, 0), type);
    push(op);
}

void FunctionDecoder::activeMask(const Instruction& i) {
    Op op = start(i, activeMaskHandler(), Class::Sync);
    op.d = output(arg(i, 0), Type::B32);
    push(op);
}

void FunctionDecoder::elect(const Instruction& i) {
    u32 named = input(arg(i, 1), Type::U32);
    Op op = start(i, electHandler(), Class::Sync);
    op.kind = Kind::WarpSync;
    op.e = named;
    const Operand& d = arg(i, 0);
    if (d.second < 0) unsupported();
    if (d.kind != Operand::Sink) op.d = output(d, Type::B32);
    op.d2 = registerOffsets[size_t(d.second)];
    push(op);
}

// bar.warp.sync is a matter of the warp; the others of the block: op.sub 0 sync, 1 arrive, 2 red.
void FunctionDecoder::barrier(const Instruction& i) {
    if (i.has("cluster")) unsupported("clusters");
    if (i.has("warp")) {
        u32 named = input(arg(i, 0), Type::U32);
        Op op = start(i, syncWarpHandler(), Class::Sync);
        op.kind = Kind::WarpSync;
        op.e = named;
        return push(op);
    }
    bool red = i.has("red");
    size_t first = red ? 1 : 0, count = i.args.size() - (red ? 1 : 0);
    u32 a = input(arg(i, first), Type::U32), b = kNoOperand;
    if (count > first + 1) b = input(arg(i, first + 1), Type::U32);
    Op op = start(i, nullptr, Class::Sync);
    op.kind = Kind::Barrier;
    op.a = a;
    op.b = b;
    op.sub = u8(red ? 2 : i.has("arrive") ? 1 : 0);
    op.mode = u8(i.opcode() == "barrier" && !i.has("aligned") ? 1 : 0);
    if (red) {
        op.mode = u8(i.has("popc") ? 2 : i.has("and") ? 3 : 4);
        op.c = predicate(i.args.back(), &op.negated);
        op.d = op.mode == 2 ? output(arg(i, 0), Type::U32) : predicate(arg(i, 0));
    }
    push(op);
}

}  // namespace cuemu
