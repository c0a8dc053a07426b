// Stands for cuBLAS: the functions that tensorlib calls, with NVIDIA's names and signatures, which note their arguments
// and compute on the CPU as BLAS defines them: columns first, every matrix touched only where it is said to be.
//
// CUBLAS_STANDIN_VERSION is the major version it claims, CUBLAS_STANDIN_FAILS the one function that fails, as
// "Sgemm_v2 13". With -DANCIENT some functions are missing.
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vector>

#define API extern "C"

typedef unsigned long long address;
struct Handle { int magic; void* stream; void* context; };
static char calls[1 << 16];
static int alive, made;

API const char* standin_calls() { return calls; }
API void standin_reset() { calls[0] = 0; }
API int standin_alive() { return alive; }

static void note(const char* form, ...) {
    va_list more;
    va_start(more, form);
    size_t used = strlen(calls);
    vsnprintf(calls + used, sizeof calls - used, form, more);
    va_end(more);
}

static int fails(const char* name) {
    const char* wanted = getenv("CUBLAS_STANDIN_FAILS");
    size_t n = strlen(name);
    return wanted && strncmp(wanted, name, n) == 0 && wanted[n] == ' ' ? atoi(wanted + n) : 0;
}

template <class... Arguments> static int driver(const char* name, Arguments... arguments) {
    void* found = dlsym(dlopen("libcuda.so.1", RTLD_NOW), name);
    if (!found) { fprintf(stderr, "cublas stand-in: no %s\n", name); abort(); }
    return ((int (*)(Arguments...))found)(arguments...);
}

static void* current_context() {
    void* context = nullptr;
    driver("cuCtxGetCurrent", &context);
    return context;
}

API int cublasGetProperty(int which, int* value) {
    const char* given = getenv("CUBLAS_STANDIN_VERSION");
    if (which != 0) return 7;       // MAJOR_VERSION
    *value = given ? atoi(given) : 12;
    return fails("GetProperty");
}

API int cublasCreate_v2(Handle** handle) {
    int status = fails("Create_v2");
    if (status) return status;
    if (!current_context()) return 1;
    *handle = new Handle{4711 + made++, nullptr, current_context()};
    ++alive;
    return 0;
}

API int cublasDestroy_v2(Handle* handle) {
    --alive;
    delete handle;
    return 0;
}

API int cublasSetStream_v2(Handle* handle, void* stream) {
    if (handle->magic < 4711 || handle->magic >= 4711 + made) return 1;
    handle->stream = stream;
    return fails("SetStream_v2");
}

// A matrix in columns, read or written column by column, as it lies on the device.
template <class T> static bool read(T* host, address at, int ld, int rows, int columns) {
    bool good = true;
    for (int j = 0; j < columns; ++j)
        good = good && !driver("cuMemcpyDtoH_v2", (void*)(host + (size_t)j * rows), at + (size_t)j * ld * sizeof(T),
                               rows * sizeof(T));
    return good;
}
template <class T> static bool write(address at, const T* host, int ld, int rows, int columns) {
    bool good = true;
    for (int j = 0; j < columns; ++j)
        good = good && !driver("cuMemcpyHtoD_v2", at + (size_t)j * ld * sizeof(T), (const void*)(host + (size_t)j * rows),
                               rows * sizeof(T));
    return good;
}

template <class T>
static int gemm(const char* name, Handle* handle, int ta, int tb, int m, int n, int k, const T* alpha, address a, int lda,
                long long sa, address b, int ldb, long long sb, const T* beta, address c, int ldc, long long sc, int count) {
    int rows_a = ta ? k : m, columns_a = ta ? m : k, rows_b = tb ? n : k, columns_b = tb ? k : n;
    note("%s stream %llu ops %d %d m %d n %d k %d alpha %g a %llu %d %lld b %llu %d %lld beta %g c %llu %d %lld count %d\n",
         name, (address)handle->stream, ta, tb, m, n, k, (double)*alpha, a, lda, sa, b, ldb, sb, (double)*beta, c, ldc, sc,
         count);
    if (fails(name)) return fails(name);
    if (handle->context != current_context()) return 14;
    if (m < 0 || n < 0 || k < 0 || ta < 0 || ta > 1 || tb < 0 || tb > 1 || lda < rows_a || ldb < rows_b || ldc < m) return 7;
    driver("cuStreamSynchronize", handle->stream);
    std::vector<T> A((size_t)m * k), B((size_t)k * n), C((size_t)m * n);
    for (int t = 0; t < count; ++t) {
        address to = c + t * sc * (long long)sizeof(T);
        if (!read(A.data(), a + t * sa * (long long)sizeof(T), lda, rows_a, columns_a)) return 14;
        if (!read(B.data(), b + t * sb * (long long)sizeof(T), ldb, rows_b, columns_b)) return 14;
        if (*beta != 0 && !read(C.data(), to, ldc, m, n)) return 14;
        for (int j = 0; j < n; ++j)
            for (int i = 0; i < m; ++i) {
                double sum = 0;
                for (int l = 0; l < k; ++l)
                    sum += (double)(ta ? A[l + i * k] : A[i + l * m]) * (double)(tb ? B[j + l * n] : B[l + j * k]);
                C[i + j * m] = (T)(*alpha * sum + (*beta != 0 ? *beta * (double)C[i + j * m] : 0));
            }
        if (!write(to, C.data(), ldc, m, n)) return 14;
    }
    return 0;
}

#define GEMM(name, T) \
    API int cublas##name(Handle* h, int ta, int tb, int m, int n, int k, const T* alpha, address a, int lda, address b, \
                         int ldb, const T* beta, address c, int ldc) { \
        return gemm<T>(#name, h, ta, tb, m, n, k, alpha, a, lda, 0, b, ldb, 0, beta, c, ldc, 0, 1); \
    }
#define BATCHED(name, T) \
    API int cublas##name(Handle* h, int ta, int tb, int m, int n, int k, const T* alpha, address a, int lda, long long sa, \
                         address b, int ldb, long long sb, const T* beta, address c, int ldc, long long sc, int count) { \
        return gemm<T>(#name, h, ta, tb, m, n, k, alpha, a, lda, sa, b, ldb, sb, beta, c, ldc, sc, count); \
    }
GEMM(Sgemm_v2, float)
GEMM(Dgemm_v2, double)
#ifndef ANCIENT
BATCHED(SgemmStridedBatched, float)
BATCHED(DgemmStridedBatched, double)
#endif
