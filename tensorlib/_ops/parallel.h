/* Thread count for OpenMP loops; everything still compiles, and runs serially, without OpenMP. */
#ifndef TENSORLIB_PARALLEL_H
#define TENSORLIB_PARALLEL_H
#ifdef _OPENMP
#include <omp.h>
static inline int tl_max_threads(void) { return omp_in_parallel() ? 1 : omp_get_max_threads(); }
static inline void tl_set_threads(int n) { omp_set_num_threads(n); }
static inline int tl_thread_id(void) { return omp_get_thread_num(); }
static inline void tl_release_threads(void) { omp_pause_resource_all(omp_pause_soft); }
#else
static inline int tl_max_threads(void) { return 1; }
static inline void tl_set_threads(int n) { (void)n; }
static inline int tl_thread_id(void) { return 0; }
static inline void tl_release_threads(void) { }
#endif
#endif
