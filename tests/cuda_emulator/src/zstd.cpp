// A decoder of Zstandard frames (RFC 8878) without dictionaries: what nvcc 13 compresses PTX with. Written from the
// RFC.
#include <algorithm>
#include <array>

#include "compression.h"

namespace cuemu {
namespace {

[[noreturn]] void damaged(const char* what) { throw Fault(kInvalidPtx, string("Zstandard: ") + what); }

int highBit(u32 v) { return 31 - __builtin_clz(v); }

struct Bytes {
    const u8* data;
    size_t size, at = 0;
    u64 take(int n) {
        if (at + n > size) damaged("the data end too early");
        u64 v = 0;
        for (int i = 0; i < n; i++) v |= u64(data[at++]) << (8 * i);
        return v;
    }
    const u8* skip(size_t n) {
        if (n > size - at) damaged("the data end too early");
        at += n;
        return data + at - n;
    }
};

// Bits read from the end of a range to its start; reading past the start gives zeros, and `left` goes negative.
struct BackwardBits {
    const u8* data;
    i64 left;
    BackwardBits(const u8* data, size_t size) : data(data) {
        if (!size || !data[size - 1]) damaged("a bit stream has no end mark");
        left = i64(size) * 8 - (8 - highBit(data[size - 1]));
    }
    u64 take(int n) {
        u64 v = 0;
        left -= n;
        for (int i = 0; i < n; i++) {
            i64 bit = left + i;
            if (bit >= 0) v |= u64(data[bit >> 3] >> (bit & 7) & 1) << i;
        }
        return v;
    }
};

struct ForwardBits {
    const u8* data;
    size_t size, at = 0;
    u32 peek(int n) const {
        u32 v = 0;
        for (int i = 0; i < n; i++)
            if ((at + i) / 8 < size) v |= u32(data[(at + i) >> 3] >> ((at + i) & 7) & 1) << i;
        return v;
    }
    void drop(int n) {
        at += n;
        if (at > size * 8 + 7) damaged("a table description ends too early");
    }
};

struct Fse {
    struct Cell {
        u8 symbol, bits;
        u16 base;
    };
    vector<Cell> cells;
    int log = 0;

    void build(const vector<i16>& counts, int accuracy) {
        log = accuracy;
        u32 size = 1u << log, high = size;
        cells.assign(size, Cell());
        vector<u16> next(counts.size());
        for (size_t s = 0; s < counts.size(); s++) {
            if (counts[s] == -1) {
                cells[--high].symbol = u8(s);
                next[s] = 1;
            } else {
                next[s] = u16(counts[s]);
            }
        }
        u32 step = (size >> 1) + (size >> 3) + 3, at = 0;
        for (size_t s = 0; s < counts.size(); s++)
            for (int i = 0; i < counts[s]; i++) {
                cells[at].symbol = u8(s);
                do at = (at + step) & (size - 1);
                while (at >= high);
            }
        for (auto& cell : cells) {
            u32 state = next[cell.symbol]++;
            cell.bits = u8(log - highBit(state));
            cell.base = u16((state << cell.bits) - size);
        }
    }
    void single(u8 symbol) {
        log = 0;
        cells.assign(1, Cell{symbol, 0, 0});
    }
    size_t read(const u8* data, size_t size, int maxLog, size_t maxSymbols) {
        ForwardBits in{data, size};
        int accuracy = int(in.peek(4)) + 5;
        in.drop(4);
        if (accuracy > maxLog) damaged("a table is too precise");
        int remaining = (1 << accuracy) + 1;
        vector<i16> counts;
        while (remaining > 1 && counts.size() < maxSymbols) {
            int bits = highBit(u32(remaining)) + 1;
            u32 value = in.peek(bits), lower = (1u << (bits - 1)) - 1, threshold = (1u << bits) - 1 - u32(remaining);
            if ((value & lower) < threshold) {
                value &= lower;
                in.drop(bits - 1);
            } else {
                if (value > lower) value -= threshold;
                in.drop(bits);
            }
            int count = int(value) - 1;
            remaining -= count < 0 ? -count : count;
            counts.push_back(i16(count));
            if (count == 0) {
                u32 repeat;
                do {
                    repeat = in.peek(2);
                    in.drop(2);
                    counts.insert(counts.end(), repeat, 0);
                } while (repeat == 3);
            }
        }
        if (remaining != 1 || counts.size() > maxSymbols) damaged("a table's counts do not add up");
        build(counts, accuracy);
        return (in.at + 7) / 8;
    }
};

struct FseState {
    const Fse* table;
    u32 state;
    FseState(const Fse& t, BackwardBits& bits) : table(&t), state(u32(bits.take(t.log))) {}
    u8 symbol() const { return table->cells[state].symbol; }
    void advance(BackwardBits& bits) {
        auto& cell = table->cells[state];
        state = cell.base + u32(bits.take(cell.bits));
    }
};

struct Huffman {
    struct Cell {
        u8 symbol, bits;
    };
    vector<Cell> cells;
    int log = 0;

    size_t read(const u8* data, size_t size) {
        if (!size) damaged("no Huffman table");
        vector<u8> weights;
        size_t used = 1;
        if (data[0] >= 128) {
            int n = data[0] - 127;
            used += size_t(n + 1) / 2;
            if (used > size) damaged("a Huffman table ends too early");
            for (int i = 0; i < n; i++) weights.push_back(i & 1 ? data[1 + i / 2] & 15 : data[1 + i / 2] >> 4);
        } else {
            size_t length = data[0];
            used += length;
            if (used > size) damaged("a Huffman table ends too early");
            Fse table;
            size_t head = table.read(data + 1, length, 6, 256);
            if (head >= length) damaged("a Huffman table has no weights");
            BackwardBits bits(data + 1 + head, length - head);
            FseState one(table, bits), two(table, bits);
            for (;;) {
                weights.push_back(one.symbol());
                one.advance(bits);
                if (bits.left < 0) {
                    weights.push_back(two.symbol());
                    break;
                }
                std::swap(one, two);
                if (weights.size() > 255) damaged("too many Huffman weights");
            }
        }
        build(weights);
        return used;
    }
    void build(vector<u8>& weights) {
        u32 sum = 0;
        for (u8 w : weights) sum += w ? 1u << (w - 1) : 0;
        if (!sum) damaged("a Huffman table is empty");
        log = highBit(sum) + 1;
        u32 rest = (1u << log) - sum;
        if (log > 11 || (rest & (rest - 1))) damaged("Huffman weights do not add up");
        weights.push_back(u8(highBit(rest) + 1));
        cells.assign(size_t(1) << log, Cell());
        size_t at = 0;
        for (int w = 1; w <= log; w++)
            for (size_t s = 0; s < weights.size(); s++)
                if (weights[s] == w)
                    for (u32 i = 0; i < 1u << (w - 1); i++) cells[at++] = Cell{u8(s), u8(log + 1 - w)};
    }
    void decode(const u8* data, size_t size, size_t count, vector<u8>& out) const {
        BackwardBits bits(data, size);
        u32 state = u32(bits.take(log)), mask = (1u << log) - 1;
        for (size_t i = 0; i < count; i++) {
            const Cell& cell = cells[state];
            out.push_back(cell.symbol);
            state = ((state << cell.bits) + u32(bits.take(cell.bits))) & mask;
        }
        if (bits.left != -log) damaged("a Huffman stream has a wrong length");
    }
};

const i16 kLiteralCounts[] = {4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1,  1,  2,  2,
                              2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1};
const i16 kMatchCounts[] = {1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,  1,  1,  1,  1,  1,  1, 1,
                            1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1};
const i16 kOffsetCounts[] = {1, 1, 1, 1, 1, 1, 2, 2, 2, 1,  1,  1,  1,  1, 1,
                             1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1};
const u32 kLiteralBase[] = {0,  1,  2,   3,   4,   5,    6,    7,    8,    9,     10,    11,
                            12, 13, 14,  15,  16,  18,   20,   22,   24,   28,    32,    40,
                            48, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536};
const u8 kLiteralBits[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  0,  0,  0,  0,  1,  1,
                           1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
const u32 kMatchBase[] = {3,  4,  5,  6,  7,  8,  9,  10,  11,  12,  13,   14,   15,   16,   17,    18,    19,   20,
                          21, 22, 23, 24, 25, 26, 27, 28,  29,  30,  31,   32,   33,   34,   35,    37,    39,   41,
                          43, 47, 51, 59, 67, 83, 99, 131, 259, 515, 1027, 2051, 4099, 8195, 16387, 32771, 65539};
const u8 kMatchBits[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  0,  0,  0,  0,  0,  0, 0,
                         0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

class Decoder {
public:
    explicit Decoder(size_t expected) { out.reserve(expected); }
    vector<u8> out;

    void block(Bytes in) {
        literals(in);
        sequences(in);
    }

private:
    Huffman huffman;
    Fse literalTable, offsetTable, matchTable;
    std::array<u64, 3> recent{{1, 4, 8}};
    vector<u8> text;

    void literals(Bytes& in) {
        u8 first = u8(in.take(1));
        int kind = first & 3, format = first >> 2 & 3;
        text.clear();
        if (kind < 2) {
            int more = format == 1 ? 1 : format == 3 ? 2 : 0;
            size_t n = more ? first >> 4 : first >> 3;
            n |= size_t(in.take(more)) << 4 & (more ? ~size_t(0) : 0);
            if (kind == 0) {
                const u8* raw = in.skip(n);
                text.assign(raw, raw + n);
            } else {
                text.assign(n, u8(in.take(1)));
            }
            return;
        }
        int headBytes = format < 2 ? 3 : format + 2, bits = format < 2 ? 10 : format == 2 ? 14 : 18;
        u64 head = (first | in.take(headBytes - 1) << 8) >> 4;
        size_t n = head & ((u64(1) << bits) - 1), packed = head >> bits & ((u64(1) << bits) - 1);
        const u8* data = in.skip(packed);
        size_t used = kind == 2 ? huffman.read(data, packed) : 0;
        if (huffman.cells.empty()) damaged("literals use a Huffman table that was never given");
        data += used;
        packed -= used;
        if (format == 0) {
            huffman.decode(data, packed, n, text);
            return;
        }
        if (packed < 6) damaged("four streams of literals end too early");
        size_t part = (n + 3) / 4, at = 6, done = 0;
        for (int i = 0; i < 4; i++) {
            size_t length = i < 3 ? data[2 * i] | data[2 * i + 1] << 8 : packed - at;
            if (at + length > packed || (i < 3 ? part : 0) > n - done) damaged("a stream of literals ends too early");
            size_t count = i < 3 ? part : n - done;
            huffman.decode(data + at, length, count, text);
            at += length;
            done += count;
        }
    }

    void table(Fse& fse, int mode, Bytes& in, const i16* counts, size_t symbols, int log, int maxLog,
               size_t maxSymbols) {
        if (mode == 0) {
            fse.build(vector<i16>(counts, counts + symbols), log);
        } else if (mode == 1) {
            fse.single(u8(in.take(1)));
        } else if (mode == 2) {
            in.skip(fse.read(in.data + in.at, in.size - in.at, maxLog, maxSymbols));
        } else if (fse.cells.empty()) {
            damaged("a repeated table was never given");
        }
    }

    void copyLiterals(size_t& from, size_t n) {
        if (n > text.size() - from) damaged("a sequence takes too many literals");
        out.insert(out.end(), text.begin() + long(from), text.begin() + long(from + n));
        from += n;
    }

    u64 distance(u64 value, u64 literalLength) {
        if (value > 3) {
            recent = {{value - 3, recent[0], recent[1]}};
            return recent[0];
        }
        u64 index = value - 1 + (literalLength == 0);
        u64 d = index == 3 ? recent[0] - 1 : recent[index];
        if (index == 1)
            recent = {{d, recent[0], recent[2]}};
        else if (index)
            recent = {{d, recent[0], recent[1]}};
        return d;
    }

    void sequences(Bytes& in) {
        size_t count = in.take(1), at = 0;
        if (count >= 255)
            count = in.take(2) + 0x7f00;
        else if (count >= 128)
            count = ((count - 128) << 8) + in.take(1);
        if (count) {
            u8 modes = u8(in.take(1));
            table(literalTable, modes >> 6, in, kLiteralCounts, 36, 6, 9, 36);
            table(offsetTable, modes >> 4 & 3, in, kOffsetCounts, 29, 5, 8, 32);
            table(matchTable, modes >> 2 & 3, in, kMatchCounts, 53, 6, 9, 53);
            BackwardBits bits(in.data + in.at, in.size - in.at);
            FseState literal(literalTable, bits), offset(offsetTable, bits), match(matchTable, bits);
            for (size_t i = 0; i < count; i++) {
                u8 o = offset.symbol(), m = match.symbol(), l = literal.symbol();
                if (o > 31 || m > 52 || l > 35) damaged("a sequence has an unknown code");
                u64 value = (u64(1) << o) + bits.take(o);
                u64 matchLength = kMatchBase[m] + bits.take(kMatchBits[m]);
                u64 literalLength = kLiteralBase[l] + bits.take(kLiteralBits[l]);
                copyLiterals(at, literalLength);
                u64 d = distance(value, literalLength);
                if (!d || d > out.size()) damaged("a match points before the start");
                for (u64 k = 0; k < matchLength; k++) out.push_back(out[out.size() - d]);
                if (i + 1 < count) {
                    literal.advance(bits);
                    match.advance(bits);
                    offset.advance(bits);
                }
            }
            if (bits.left != 0) damaged("the sequences have a wrong length");
        }
        copyLiterals(at, text.size() - at);
    }
};

}  // namespace

vector<u8> unpackZstd(const u8* data, size_t size, size_t unpackedSize) {
    Bytes in{data, size};
    if (in.take(4) != 0xfd2fb528u) damaged("no frame found");
    u8 flags = u8(in.take(1));
    bool whole = flags >> 5 & 1;
    if (!whole) in.take(1);
    if (flags & 3) damaged("dictionaries are not supported");
    int sizeBytes = flags >> 6 ? 1 << (flags >> 6) : whole ? 1 : 0;
    in.take(sizeBytes);
    Decoder decoder(unpackedSize);
    for (bool last = false; !last;) {
        u32 head = u32(in.take(3));
        last = head & 1;
        size_t length = head >> 3;
        int kind = head >> 1 & 3;
        if (kind == 0) {
            const u8* raw = in.skip(length);
            decoder.out.insert(decoder.out.end(), raw, raw + length);
        } else if (kind == 1) {
            decoder.out.insert(decoder.out.end(), length, u8(in.take(1)));
        } else if (kind == 2) {
            const u8* body = in.skip(length);
            decoder.block(Bytes{body, length});
        } else {
            damaged("a block has a reserved type");
        }
    }
    return decoder.out;
}

}  // namespace cuemu
