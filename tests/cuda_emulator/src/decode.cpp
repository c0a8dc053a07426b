// Programs and operands: frames, constants, special registers, addresses of variables, labels.
#include "decode.h"

#include <algorithm>

namespace cuemu {

std::unique_ptr<Program> buildProgram(std::shared_ptr<ptx::Module> module, const string& kernel,
                                      const Symbols& symbols) {
    return ProgramBuilder(std::move(module), symbols).build(kernel);
}

ProgramBuilder::ProgramBuilder(std::shared_ptr<ptx::Module> m, const Symbols& s)
    : module(std::move(m)), symbols(s), program(std::make_unique<Program>()) {
    program->module = module;
}

std::unique_ptr<Program> ProgramBuilder::build(const string& kernel) {
    auto found = module->functions.find(kernel);
    if (found == module->functions.end() || !found->second->kernel)
        throw Fault(kNotFound, format("the module has no kernel '%s'", kernel.c_str()));
    const auto& source = *found->second;
    program->name = kernel;
    program->sharedGranule = 4;
    function(kernel);
    Function& f = program->kernel();
    program->parameterBytes = f.parameters.empty() ? 0 : f.parameters.back().offset + f.parameters.back().size;
    program->maxThreads = source.maxThreads ? source.maxThreads : 1024;
    if (source.reqThreads[0])
        program->maxThreads = source.reqThreads[0] * source.reqThreads[1] * source.reqThreads[2];
    program->sharedSpan = (program->sharedSpan + 127) & ~127u;
    for (auto& one : program->functions) {
        program->usesLocal = program->usesLocal || one->localBytes;
        for (auto& op : one->code) op.site = program->sites++;
    }
    return std::move(program);
}

u32 ProgramBuilder::function(const string& name) {
    auto known = program->index.find(name);
    if (known != program->index.end()) return known->second;
    auto found = module->functions.find(name);
    if (found == module->functions.end() || !found->second->defined)
        throw Fault(kInvalidPtx,
                    format("function '%s' is called but not defined (nor known to the emulator)", name.c_str()));
    u32 index = u32(program->functions.size());
    program->index[name] = index;
    program->byPointer[kFunctionPointers + u64(found->second->id) * 16] = index;
    program->functions.push_back(std::make_unique<Function>());
    Function& f = *program->functions.back();
    FunctionDecoder(*this, *found->second, f).run();
    return index;
}

u64 ProgramBuilder::pointerTo(const string& name) {
    auto found = module->functions.find(name);
    if (found == module->functions.end()) return 0;
    if (found->second->defined && !found->second->kernel) function(name);
    return kFunctionPointers + u64(found->second->id) * 16;
}

void ProgramBuilder::decodeTargets() {
    if (targetsDecoded) return;
    targetsDecoded = true;
    for (auto& variable : module->variables)
        for (auto& text : variable.initial)
            if (module->functions.count(text)) pointerTo(text);
}

u32 ProgramBuilder::sharedAddress(const string& owner, const ptx::Variable& v) {
    string key = owner + "/" + v.name;
    auto known = sharedAddresses.find(key);
    if (known != sharedAddresses.end()) return known->second;
    constexpr u32 gap = 32;  // nobody's bytes, so that a step too far is seen
    auto align = [&](u32 n) { return (n + v.align - 1) / v.align * v.align; };
    u32 begin = align(program->sharedSpan), end = begin + u32(v.size);
    program->shared.push_back({begin, end, v.name});
    program->sharedSpan = end + gap;
    program->staticShared = align(program->staticShared) + u32(v.size);
    return sharedAddresses[key] = begin;
}

void ProgramBuilder::noteSharedAccess(u32 bytes) { program->sharedGranule = std::min(program->sharedGranule, bytes); }

FunctionDecoder::FunctionDecoder(ProgramBuilder& b, const ptx::FunctionSource& s, Function& f)
    : builder(b), source(s), fn(f), body(ptx::parseBody(*b.module, s)) {
    fn.name = s.name;
    fn.kernel = s.kernel;
}

void FunctionDecoder::run() {
    layoutRegisters();
    layoutVariables();
    for (auto& i : body.code) {
        firstOp.push_back(u32(fn.code.size()));
        current = &i;
        auto found = methods().find(i.opcode());
        if (found == methods().end()) unsupported();
        (this->*found->second)(i);
    }
    firstOp.push_back(u32(fn.code.size()));
    Op end;
    end.kind = Kind::Return;
    end.cls = Class::Control;
    fn.code.push_back(end);
    fn.where.push_back(fn.where.empty() ? Where() : fn.where.back());
    fixBranches();
    fn.frameBytes = (fn.frameBytes + 63) & ~63u;
}

void FunctionDecoder::unsupported(const string& why) {
    throw Fault(kInvalidPtx,
                format("%s, PTX line %d: not supported by the emulator%s: %s", source.name.c_str(), current->line,
                       why.empty() ? "" : (" (" + why + ")").c_str(), builder.module->line(current->line).c_str()));
}

void FunctionDecoder::layoutRegisters() {
    registerOffsets.resize(body.registers.size());
    for (size_t r = 0; r < body.registers.size(); r++)
        if (body.registers[r].type == Type::Pred) registerOffsets[r] = temporary(1);
    fn.frameBytes = (fn.frameBytes + 127) & ~127u;
    for (size_t r = 0; r < body.registers.size(); r++)
        if (body.registers[r].type != Type::Pred) registerOffsets[r] = temporary(cellOf(int(r)));
}

// Room in the frame: a predicate (1), or 32 cells of 4 or 8 bytes.
u32 FunctionDecoder::temporary(int bytes) {
    u32 size = bytes == 1 ? 4 : u32(bytes) * kLanes;
    if (bytes != 1) fn.frameBytes = (fn.frameBytes + 127) & ~127u;
    u32 offset = fn.frameBytes;
    fn.frameBytes += size;
    return offset;
}

int FunctionDecoder::cellOf(int reg) const { return sizeOf(body.registers[size_t(reg)].type) > 4 ? 8 : 4; }

void FunctionDecoder::layoutVariables() {
    u32 parameterAt = 0;
    for (size_t n = 0; n < body.variables.size(); n++) {
        auto& v = body.variables[n];
        bool kernelParameter = fn.kernel && n < body.parameters;
        u32 offset = 0;
        if (v.space == Space::Shared) {
            offset = v.external ? 0 : builder.sharedAddress(source.name, v);
        } else {
            u32& at = kernelParameter ? parameterAt : fn.localBytes;
            u32 align = kernelParameter ? v.align : std::max(v.align, 8u);
            at = (at + align - 1) / align * align;
            offset = at;
            at += u32(v.size);
        }
        variableOffsets.push_back(offset);
        if (n < body.parameters)
            fn.parameters.push_back({offset, u32(v.size)});
        else if (n < body.parameters + body.results)
            fn.results.push_back({offset, u32(v.size)});
    }
}

void FunctionDecoder::fixBranches() {
    for (auto& branch : branches)
        fn.code[branch.first].target = firstOp[body.label(branch.second.first, branch.second.second)];
    for (auto& table : tables) fn.lists[table.list] = firstOp[body.label(table.name, table.scope)];
}

u32 FunctionDecoder::constant(u64 bits, int bytes) {
    auto& known = bytes == 8 ? constants64 : constants32;
    if (bytes != 8) bits = u32(bits);
    auto found = known.find(bits);
    if (found != known.end()) return found->second;
    u32 offset = u32(fn.constants.size() * 8);
    u64 word = bytes == 8 ? bits : bits | bits << 32;
    fn.constants.insert(fn.constants.end(), bytes == 8 ? kLanes : kLanes / 2, word);
    return known[bits] = offset | kConstantBit;
}

u32 FunctionDecoder::special(Special which, u64 value, bool wide) {
    auto key = std::make_pair(int(which) * 2 + wide, value);
    auto found = specialOffsets.find(key);
    if (found != specialOffsets.end()) return found->second;
    u32 offset = temporary(wide ? 8 : 4);
    fn.specials.push_back({which, offset, value, wide});
    return specialOffsets[key] = offset;
}

u32 FunctionDecoder::immediate(const Operand& o, Type type) {
    u64 bits = o.bits;
    bool single = o.type == Type::F32, real = single || o.type == Type::F64;
    if (type == Type::F64 && single) bits = bitCast<u64>(double(bitCast<float>(u32(bits))));
    if (type == Type::F32 && o.type == Type::F64) bits = bitCast<u32>(float(bitCast<double>(bits)));
    if (!real && isFloat(type) && sizeOf(type) >= 4 && type != Type::F16x2 && type != Type::BF16x2) {
        double v = double(i64(bits));
        bits = type == Type::F64 ? bitCast<u64>(v) : bitCast<u32>(float(v));
    }
    if (sizeOf(type) < 4) bits &= (u64(1) << (sizeOf(type) * 8)) - 1;
    return constant(bits, sizeOf(type) > 4 ? 8 : 4);
}

u32 FunctionDecoder::variableAddress(const Operand& o, bool wide) {
    auto& v = body.variables[size_t(o.variable)];
    u64 at = variableOffsets[size_t(o.variable)] + u64(o.offset);
    bool fixed = v.space == Space::Shared || (fn.kernel && size_t(o.variable) < body.parameters);
    return fixed ? constant(at, wide ? 8 : 4) : special(Special::LocalAddress, at, wide);
}

static Special specialNamed(const string& name) {
    static const std::unordered_map<string, Special> names = {{"%tid.x", Special::TidX},
                                                              {"%tid.y", Special::TidY},
                                                              {"%tid.z", Special::TidZ},
                                                              {"%ntid.x", Special::NtidX},
                                                              {"%ntid.y", Special::NtidY},
                                                              {"%ntid.z", Special::NtidZ},
                                                              {"%ctaid.x", Special::CtaidX},
                                                              {"%ctaid.y", Special::CtaidY},
                                                              {"%ctaid.z", Special::CtaidZ},
                                                              {"%nctaid.x", Special::NctaidX},
                                                              {"%nctaid.y", Special::NctaidY},
                                                              {"%nctaid.z", Special::NctaidZ},
                                                              {"%laneid", Special::LaneId},
                                                              {"%warpid", Special::WarpId},
                                                              {"%nwarpid", Special::NWarpId},
                                                              {"%smid", Special::SmId},
                                                              {"%nsmid", Special::NSmId},
                                                              {"%gridid", Special::GridId},
                                                              {"%lanemask_eq", Special::LaneMaskEq},
                                                              {"%lanemask_le", Special::LaneMaskLe},
                                                              {"%lanemask_lt", Special::LaneMaskLt},
                                                              {"%lanemask_ge", Special::LaneMaskGe},
                                                              {"%lanemask_gt", Special::LaneMaskGt},
                                                              {"%dynamic_smem_size", Special::DynamicSharedSize},
                                                              {"%total_smem_size", Special::TotalSharedSize},
                                                              {"%clock", Special::Clock},
                                                              {"%clock_hi", Special::GlobalTimerHi},
                                                              {"%clock64", Special::Clock64},
                                                              {"%globaltimer", Special::GlobalTimer},
                                                              {"%globaltimer_lo", Special::GlobalTimerLo},
                                                              {"%globaltimer_hi", Special::GlobalTimerHi}};
    auto found = names.find(name);
    return found == names.end() ? Special::None : found->second;
}

// A special register, or the address of something in the module.
u32 FunctionDecoder::symbol(const Operand& o, Type type) {
    bool wide = sizeOf(type) == 8;
    Special which = specialNamed(o.name);
    if (which >= Special::Clock && which <= Special::GlobalTimerHi) {
        u32 to = temporary(wide ? 8 : 4);
        Op op = start(*current, clockHandler(), Class::Special);
        op.d = to;
        op.sub = wide ? 8 : 4;
        op.mode = which == Special::GlobalTimerHi;
        push(op);
        return to;
    }
    if (which != Special::None) return special(which, 0, wide);
    if (o.name == "WARP_SZ") return constant(kLanes, wide ? 8 : 4);
    auto found = builder.module->variableIndex.find(o.name);
    if (found != builder.module->variableIndex.end()) {
        auto& v = builder.module->variables[found->second];
        if (v.space == Space::Shared && (v.external || !v.size))
            return special(Special::DynamicSharedAddress, u64(o.offset), wide);
        if (v.space == Space::Shared) return constant(builder.sharedAddress("", v) + u64(o.offset), wide ? 8 : 4);
        auto address = builder.symbols.find(o.name);
        if (address == builder.symbols.end()) unsupported("the variable " + o.name + " is defined nowhere");
        return constant(address->second + u64(o.offset), 8);
    }
    u64 pointer = builder.pointerTo(o.name);
    if (!pointer) unsupported("unknown name " + o.name);
    return constant(pointer, 8);
}

u32 FunctionDecoder::input(const Operand& o, Type type) {
    switch (o.kind) {
        case Operand::Register: {
            if (body.registers[size_t(o.reg)].type == Type::Pred)
                unsupported("a predicate where a number is expected");
            int have = cellOf(o.reg), want = sizeOf(type) > 4 ? 8 : 4;
            u32 from = registerOffsets[size_t(o.reg)];
            if (have == want) return from;
            Op op = start(*current, resizeHandler(have, want, isSigned(type)), Class::Move);
            op.a = from;
            op.d = temporary(want);
            push(op);
            return op.d;
        }
        case Operand::Immediate: return immediate(o, type);
        case Operand::Variable: return variableAddress(o, sizeOf(type) == 8);
        case Operand::Name: return symbol(o, type);
        default: unsupported("an operand of unexpected form");
    }
}

u32 FunctionDecoder::output(const Operand& o, Type type) {
    if (o.kind == Operand::Sink) return temporary(sizeOf(type) > 4 ? 8 : 4);
    if (o.kind != Operand::Register) unsupported("the result is not a register");
    int have = sizeOf(type) > 4 ? 8 : 4, want = cellOf(o.reg);
    u32 to = registerOffsets[size_t(o.reg)];
    if (have == want) return to;
    u32 from = temporary(have);
    resizes.push_back({from, to, have, want, isSigned(type)});
    return from;
}

// A number with subnormals made zero, as .ftz asks: times one.
u32 FunctionDecoder::flushed(u32 a) {
    Modifiers m;
    m.ftz = true;
    Op op = start(*current, floatHandler("mul", Type::F32, m), Class::Float32);
    op.a = a;
    op.b = constant(bitCast<u32>(1.0f), 4);
    op.d = temporary(4);
    push(op);
    return op.d;
}

u32 FunctionDecoder::predicate(const Operand& o, bool* negated) {
    if (negated) *negated = o.negated;
    if (o.kind == Operand::Immediate) return constant(o.bits ? kAll : 0, 4);
    if (o.kind == Operand::Sink) return temporary(1);
    if (o.kind != Operand::Register || body.registers[size_t(o.reg)].type != Type::Pred)
        unsupported("a predicate is expected");
    return registerOffsets[size_t(o.reg)];
}

void FunctionDecoder::address(Op& op, const Operand& o) {
    if (o.kind != Operand::Memory) unsupported("an address is expected");
    op.imm = u64(o.offset);
    op.wideAddress = true;
    if (o.reg >= 0) {
        op.a = registerOffsets[size_t(o.reg)];
        op.wideAddress = cellOf(o.reg) == 8;
        if (op.space == Space::Param && !fn.kernel) op.space = Space::Local;
    } else if (o.variable >= 0) {
        auto& v = body.variables[size_t(o.variable)];
        op.a = variableAddress(o, true);
        op.imm = 0;
        bool kernelParameter = fn.kernel && size_t(o.variable) < body.parameters;
        if (v.space == Space::Param && !kernelParameter) op.space = Space::Local;
    } else if (!o.name.empty()) {
        op.a = symbol(o, Type::U64);
        op.imm = 0;
    } else {
        op.imm = o.bits ? o.bits : u64(o.offset);
    }
}

const ptx::Operand& FunctionDecoder::arg(const Instruction& i, size_t n) const {
    if (n >= i.args.size())
        throw Fault(kInvalidPtx,
                    format("%s, PTX line %d: operand %zu is missing", source.name.c_str(), i.line, n + 1));
    return i.args[n];
}

Op FunctionDecoder::start(const Instruction& i, Handler handler, Class cls) {
    Op op;
    op.run = handler;
    op.cls = cls;
    if (!handler && cls != Class::Control && cls != Class::Sync) unsupported();
    if (i.guard >= 0) {
        op.guard = registerOffsets[size_t(i.guard)];
        op.guardNegated = i.guardNegated;
    }
    return op;
}

void FunctionDecoder::push(Op op) {
    Where where{current->line, current->file, current->sourceLine};
    fn.code.push_back(op);
    fn.where.push_back(where);
    auto pending = std::move(resizes);
    resizes.clear();
    for (auto& r : pending) {
        Op move = start(*current, resizeHandler(r.fromBytes, r.toBytes, r.isSignedType), Class::Move);
        move.a = r.from;
        move.d = r.to;
        fn.code.push_back(move);
        fn.where.push_back(where);
    }
}

Class FunctionDecoder::classOf(Type type) const {
    if (type == Type::F64) return Class::Float64;
    if (type == Type::F32) return Class::Float32;
    return isFloat(type) ? Class::Half : Class::Integer;
}

Modifiers FunctionDecoder::modifiers(const Instruction& i) {
    Modifiers m;
    for (size_t k = 1; k < i.parts.size(); k++) {
        const string& p = i.parts[k];
        if (p == "ftz")
            m.ftz = true;
        else if (p == "sat")
            m.sat = true;
        else if (p == "relu")
            m.relu = true;
        else if (p == "NaN")
            m.nan = true;
        else if (p == "xorsign")
            m.xorsign = true;
        else if (p == "approx")
            m.approx = true;
        else if (p == "hi")
            m.hi = true;
        else if (p == "lo")
            m.lo = true;
        else if (p == "wide")
            m.wide = true;
        else if (p == "wrap")
            m.wrap = true;
        else if (p == "l")
            m.left = true;
        else if (p == "r")
            m.right = true;
        else if (p == "shiftamt")
            m.shiftAmount = true;
        else if (p.size() == 2 && p[0] == 'r' && std::strchr("nzmp", p[1]))
            m.rounding = p[1];
        else if (p == "rna")
            m.rounding = 'a';
        else if (p.size() == 3 && p[0] == 'r' && p[2] == 'i')
            m.rounding = p[1], m.integral = true;
    }
    return m;
}

vector<Type> FunctionDecoder::types(const Instruction& i) {
    vector<Type> out;
    for (size_t k = 1; k < i.parts.size(); k++)
        if (ptx::typeNamed(i.parts[k]) != Type::None) out.push_back(ptx::typeNamed(i.parts[k]));
    return out;
}

Space FunctionDecoder::spaceOf(const Instruction& i) {
    for (size_t k = 1; k < i.parts.size(); k++) {
        string p = i.parts[k].substr(0, i.parts[k].find("::"));
        if (p == "global") return Space::Global;
        if (p == "shared") return Space::Shared;
        if (p == "local") return Space::Local;
        if (p == "param") return Space::Param;
        if (p == "const") return Space::Const;
    }
    return Space::Generic;
}

}  // namespace cuemu
