"""What the machine can do at most, by a small C program: multiply-adds in registers, and reading and copying memory.

    python benchmarks/limits.py [--threads N ...]

Other benchmarks tell their rates in percent of these. Needs the C compiler that builds the package (CC, else cc).
"""
import argparse
import ctypes
import os
import pathlib
import shlex
import subprocess
import tempfile

SOURCE = r"""
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef __AVX512F__
#define BYTES 64
#elif defined(__AVX__)
#define BYTES 32
#else
#define BYTES 16
#endif
typedef float vector __attribute__((vector_size(BYTES)));
enum {
    CHAINS = 12,                    /* more than latency times throughput of a multiply-add, and all in registers */
    STREAM = 8, WIDE = STREAM * BYTES / 4       /* vectors and numbers that are read in one step */
};

/* As the rows of benchmarks: processor time with one thread, else wall time. */
static double seconds(int threads)
{
    struct timespec t;
    clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

/* 10^9 multiplications and additions a second, single precision */
double multiply_adds(int threads, long steps)
{
    float kept = 0;
    double start = 0, took;
    #pragma omp parallel num_threads(threads) reduction(+:kept)
    {
        vector sum[CHAINS], a, b;
        memset(sum, 0, sizeof sum);
        for (int i = 0; i < BYTES / 4; i++) { a[i] = 0.999f; b[i] = 0.001f * (omp_get_thread_num() + 1); }
        #pragma omp barrier
        #pragma omp master
        start = seconds(threads);
        for (long s = 0; s < steps; s++) {
            for (int c = 0; c < CHAINS; c++) sum[c] = sum[c] * a + b;
            __asm__ volatile("" : "+v"(a));
        }
        for (int c = 0; c < CHAINS; c++) kept += sum[c][0];
    }
    took = seconds(threads) - start;
    return kept == 12345 ? 0 : 2e-9 * CHAINS * (BYTES / 4) * steps * threads / took;
}

/* 10^9 bytes a second: n floats are read (copied 0) or added to others into a third array (copied 1: three streams) */
double memory(int threads, int copied, long n)
{
    float *a = aligned_alloc(64, n * 4), *b = aligned_alloc(64, n * 4), *c = aligned_alloc(64, n * 4), kept = 0;
    double best = 0;
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (long i = 0; i < n; i++) a[i] = b[i] = c[i] = 1;
    for (int turn = 0; turn < 7; turn++) {
        double start = seconds(threads), rate;
        if (copied) {
            #pragma omp parallel for simd num_threads(threads) schedule(static)
            for (long i = 0; i < n; i++) c[i] = a[i] + b[i];
        } else {
            #pragma omp parallel num_threads(threads) reduction(+:kept)
            {
                vector sum[STREAM];
                memset(sum, 0, sizeof sum);
                #pragma omp for schedule(static)
                for (long i = 0; i < n / WIDE; i++)
                    for (int k = 0; k < STREAM; k++) sum[k] += ((vector *)a)[i * STREAM + k];
                for (int k = 0; k < STREAM; k++) kept += sum[k][0];
            }
        }
        rate = (copied ? 12e-9 : 4e-9) * n / (seconds(threads) - start);
        if (rate > best) best = rate;
    }
    best = kept + c[n - 1] == 12345 ? 0 : best;
    free(a); free(b); free(c);
    return best;
}
"""


def compiled():
    """The program as a library; RuntimeError where it cannot be compiled."""
    with tempfile.TemporaryDirectory() as folder:
        source, library = pathlib.Path(folder, "limits.c"), pathlib.Path(folder, "limits.so")
        text = SOURCE if os.uname().machine == "x86_64" else SOURCE.replace('"+v"', '"+w"')
        source.write_text(text)
        # Not -ffast-math: linked so, the library would flush denormals in the whole process.
        command = [*shlex.split(os.environ.get("CC", "cc")), "-O3", "-march=native", "-fassociative-math",
                   "-fno-signed-zeros", "-fno-trapping-math", "-funroll-loops", "-fopenmp", "-shared", "-fPIC",
                   str(source), "-o", str(library)]
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except OSError as error:
            raise RuntimeError("limits of the machine need a C compiler: %s" % error) from None
        if done.returncode:
            raise RuntimeError("limits of the machine: %s failed:\n%s" % (" ".join(command), done.stderr))
        loaded = ctypes.CDLL(str(library))
    loaded.multiply_adds.argtypes, loaded.multiply_adds.restype = [ctypes.c_int, ctypes.c_long], ctypes.c_double
    loaded.memory.argtypes, loaded.memory.restype = [ctypes.c_int, ctypes.c_int, ctypes.c_long], ctypes.c_double
    return loaded


def measure(threads=1):
    """The best of several tries, by unit of the rates of benchmarks.

    GFLOP/s: multiplications and additions of single precision. GB/s: three streams, of which one is written. GB/s read:
    one stream, read.
    """
    program = compiled()
    program.multiply_adds(threads, 10 ** 6)
    return {"GFLOP/s": max(program.multiply_adds(threads, 5 * 10 ** 6) for _ in range(7)),
            "GB/s": program.memory(threads, 1, 1 << 25), "GB/s read": program.memory(threads, 0, 1 << 25)}


def text_of(limits, threads):
    return "limits with %d thread%s: %.1f GFLOP/s, %.1f GB/s added, %.1f GB/s read" % (
        threads, " s"[threads > 1], limits["GFLOP/s"], limits["GB/s"], limits["GB/s read"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1], metavar="N")
    for number in parser.parse_args().threads:
        print(text_of(measure(number), number))
