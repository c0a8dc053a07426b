// Parses the body of one function: registers and variables by scope, labels, instructions with their operands.
#include <algorithm>
#include <cstdlib>

#include "ptx_text.h"

namespace cuemu::ptx {

size_t Body::label(const string& name, int scope) const {
    for (int s = scope; s >= 0; s = scopeParents[size_t(s)]) {
        auto found = labels.find({s, name});
        if (found != labels.end()) return found->second;
    }
    throw Fault(kInvalidPtx, format("there is no label '%s'", name.c_str()));
}

namespace {

class BodyParser {
public:
    BodyParser(const Module& module, const FunctionSource& f)
        : in{module.text, f.begin + 1, f.end - 1, f.line}, function(f) {
        scopes.emplace_back();
        for (auto& v : f.parameters) declare(v);
        body.parameters = body.variables.size();
        for (auto& v : f.results) declare(v);
        body.results = body.variables.size() - body.parameters;
    }

    Body run() {
        for (in.skipSpace(); !in.done(); in.skipSpace()) statement();
        return std::move(body);
    }

private:
    struct Named {
        bool isRegister;
        int index;
    };
    struct Range {
        string prefix;
        int first, count;
    };
    struct Scope {
        int id = 0;
        std::unordered_map<string, Named> names;
        vector<Range> ranges;  // .reg .b32 %r<94>
    };
    Cursor in;
    const FunctionSource& function;
    Body body;
    vector<Scope> scopes;
    int file = 0, sourceLine = 0;

    [[noreturn]] void fail(const string& what) {
        throw Fault(kInvalidPtx, format("%s, PTX line %d: %s", function.name.c_str(), in.line, what.c_str()));
    }

    void declare(const Variable& v) {
        scopes.back().names[v.name] = Named{false, int(body.variables.size())};
        body.variables.push_back(v);
    }

    void statement() {
        char c = in.peek();
        if (c == '{') {
            Scope scope;
            scope.id = int(body.scopeParents.size());
            body.scopeParents.push_back(scopes.back().id);
            scopes.push_back(scope);
            in.step();
        } else if (c == '}') {
            scopes.pop_back();
            in.step();
        } else if (c == '.') {
            directive();
        } else if (c == ';') {
            in.step();
        } else {
            labelOrInstruction();
        }
    }

    void directive() {
        string word = in.directive();
        if (word == ".loc") return location();
        int line = in.line;
        string text = in.until(";");
        in.step();
        if (word == ".reg") return registers(trim(text));
        Space space = word == ".local" ? Space::Local : word == ".param" ? Space::Param : Space::Shared;
        if (word == ".local" || word == ".param" || word == ".shared") {
            for (auto& v : parseDeclaration(text, space, line)) declare(v);
        } else if (word != ".pragma") {
            fail("unknown directive " + word);
        }
    }

    // Of code from an inlined function the place of the call is kept: the caller's line tells more than a header's.
    void location() {
        size_t from = in.at;
        in.skipLine();
        string text = in.text.substr(from, in.at - from);
        size_t inlined = text.find("inlined_at");
        const char* numbers = text.c_str() + (inlined == string::npos ? 0 : inlined + 10);
        char* end;
        file = int(std::strtol(numbers, &end, 10));
        sourceLine = int(std::strtol(end, nullptr, 10));
    }

    void registers(const string& text) {
        size_t end = text.find_first_of(" \t", 1);
        Type type = typeNamed(text.substr(1, end - 1));
        if (type == Type::None) fail("a register of unknown type: " + text);
        for (auto& name : split(text.substr(end), ',')) {
            size_t angle = name.find('<');
            int first = int(body.registers.size());
            if (angle == string::npos) {
                scopes.back().names[name] = Named{true, first};
                body.registers.push_back({name, type});
            } else {
                string prefix = name.substr(0, angle);
                int count = std::atoi(name.c_str() + angle + 1);
                scopes.back().ranges.push_back({prefix, first, count});
                for (int i = 0; i < count; i++) body.registers.push_back({prefix + std::to_string(i), type});
            }
        }
    }

    void labelOrInstruction() {
        size_t from = in.at;
        int line = in.line;
        string word = in.word();
        in.skipSpace();
        if (!word.empty() && in.peek() == ':') {
            in.step();
            in.skipSpace();
            if (in.starts(".branchtargets") || in.starts(".calltargets") || in.starts(".callprototype")) {
                string kind = in.word(), text = in.until(";");
                in.step();
                if (kind == ".branchtargets") body.branchTargets[word] = split(text, ',');
                return;
            }
            body.labels[{scopes.back().id, word}] = body.code.size();
            return;
        }
        in.at = from;
        in.line = line;
        instruction(line);
    }

    void instruction(int line) {
        Instruction i;
        i.line = line;
        i.file = file;
        i.sourceLine = sourceLine;
        i.scope = scopes.back().id;
        if (in.peek() == '@') {
            in.step();
            if (in.peek() == '!') {
                i.guardNegated = true;
                in.step();
            }
            string name = in.word();
            i.guard = findRegister(name);
            if (i.guard < 0) fail("unknown predicate " + name);
        }
        in.skipSpace();
        string opcode;
        while (!in.done() && (std::isalnum(static_cast<unsigned char>(in.peek())) || std::strchr("._:", in.peek()))) {
            opcode += in.peek();
            in.at++;
        }
        if (opcode.empty()) fail("an instruction was expected");
        i.parts = split(opcode, '.');
        string rest = in.until(";");
        in.step();
        for (auto& piece : split(rest, ',')) i.args.push_back(operand(piece));
        body.code.push_back(std::move(i));
    }

    int findRegister(const string& name) const {
        for (auto scope = scopes.rbegin(); scope != scopes.rend(); ++scope) {
            auto found = scope->names.find(name);
            if (found != scope->names.end()) return found->second.isRegister ? found->second.index : -1;
            for (auto& range : scope->ranges) {
                size_t n = range.prefix.size();
                if (name.size() <= n || name.compare(0, n, range.prefix) != 0) continue;
                if (!std::all_of(name.begin() + long(n), name.end(), [](char c) { return c >= '0' && c <= '9'; }))
                    continue;
                int index = std::atoi(name.c_str() + n);
                if (index < range.count) return range.first + index;
            }
        }
        return -1;
    }

    int findVariable(const string& name) const {
        for (auto scope = scopes.rbegin(); scope != scopes.rend(); ++scope) {
            auto found = scope->names.find(name);
            if (found != scope->names.end() && !found->second.isRegister) return found->second.index;
        }
        return -1;
    }

    static bool isNumber(const string& s) {
        size_t at = s[0] == '-' || s[0] == '+';
        return at < s.size() && std::isdigit(static_cast<unsigned char>(s[at]));
    }

    static Operand number(const string& s) {
        Operand o;
        o.kind = Operand::Immediate;
        if (s.size() > 2 && s[0] == '0' && std::strchr("fFdD", s[1])) {
            o.type = s[1] == 'f' || s[1] == 'F' ? Type::F32 : Type::F64;
            o.bits = std::strtoull(s.c_str() + 2, nullptr, 16);
        } else if (s.find('.') != string::npos) {
            o.type = Type::F64;
            o.bits = bitCast<u64>(std::strtod(s.c_str(), nullptr));
        } else {
            o.bits = s[0] == '-' ? u64(std::strtoll(s.c_str(), nullptr, 0)) : std::strtoull(s.c_str(), nullptr, 0);
        }
        return o;
    }

    // A register, variable or symbol, with an offset if one follows.
    Operand named(const string& text) {
        Operand o;
        size_t plus = text.find_first_of("+-", 1);
        string name = trim(text.substr(0, plus));
        if (plus != string::npos) {
            string offset = text.substr(plus);
            offset.erase(std::remove(offset.begin(), offset.end(), ' '), offset.end());
            if (offset.compare(0, 2, "+-") == 0) offset.erase(0, 1);
            o.offset = std::strtoll(offset.c_str(), nullptr, 0);
        }
        o.reg = findRegister(name);
        o.variable = o.reg < 0 ? findVariable(name) : -1;
        o.kind = o.reg >= 0 ? Operand::Register : o.variable >= 0 ? Operand::Variable : Operand::Name;
        if (o.kind == Operand::Name) o.name = name;
        return o;
    }

    Operand operand(const string& text) {
        char c = text[0];
        Operand o;
        if (c == '[') {
            string inside = trim(text.substr(1, text.size() - 2));
            o = isNumber(inside) ? number(inside) : named(inside);
            if (o.kind == Operand::Immediate) o.offset = i64(o.bits);
            o.kind = Operand::Memory;
        } else if (c == '{' || c == '(') {
            o.kind = Operand::List;
            for (auto& piece : split(text.substr(1, text.size() - 2), ',')) o.list.push_back(operand(piece));
        } else if (text == "_") {
            o.kind = Operand::Sink;
        } else if (c == '!') {
            o = named(trim(text.substr(1)));
            o.negated = true;
        } else if (isNumber(text)) {
            o = number(text);
        } else if (text.find('|') != string::npos) {
            size_t bar = text.find('|');
            o = operand(trim(text.substr(0, bar)));
            Operand second = operand(trim(text.substr(bar + 1)));
            if (second.kind == Operand::Register) o.second = second.reg;
        } else {
            o = named(text);
        }
        return o;
    }
};

}  // namespace

Body parseBody(const Module& module, const FunctionSource& function) { return BodyParser(module, function).run(); }

}  // namespace cuemu::ptx
