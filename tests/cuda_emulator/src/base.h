// Names used everywhere: fixed-width integers, PTX types and address spaces, and the one exception a kernel can end
// with.
#pragma once
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

namespace cuemu {

using u8 = uint8_t;
using u16 = uint16_t;
using u32 = uint32_t;
using u64 = uint64_t;
using i8 = int8_t;
using i16 = int16_t;
using i32 = int32_t;
using i64 = int64_t;
using std::string;
using std::vector;

constexpr int kLanes = 32;
constexpr u32 kAll = 0xffffffffu;

enum class Type : u8 {
    None,
    Pred,
    B8,
    B16,
    B32,
    B64,
    B128,
    U8,
    U16,
    U32,
    U64,
    S8,
    S16,
    S32,
    S64,
    F16,
    F16x2,
    BF16,
    BF16x2,
    F32,
    F64,
    TF32
};

enum class Space : u8 { Generic, Global, Shared, Local, Param, Const };

inline int sizeOf(Type t) {
    switch (t) {
        case Type::B8:
        case Type::U8:
        case Type::S8: return 1;
        case Type::B16:
        case Type::U16:
        case Type::S16:
        case Type::F16:
        case Type::BF16: return 2;
        case Type::B64:
        case Type::U64:
        case Type::S64:
        case Type::F64: return 8;
        case Type::B128: return 16;
        default: return 4;
    }
}

inline bool isSigned(Type t) { return t == Type::S8 || t == Type::S16 || t == Type::S32 || t == Type::S64; }
inline bool isFloat(Type t) { return t >= Type::F16; }

// The values of CUresult that kernels and loaders end with; the same numbers as in cuda.h.
enum Status : int {
    kInvalidValue = 1,
    kOutOfMemory = 2,
    kNoBinary = 209,
    kInvalidPtx = 218,
    kNotFound = 500,
    kIllegalAddress = 700,
    kLaunchTimeout = 702,
    kMisaligned = 716,
    kLaunchFailed = 719,
    kNotSupported = 801
};

struct Fault : std::runtime_error {
    int status;
    Fault(int status, const string& text) : std::runtime_error(text), status(status) {}
};

template <class To, class From> inline To bitCast(From from) {
    static_assert(sizeof(To) == sizeof(From), "bits are kept");
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}

string format(const char* pattern, ...) __attribute__((format(printf, 1, 2)));

}  // namespace cuemu
