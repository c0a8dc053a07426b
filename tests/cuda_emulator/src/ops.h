// The tables of handlers: each gives the code that runs an opcode for a type, or null if PTX has no such form.
#pragma once
#include "program.h"

namespace cuemu {

struct Modifiers {
    bool ftz = false, sat = false, relu = false, nan = false, xorsign = false, approx = false;
    bool hi = false, lo = false, wide = false, wrap = false, left = false, right = false, shiftAmount = false;
    char rounding = 'n';    // n, z, m (down), p (up), a (nearest, ties away)
    bool integral = false;  // rni and the like: to a whole number
};

enum class Compare : u8 { Eq, Ne, Lt, Le, Gt, Ge, Lo, Ls, Hi, Hs, Equ, Neu, Ltu, Leu, Gtu, Geu, Num, Nan };
enum class Combine : u8 { None, And, Or, Xor };
enum class Atomic : u8 { Add, Sub, Min, Max, And, Or, Xor, Exch, Cas, Inc, Dec };
enum class Shuffle : u8 { Up, Down, Butterfly, Index };
enum class Vote : u8 { All, Any, Uni, Ballot };

Handler integerHandler(const string& opcode, Type type, const Modifiers& m);
Handler carryHandler(Type type);  // op.mode: 0 add, 1 sub, 2 mad.lo, 3 mad.hi
Handler floatHandler(const string& opcode, Type type, const Modifiers& m);
Handler halfHandler(const string& opcode, Type type, const Modifiers& m);
Handler convertHandler(Type to, Type from, const Modifiers& m);
Handler packHandler(Type to);       // cvt.rn.f16x2.f32 d, a, b
Handler compareHandler(Type type);  // setp: op.mode is a Compare, op.sub a Combine
Handler setHandler(Type type);      // set: the same, with a number as the result
Handler predicateHandler(const string& opcode);
Handler selectHandler(Type type);  // selp
Handler slctHandler(Type type, Type selector);
Handler moveHandler(int bytes);
Handler clockHandler();
Handler joinHandler();  // mov.b64 d, {a, b}: parts and sizes in the list
Handler splitHandler();
Handler resizeHandler(int from, int to, bool isSignedType);

Handler loadHandler();
Handler storeHandler();
Handler atomicHandler();
Handler addressHandler();  // cvta: op.imm is what is added
Handler spaceTestHandler();
Handler prefetchHandler();

Handler shuffleHandler();
Handler voteHandler();
Handler matchHandler();
Handler reduceHandler();
Handler activeMaskHandler();
Handler syncWarpHandler();
Handler electHandler();

Handler printfHandler();
Handler assertHandler();

}  // namespace cuemu
