// PTX as parsed: a module is split into declarations and functions at once, the body of a function only when it is
// asked for.
#pragma once
#include <map>
#include <memory>
#include <unordered_map>

#include "base.h"

namespace cuemu::ptx {

struct Variable {
    string name;
    Space space = Space::Global;
    Type type = Type::B8;
    u32 align = 1;
    u64 size = 0;
    bool external = false;
    vector<string> initial;  // one text per element
};

struct Operand {
    enum Kind : u8 { None, Register, Immediate, Variable, Name, Memory, List, Sink };
    Kind kind = None;
    bool negated = false;   // !%p
    int reg = -1;           // Register; base of Memory, or -1
    int second = -1;        // the other half of d|p
    int variable = -1;      // Variable; base of Memory, or -1: an index into Body::variables
    u64 bits = 0;           // Immediate
    Type type = Type::S64;  // Immediate: F32 and F64 are raw bits, S64 an integer
    i64 offset = 0;         // Memory, Name, Variable
    string name;            // Name; base of Memory if it is a module's symbol
    vector<Operand> list;
};

struct Instruction {
    vector<string> parts;  // the opcode, split at its dots
    int guard = -1;
    bool guardNegated = false;
    vector<Operand> args;
    int scope = 0, line = 0, file = 0, sourceLine = 0;

    const string& opcode() const { return parts[0]; }
    bool has(const char* modifier) const {
        for (size_t i = 1; i < parts.size(); i++)
            if (parts[i] == modifier) return true;
        return false;
    }
};

struct RegisterInfo {
    string name;
    Type type;
};

struct Body {
    vector<RegisterInfo> registers;
    vector<Variable> variables;  // shared, local and param variables of this body, and its parameters
    vector<Instruction> code;
    vector<int> scopeParents{-1};
    std::map<std::pair<int, string>, size_t> labels;  // (scope, name) -> index into code
    std::unordered_map<string, vector<string>> branchTargets;
    size_t parameters = 0, results = 0;  // the first variables: parameters, then results

    size_t label(const string& name, int scope) const;
};

struct FunctionSource {
    string name;
    bool kernel = false, defined = false;
    int id = 0;  // of a pointer to it
    vector<Variable> parameters, results;
    u32 maxThreads = 0, reqThreads[3] = {0, 0, 0};
    size_t begin = 0, end = 0;  // the body, in the module's text
    int line = 0;
};

struct Module {
    string text;
    vector<size_t> lineStarts;
    std::unordered_map<string, std::shared_ptr<FunctionSource>> functions;
    vector<Variable> variables;  // global, const and shared ones
    std::unordered_map<string, size_t> variableIndex;
    std::map<int, string> files;
    int target = 0;

    string line(int number) const;  // 1-based, trimmed
};

std::shared_ptr<Module> parseModule(string text);
Body parseBody(const Module& module, const FunctionSource& function);
Type typeNamed(const string& name);  // Type::None if it is none

}  // namespace cuemu::ptx
