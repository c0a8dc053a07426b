// The functions a kernel may call that no PTX defines: vprintf and __assertfail. Text goes to standard output line by
// line.
#include <cstdio>
#include <mutex>

#include "lanes.h"
#include "memory_ops.h"
#include "ops.h"

namespace cuemu {
namespace {

const u8* bytesAt(Warp& w, const Op& op, int lane, u64 address, u32 n) {
    const u8* found = nullptr;
    u64 all[kLanes];
    all[lane] = address;
    bySpace(all, 1u << lane, [&](Space space, u32) {
        if (space == Space::Local)
            found = localBytes(w, op, lane, all[lane], n);
        else if (space == Space::Param)
            found = paramBytes(w, op, lane, all[lane], n);
        else if (space == Space::Shared)
            found = w.block->shared.data() + all[lane];
        else {
            const Region* r = globalRegion(w, op, lane, all[lane], n, false);
            found = r->host + (all[lane] - r->base);
        }
    });
    return found;
}

string textAt(Warp& w, const Op& op, int lane, u64 address) {
    string text;
    while (char c = char(*bytesAt(w, op, lane, address++, 1))) text += c;
    return text;
}

u64 argument(Warp& w, const Op& op, int lane, u32 index, u32 bytes) {
    u64 v = 0;
    u32 offset = w.function().lists[op.list + 2 + index];
    std::memcpy(&v, w.localOf(lane) + w.localBase() + offset, bytes);
    return v;
}

template <class V> string formatted(const string& spec, V v) {
    char text[512];
    int n = std::snprintf(text, sizeof text, spec.c_str(), v);
    if (n < int(sizeof text)) return text;
    string longer(size_t(n) + 1, 0);
    std::snprintf(&longer[0], longer.size(), spec.c_str(), v);
    longer.pop_back();
    return longer;
}

// One conversion of the pattern with its argument; they lie one after another, each at a multiple of its size.
string converted(Warp& w, const Op& op, int lane, const string& spec, u64 values, u32& offset) {
    char kind = spec.back();
    bool wide = spec.find('l') != string::npos || spec.find('z') != string::npos || spec.find('j') != string::npos ||
                std::strchr("spfFeEgGaA", kind);
    u32 size = wide ? 8 : 4;
    offset = (offset + size - 1) & ~(size - 1);
    u64 v = 0;
    std::memcpy(&v, bytesAt(w, op, lane, values + offset, size), size);
    offset += size;
    if (kind == 's') return formatted(spec, textAt(w, op, lane, v).c_str());
    if (std::strchr("fFeEgGaA", kind)) return formatted(spec, bitCast<double>(v));
    if (wide) return formatted(spec, v);
    return formatted(spec, u32(v));
}

void print(Warp& w, const Op& op, u32 mask) {
    static std::mutex mutex;
    each(mask, [&](int l) {
        string pattern = textAt(w, op, l, argument(w, op, l, 0, 8)), text;
        u64 values = argument(w, op, l, 1, 8);
        u32 offset = 0;
        for (size_t i = 0; i < pattern.size(); i++) {
            if (pattern[i] != '%') {
                text += pattern[i];
            } else if (i + 1 < pattern.size() && pattern[i + 1] == '%') {
                text += pattern[++i];
            } else {
                size_t end = pattern.find_first_of("diouxXcspfFeEgGaA", i + 1);
                if (end == string::npos) break;
                text += converted(w, op, l, pattern.substr(i, end - i + 1), values, offset);
                i = end;
            }
        }
        std::lock_guard<std::mutex> lock(mutex);
        std::fputs(text.c_str(), stdout);
        std::fflush(stdout);
        const u32* list = w.function().lists.data() + op.list;
        i32 length = i32(text.size());
        if (list[1]) std::memcpy(w.localOf(l) + w.localBase() + list[2 + list[0]], &length, 4);
    });
}

void assertion(Warp& w, const Op& op, u32 mask) {
    int l = __builtin_ctz(mask);
    string message = textAt(w, op, l, argument(w, op, l, 0, 8)), file = textAt(w, op, l, argument(w, op, l, 1, 8));
    w.fail(op, l, 710,
           format("assertion failed: %s (%s:%u)", message.c_str(), file.c_str(), u32(argument(w, op, l, 2, 4))));
}

}  // namespace

Handler printfHandler() { return print; }
Handler assertHandler() { return assertion; }

}  // namespace cuemu
