"""Kernels as nvcc compiles them: mathematics, half precision, control flow, calls, atomics, shuffles, against NumPy."""

import math

import numpy as np
import pytest

from environment import compile_cuda

SOURCE = r"""
#include <cuda_fp16.h>
#include <cuda_bf16.h>
#define K extern "C" __global__ void
#define I (blockIdx.x * blockDim.x + threadIdx.x)

template <class T> __device__ T f(int which, T x) {
    switch (which) {
        case 0: return exp(x); case 1: return log(x); case 2: return sin(x * 100); case 3: return cos(x);
        case 4: return tanh(x);
        case 5: return erf(x); case 6: return lgamma(x); case 7: return pow(x, T(1.7));
        case 8: return rsqrt(x); case 9: return cbrt(x);
        case 10: return atan2(x, T(2)); case 11: return log1p(x); case 12: return expm1(x);
        case 13: return fmod(x, T(0.7));
        case 14: return asin(x / 40); case 15: return sinh(x / 8);
        case 16: return floor(x) + ceil(x) + trunc(x) + rint(x) + round(x);
        case 17: return erfc(x / 4); case 18: return tgamma(x / 8); default: return hypot(x, T(3));
    }
}
K math_float(const float* x, float* y, int which, int n) { if (I < n) y[I] = f(which, x[I]); }
K math_double(const double* x, double* y, int which, int n) { if (I < n) y[I] = f(which, x[I]); }
K fast_math(const float* x, float* y) { y[I] = __expf(x[I]) + __logf(x[I]) + __sinf(x[I]) + __fdividef(x[I],
    3.f) + __saturatef(x[I]); }

K half_math(const __half* a, const __half* b, float* out) {
    __half2 p = __halves2half2(a[I], b[I]), q = __hfma2(p, p, p);
    __half m = __hmul(a[I], b[I]);
    out[4 * I] = __low2float(q); out[4 * I + 1] = __high2float(q); out[4 * I + 2] = __half2float(m);
    out[4 * I + 3] = __hlt(a[I], b[I]) ? __half2float(hexp(a[I])) : __half2float(__hadd(a[I], b[I]));
}
K bfloat_math(const float* a, float* out) { out[I] = __bfloat162float(__float2bfloat16(a[I])); }

K block_sum(const float* x, float* out, int n) {
    __shared__ float s[8];
    float v = 0;
    for (int i = I; i < n; i += gridDim.x * blockDim.x) v += x[i];
    for (int o = 16; o; o >>= 1) v += __shfl_down_sync(~0u, v, o);
    if (threadIdx.x % 32 == 0) s[threadIdx.x / 32] = v;
    __syncthreads();
    if (threadIdx.x < 8) { v = s[threadIdx.x]; for (int o = 4; o;
        o >>= 1) v += __shfl_down_sync(0xff, v, o, 8); if (!threadIdx.x) atomicAdd(out, v); }
}
__device__ __noinline__ int fibonacci(int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
K recursion(int* out) { out[I] = fibonacci(I % 12); }
struct Shape { __device__ virtual int area(int x) const { return x; } };
struct Square : Shape { __device__ int area(int x) const override { return x * x; } };
struct Cube : Shape { __device__ int area(int x) const override { return x * x * x; } };
K virtual_calls(int* out) { Shape s; Square q; Cube c;
    const Shape* p = I % 3 == 0 ? &s : I % 3 == 1 ? (Shape*)&q : &c; out[I] = p->area(I); }
__device__ int plus(int a) { return a + 1; }
__device__ int minus(int a) { return a - 1; }
__device__ int (*table[2])(int) = {plus, minus};
K pointers(int* out) { out[I] = table[I & 1](I * 10); }
K switches(int* out, const int* in) {
    int r;
    switch (in[I]) { case 0: r = 5; break; case 1: r = I; break; case 2: r = I * I; break; case 3: r = -1;
        break; case 4: r = out[I]; break;
                     case 5: r = I % 7; break; case 6: r = I << 2; break; default: r = 99; }
    out[I] = r;
}
K collatz(int* out) { int n = I + 1, steps = 0; while (n != 1) { n = n & 1 ? 3 * n + 1 : n / 2;
    if (++steps > 500) break; } out[I] = steps; }
K atomics(unsigned* u, int* s, float* x, double* d, unsigned long long* w) {
    atomicAdd(u, 1); atomicMax(u + 1, I); atomicMin(u + 2, I); atomicXor(u + 3, I);
        atomicOr(u + 4, 1u << (I & 31)); atomicAnd(u + 5, ~(1u << (I & 31)));
    atomicInc(u + 6, 9); atomicDec(u + 7, 9); atomicMin(s, 50 - (int)I); atomicMax(s + 1, (int)I - 50);
        atomicAdd(x, 0.5f); atomicAdd(d, 0.25); atomicAdd(w, 1ull << 33);
    unsigned old = u[8], seen; do { seen = old; old = atomicCAS(u + 8, seen, seen + 2); } while (old != seen);
}
K spin_lock(int* lock, int* count) {
    // lanes of one warp take turns: those behind must let those ahead go on
    bool done = false;
    while (!done) { if (atomicCAS(lock, 0, 1) == 0) { int c = atomicAdd(count, 0); atomicExch(count, c + 1);
        __threadfence(); atomicExch(lock, 0); done = true; } }
}
K warp_votes(unsigned* out) {
    unsigned l = threadIdx.x, b = __ballot_sync(~0u, l % 3 == 0);
    out[l * 6] = b; out[l * 6 + 1] = __any_sync(~0u, l == 40) * 2 + __all_sync(~0u, l < 32);
        out[l * 6 + 2] = __match_any_sync(~0u, l / 5);
    out[l * 6 + 3] = __shfl_xor_sync(~0u, l, 5) + 100 * __shfl_up_sync(~0u, l, 3,
        8) + 10000 * __shfl_sync(~0u, l, 2, 16);
    out[l * 6 + 4] = __popc(b & ((1u << l) - 1)); out[l * 6 + 5] = __activemask();
    if (l < 7) { out[l * 6 + 5] = __activemask(); __syncwarp(0x7f); }
}
K block_votes(int* out) {
    out[I] = __syncthreads_count(threadIdx.x % 3 == 0) * 10 + __syncthreads_and(threadIdx.x < 64) * 2 +
        __syncthreads_or(threadIdx.x == 70); }
K wide(const float4* a, double2* b, char4* c) { float4 v = a[I]; b[I] = make_double2(v.x + v.y, v.z * v.w);
    c[I] = make_char4(v.x, v.y, v.z, -v.w); }
K philox(unsigned* out) {
    unsigned c[4] = {0, 0, 0, 0}, k0 = 0, k1 = 0;
    for (int i = 0; i < 10; i++) { unsigned long long p = 0xD2511F53ull * c[0], q = 0xCD9E8D57ull * c[2];
        unsigned n[4] = {(unsigned)(q >> 32) ^ c[1] ^ k0, (unsigned)q, (unsigned)(p >> 32) ^ c[3] ^ k1,
        (unsigned)p};
        for (int j = 0; j < 4; j++) c[j] = n[j]; k0 += 0x9E3779B9; k1 += 0xBB67AE85; }
    for (int j = 0; j < 4; j++) out[j] = c[j];
}
K gemm(const float* a, const float* b, float* c, int n) {
    __shared__ float s[16][17], t[16][17];
    int row = blockIdx.y * 16 + threadIdx.y, col = blockIdx.x * 16 + threadIdx.x; float sum = 0;
    for (int k = 0; k < n; k += 16) {
        s[threadIdx.y][threadIdx.x] = row < n && k + threadIdx.x < n ? a[row * n + k + threadIdx.x] : 0;
        t[threadIdx.y][threadIdx.x] = col < n && k + threadIdx.y < n ? b[(k + threadIdx.y) * n + col] : 0;
        __syncthreads();
        for (int j = 0; j < 16; j++) sum += s[threadIdx.y][j] * t[j][threadIdx.x];
        __syncthreads();
    }
    if (row < n && col < n) c[row * n + col] = sum;
}
"""


@pytest.fixture(scope="module")
def image():
    return compile_cuda(SOURCE, "-std=c++17")


@pytest.fixture
def kernel(gpu, image):
    return gpu.module_from_buffer(image).get_function


gamma = np.vectorize(math.gamma)
MATH = [
    np.exp,
    np.log,
    lambda x: np.sin(x * 100),
    np.cos,
    np.tanh,
    np.vectorize(math.erf),
    np.vectorize(math.lgamma),
    lambda x: x**1.7,
    lambda x: 1 / np.sqrt(x),
    np.cbrt,
    lambda x: np.arctan2(x, 2),
    np.log1p,
    np.expm1,
    lambda x: np.fmod(x, 0.7),
    lambda x: np.arcsin(x / 40),
    lambda x: np.sinh(x / 8),
    lambda x: np.floor(x) + np.ceil(x) + np.trunc(x) + np.rint(x) + np.floor(x + 0.5),
    np.vectorize(lambda x: math.erfc(x / 4)),
    lambda x: gamma(x / 8),
    lambda x: np.hypot(x, 3),
]


@pytest.mark.parametrize("which", range(len(MATH)))
def test_mathematics(gpu, kernel, which):
    x = np.random.RandomState(which).uniform(0.05, 30, 500)
    y = np.empty_like(x)
    kernel("math_double")(gpu.In(x), gpu.Out(y), np.int32(which), np.int32(500), block=(128, 1, 1), grid=(4, 1))
    np.testing.assert_allclose(y, MATH[which](x), rtol=1e-13, atol=1e-14)
    single = x.astype(np.float32)
    y = np.empty_like(single)
    kernel("math_float")(gpu.In(single), gpu.Out(y), np.int32(which), np.int32(500), block=(128, 1, 1), grid=(4, 1))
    exact = single.astype(np.float64)
    want = (
        MATH[which](exact)
        if which not in (2, 13)
        else np.sin((single * np.float32(100)).astype(np.float64))
        if which == 2
        else (np.fmod(exact, np.float64(np.float32(0.7))))
    )
    np.testing.assert_allclose(y, want, rtol=1e-5 if which != 18 else 1e-4, atol=3e-6)


def test_fast_mathematics(gpu, kernel):
    x = np.linspace(0.1, 3, 64).astype(np.float32)
    y = np.empty_like(x)
    kernel("fast_math")(gpu.In(x), gpu.Out(y), block=(64, 1, 1))
    np.testing.assert_allclose(y, np.exp(x) + np.log(x) + np.sin(x) + x / 3 + np.clip(x, 0, 1), rtol=1e-5)


def test_half_precision(gpu, kernel):
    rng = np.random.RandomState(0)
    a, b = rng.randn(64).astype(np.float16), rng.randn(64).astype(np.float16)
    out = np.empty((64, 4), np.float32)
    kernel("half_math")(gpu.In(a), gpu.In(b), gpu.Out(out), block=(64, 1, 1))
    wide = lambda v: v.astype(np.float64)
    assert (out[:, 0] == (wide(a) * wide(a) + wide(a)).astype(np.float16)).all()
    assert (out[:, 1] == (wide(b) * wide(b) + wide(b)).astype(np.float16)).all()
    assert (out[:, 2] == (wide(a) * wide(b)).astype(np.float16)).all()
    np.testing.assert_allclose(out[:, 3], np.where(a < b, np.exp(wide(a)), wide(a) + wide(b)), rtol=2e-3, atol=1e-3)
    x = rng.randn(64).astype(np.float32)
    y = np.empty_like(x)
    kernel("bfloat_math")(gpu.In(x), gpu.Out(y), block=(64, 1, 1))
    bits = x.view(np.uint32).astype(np.uint64)
    assert (y.view(np.uint32) == ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16 << 16).astype(np.uint32)).all()


def test_reduction(gpu, kernel):
    x = np.random.RandomState(0).randn(10007).astype(np.float32)
    out = np.zeros(1, np.float32)
    kernel("block_sum")(gpu.In(x), gpu.InOut(out), np.int32(x.size), block=(256, 1, 1), grid=(7, 1))
    np.testing.assert_allclose(out[0], x.sum(dtype=np.float64), atol=1e-3)


def ints(gpu, f, n):
    out = np.zeros(n, np.int32)
    f(gpu.InOut(out), block=(n, 1, 1))
    return out


def test_calls(gpu, kernel):
    fibonacci = [0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89]
    assert list(ints(gpu, kernel("recursion"), 64)) == [fibonacci[i % 12] for i in range(64)]
    assert list(ints(gpu, kernel("virtual_calls"), 64)) == [i ** (1 + i % 3) for i in range(64)]
    assert list(ints(gpu, kernel("pointers"), 64)) == [i * 10 + (-1 if i & 1 else 1) for i in range(64)]


def collatz(n):
    steps = 0
    while n != 1:
        n, steps = (3 * n + 1 if n & 1 else n // 2), steps + 1
    return steps


def test_divergence(gpu, kernel):
    assert list(ints(gpu, kernel("collatz"), 96)) == [collatz(i + 1) for i in range(96)]
    which = np.random.RandomState(0).randint(0, 9, 64).astype(np.int32)
    out = np.full(64, 7, np.int32)
    kernel("switches")(gpu.InOut(out), gpu.In(which), block=(64, 1, 1))
    cases = [lambda i: 5, lambda i: i, lambda i: i * i, lambda i: -1, lambda i: 7, lambda i: i % 7, lambda i: i << 2]
    assert list(out) == [cases[w](i) if w < 7 else 99 for i, w in enumerate(which)]


def test_atomics(gpu, kernel):
    u, s = np.array([0, 0, 1 << 20, 0, 0, ~0 & 0xFFFFFFFF, 0, 0, 0], np.uint32), np.array([100, -100], np.int32)
    x, d, w = np.zeros(1, np.float32), np.zeros(1), np.zeros(1, np.uint64)
    n = 640
    kernel("atomics")(*[gpu.InOut(v) for v in (u, s, x, d, w)], block=(64, 1, 1), grid=(10, 1))
    xor = 0
    for i in range(n):
        xor ^= i
    assert list(u) == [n, n - 1, 0, xor, 0xFFFFFFFF, 0, n % 10, (10 - n % 10) % 10, 2 * n]
    assert list(s) == [50 - (n - 1), n - 1 - 50] and x[0] == n / 2 and d[0] == n / 4 and w[0] == n << 33


def test_lanes_that_wait_for_each_other(gpu, kernel):
    lock, count = np.zeros(1, np.int32), np.zeros(1, np.int32)
    kernel("spin_lock")(gpu.InOut(lock), gpu.InOut(count), block=(32, 1, 1), grid=(3, 1))
    assert count[0] == 96


def test_votes_and_shuffles(gpu, kernel):
    out = np.empty((32, 6), np.uint32)
    kernel("warp_votes")(gpu.Out(out), block=(32, 1, 1))
    ballot = sum(1 << i for i in range(0, 32, 3))
    for i in range(32):
        match = sum(1 << j for j in range(32) if j // 5 == i // 5)
        up = i - 3 if i % 8 >= 3 else i
        shuffled = (i ^ 5) + 100 * up + 10000 * (2 + i // 16 * 16)
        below = bin(ballot & ((1 << i) - 1)).count("1")
        assert list(out[i]) == [ballot, 1, match, shuffled, below, 0x7F if i < 7 else 0xFFFFFFFF]
    assert list(ints(gpu, kernel("block_votes"), 64)) == [220 + 2] * 64


def test_vectors_of_every_width(gpu, kernel):
    a = np.random.RandomState(0).randint(-50, 50, (64, 4)).astype(np.float32)
    b, c = np.empty((64, 2)), np.empty((64, 4), np.int8)
    kernel("wide")(gpu.In(a), gpu.Out(b), gpu.Out(c), block=(64, 1, 1))
    assert (b == np.stack([a[:, 0] + a[:, 1], a[:, 2] * a[:, 3]], 1)).all() and (c == a * [1, 1, 1, -1]).all()


def test_philox_against_its_published_values(gpu, kernel):
    out = np.empty(4, np.uint32)
    kernel("philox")(gpu.Out(out), block=(1, 1, 1))
    assert [hex(v) for v in out] == ["0x6627e8d5", "0xe169c58d", "0xbc57ac4c", "0x9b00dbd8"]


def test_tiled_product(gpu, kernel):
    rng, n = np.random.RandomState(0), 50
    a, b, c = rng.randn(n, n).astype(np.float32), rng.randn(n, n).astype(np.float32), np.empty((n, n), np.float32)
    kernel("gemm")(gpu.In(a), gpu.In(b), gpu.Out(c), np.int32(n), block=(16, 16, 1), grid=(4, 4))
    np.testing.assert_allclose(c, a.astype(np.float64) @ b, rtol=1e-4, atol=1e-4)
