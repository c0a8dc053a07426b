// Walking PTX text: comments, words and balanced statements. Shared by the two parsers.
#pragma once
#include <cctype>

#include "ptx.h"

namespace cuemu::ptx {

struct Cursor {
    const string& text;
    size_t at, end;
    int line;

    bool done() const { return at >= end; }
    char peek() const { return at < end ? text[at] : '\0'; }
    bool starts(const char* s) const { return text.compare(at, std::strlen(s), s) == 0; }

    void step() {
        if (text[at++] == '\n') line++;
    }
    void skipSpace() {
        while (at < end) {
            if (std::isspace(static_cast<unsigned char>(text[at]))) {
                step();
            } else if (starts("//")) {
                skipLine();
            } else if (starts("/*")) {
                while (at < end && !starts("*/")) step();
                at = std::min(at + 2, end);
            } else {
                return;
            }
        }
    }
    void skipLine() {
        while (at < end && text[at] != '\n') at++;
    }
    // The text up to a stop character outside of brackets and quotes, without comments; the cursor is left on the
    // stop.
    string until(const char* stops) {
        string out;
        int depth = 0;
        while (at < end) {
            char c = text[at];
            if (starts("//")) {
                skipLine();
                continue;
            }
            if (depth == 0 && std::strchr(stops, c)) return out;
            if (c == '"') {
                do {
                    out += text[at];
                    step();
                } while (at < end && text[at] != '"');
            }
            if (c == '(' || c == '[' || c == '{') depth++;
            if (c == ')' || c == ']' || c == '}') depth--;
            out += std::isspace(static_cast<unsigned char>(text[at])) ? ' ' : text[at];
            step();
        }
        throw Fault(kInvalidPtx, format("PTX line %d: the text ends within a statement", line));
    }
    string word() {
        skipSpace();
        size_t from = at;
        while (at < end && (std::isalnum(static_cast<unsigned char>(text[at])) || std::strchr("_$%.", text[at])))
            at++;
        return text.substr(from, at - from);
    }
    // `.reg` of `.reg.b32`, or a plain word.
    string directive() {
        skipSpace();
        size_t from = at++;
        while (at < end && (std::isalnum(static_cast<unsigned char>(text[at])) || text[at] == '_')) at++;
        return text.substr(from, at - from);
    }
};

inline string trim(const string& s) {
    size_t from = s.find_first_not_of(" \t\r\n"), to = s.find_last_not_of(" \t\r\n");
    return from == string::npos ? string() : s.substr(from, to - from + 1);
}

// Splits at a character outside of brackets; empty pieces are dropped.
inline vector<string> split(const string& s, char separator) {
    vector<string> out;
    string piece;
    int depth = 0;
    for (char c : s) {
        if (c == '(' || c == '[' || c == '{') depth++;
        if (c == ')' || c == ']' || c == '}') depth--;
        if (c == separator && depth == 0) {
            if (!trim(piece).empty()) out.push_back(trim(piece));
            piece.clear();
        } else {
            piece += c;
        }
    }
    if (!trim(piece).empty()) out.push_back(trim(piece));
    return out;
}

// `.align 8 .b8 name[16]` and the like: one declaration, or several with commas.
vector<Variable> parseDeclaration(const string& text, Space space, int line);

}  // namespace cuemu::ptx
