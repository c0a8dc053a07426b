// Splits a module into variables and functions. Bodies are only skipped here, so a large module loads quickly.
#include <algorithm>
#include <cstdarg>
#include <cstdlib>

#include "ptx_text.h"

namespace cuemu {

string format(const char* pattern, ...) {
    va_list args, again;
    va_start(args, pattern);
    va_copy(again, args);
    string out(size_t(std::vsnprintf(nullptr, 0, pattern, args)), '\0');
    std::vsnprintf(&out[0], out.size() + 1, pattern, again);
    va_end(args);
    va_end(again);
    return out;
}

namespace ptx {

Type typeNamed(const string& name) {
    static const std::unordered_map<string, Type> types = {
        {"pred", Type::Pred}, {"b8", Type::B8},         {"b16", Type::B16}, {"b32", Type::B32},
        {"b64", Type::B64},   {"b128", Type::B128},     {"u8", Type::U8},   {"u16", Type::U16},
        {"u32", Type::U32},   {"u64", Type::U64},       {"s8", Type::S8},   {"s16", Type::S16},
        {"s32", Type::S32},   {"s64", Type::S64},       {"f16", Type::F16}, {"f16x2", Type::F16x2},
        {"bf16", Type::BF16}, {"bf16x2", Type::BF16x2}, {"f32", Type::F32}, {"f64", Type::F64},
        {"tf32", Type::TF32}};
    auto found = types.find(name);
    return found == types.end() ? Type::None : found->second;
}

string Module::line(int number) const {
    if (number < 1 || size_t(number) > lineStarts.size()) return "";
    size_t from = lineStarts[size_t(number) - 1], to = text.find('\n', from);
    return trim(text.substr(from, to == string::npos ? to : to - from));
}

namespace {

// Reads the array sizes of `name[4][2]`; `name[]` has none.
u64 elementsOf(const string& declarator, int line) {
    u64 count = 1;
    size_t at = declarator.find('[');
    while (at != string::npos) {
        size_t close = declarator.find(']', at);
        if (close == string::npos) throw Fault(kInvalidPtx, format("PTX line %d: a [ is never closed", line));
        string inside = trim(declarator.substr(at + 1, close - at - 1));
        count *= inside.empty() ? 0 : std::strtoull(inside.c_str(), nullptr, 0);
        at = declarator.find('[', close);
    }
    return count;
}

void addDeclarator(vector<Variable>& out, Variable variable, const string& text, int line) {
    size_t equals = text.find('=');
    string declarator = trim(text.substr(0, equals));
    variable.name = trim(declarator.substr(0, declarator.find('[')));
    variable.size = elementsOf(declarator, line) * u64(sizeOf(variable.type));
    variable.align = std::max(variable.align, u32(sizeOf(variable.type)));
    if (equals != string::npos) {
        string value = trim(text.substr(equals + 1));
        string flat;
        for (char c : value) flat += c == '{' || c == '}' ? ' ' : c;
        variable.initial = split(flat, ',');
    }
    out.push_back(variable);
}

}  // namespace

vector<Variable> parseDeclaration(const string& text, Space space, int line) {
    Variable variable;
    variable.space = space;
    vector<Variable> out;
    string rest = trim(text);
    u32 vectorSize = 1;
    while (!rest.empty() && rest[0] == '.') {
        size_t end = rest.find_first_of(" \t.", 1);
        string word = rest.substr(1, end == string::npos ? end : end - 1);
        rest = end == string::npos ? "" : trim(rest.substr(end));
        if (word == "align") {
            size_t used = 0;
            variable.align = u32(std::stoul(rest, &used));
            rest = trim(rest.substr(used));
        } else if (word == "v2" || word == "v4") {
            vectorSize = word == "v2" ? 2 : 4;
        } else if (typeNamed(word) != Type::None) {
            variable.type = typeNamed(word);
        } else if (word != "ptr" && word != "global" && word != "shared" && word != "const" && word != "local" &&
                   word != "param" && word != "attribute") {
            throw Fault(kInvalidPtx, format("PTX line %d: unknown word .%s in a declaration", line, word.c_str()));
        }
    }
    for (auto& piece : split(rest, ',')) addDeclarator(out, variable, piece, line);
    for (auto& v : out) {
        v.size *= vectorSize;
        v.align = std::max(v.align, u32(sizeOf(v.type)) * vectorSize);
    }
    return out;
}

namespace {

class ModuleParser {
public:
    explicit ModuleParser(string text) : module(std::make_shared<Module>()) { module->text = std::move(text); }

    std::shared_ptr<Module> run() {
        findLines();
        Cursor in{module->text, 0, module->text.size(), 1};
        for (in.skipSpace(); !in.done(); in.skipSpace()) statement(in);
        return module;
    }

private:
    std::shared_ptr<Module> module;

    void findLines() {
        module->lineStarts.push_back(0);
        for (size_t i = 0; i < module->text.size(); i++)
            if (module->text[i] == '\n') module->lineStarts.push_back(i + 1);
    }

    void statement(Cursor& in) {
        bool external = false;
        for (;;) {
            int line = in.line;
            string word = in.word();
            if (word == ".extern") external = true;
            if (word == ".extern" || word == ".visible" || word == ".weak" || word == ".common") continue;
            if (word == ".version" || word == ".address_size" || word == ".noreturn") return in.skipLine();
            if (word == ".target") return target(in);
            if (word == ".file") return file(in);
            if (word == ".section") return section(in);
            if (word == ".pragma" || word == ".alias") {
                in.until(";");
                return in.step();
            }
            if (word == ".loc") return in.skipLine();
            if (word == ".func" || word == ".entry") return function(in, word == ".entry");
            if (word == ".global" || word == ".const" || word == ".shared") return variable(in, word, external);
            if (word.empty() && in.peek() == ';') return in.step();
            throw Fault(kInvalidPtx, format("PTX line %d: not understood: '%s'", line, module->line(line).c_str()));
        }
    }

    void target(Cursor& in) {
        string name = in.word();
        size_t digits = name.find_first_of("0123456789");
        module->target = digits == string::npos ? 0 : std::atoi(name.c_str() + digits);
        in.skipLine();
    }

    void file(Cursor& in) {
        string rest;
        while (!in.done() && in.peek() != '\n') {
            rest += in.peek();
            in.at++;
        }
        size_t open = rest.find('"'), close = rest.find('"', open + 1);
        if (close != string::npos) module->files[std::atoi(rest.c_str())] = rest.substr(open + 1, close - open - 1);
    }

    void section(Cursor& in) {
        in.until("{");
        int depth = 0;
        do {
            if (in.peek() == '{') depth++;
            if (in.peek() == '}') depth--;
            in.step();
        } while (depth && !in.done());
    }

    void variable(Cursor& in, const string& word, bool external) {
        int line = in.line;
        Space space = word == ".global" ? Space::Global : word == ".const" ? Space::Const : Space::Shared;
        string text = in.until(";");
        in.step();
        for (auto& v : parseDeclaration(text, space, line)) {
            v.external = external;
            module->variableIndex[v.name] = module->variables.size();
            module->variables.push_back(v);
        }
    }

    vector<Variable> parameters(Cursor& in) {
        vector<Variable> out;
        in.skipSpace();
        if (in.peek() != '(') return out;
        in.step();
        int line = in.line;
        for (auto& piece : split(in.until(")"), ',')) {
            auto one = parseDeclaration(piece, Space::Param, line);
            out.insert(out.end(), one.begin(), one.end());
        }
        in.step();
        return out;
    }

    void function(Cursor& in, bool kernel) {
        auto f = std::make_shared<FunctionSource>();
        f->kernel = kernel;
        f->results = parameters(in);
        f->name = in.word();
        f->parameters = parameters(in);
        for (in.skipSpace(); in.peek() != '{' && in.peek() != ';'; in.skipSpace()) attribute(in, *f);
        if (in.peek() == ';') {
            in.step();
        } else {
            f->defined = true;
            f->line = in.line;
            f->begin = in.at;
            section(in);
            f->end = in.at;
        }
        auto& slot = module->functions[f->name];
        f->id = slot ? slot->id : int(module->functions.size());
        if (!slot || f->defined) slot = f;
    }

    void attribute(Cursor& in, FunctionSource& f) {
        int line = in.line;
        string word = in.word();
        u32 numbers[3] = {1, 1, 1};
        int n = 0;
        in.skipSpace();
        while (n < 3 && std::isdigit(static_cast<unsigned char>(in.peek()))) {
            numbers[n++] = u32(std::atoi(in.word().c_str()));
            in.skipSpace();
            if (in.peek() == ',') in.step();
            in.skipSpace();
        }
        if (word == ".maxntid") f.maxThreads = numbers[0] * numbers[1] * numbers[2];
        if (word == ".reqntid") std::copy(numbers, numbers + 3, f.reqThreads);
        if (word == ".pragma") in.until(";"), in.step();
        if (word.empty()) throw Fault(kInvalidPtx, format("PTX line %d: a function has neither body nor ;", line));
    }
};

}  // namespace

std::shared_ptr<Module> parseModule(string text) { return ModuleParser(std::move(text)).run(); }

}  // namespace ptx
}  // namespace cuemu
