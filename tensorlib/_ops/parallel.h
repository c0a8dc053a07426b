/* Threads as kernels see them: those of team.h, those of the compiler's OpenMP library, or one alone. */
#ifndef TENSORLIB_PARALLEL_H
#define TENSORLIB_PARALLEL_H
#ifdef _OPENMP
#include <omp.h>
static inline int tl_max_threads(void) { return omp_in_parallel() ? 1 : omp_get_max_threads(); }
static inline int tl_thread_id(void) { return omp_get_thread_num(); }
#else
static inline int tl_max_threads(void) { return 1; }
static inline int tl_thread_id(void) { return 0; }
#endif

/* A loop that reads what another has written is in a region of its own: nobody waits within one, so loops of a region
   are `nowait`. */
#if defined TENSORLIB_TEAM
void team_set_threads(int n);
static inline void tl_set_threads(int n) { team_set_threads(n); }
#elif defined _OPENMP
static inline void tl_set_threads(int n) { omp_set_num_threads(n); }
#else
static inline void tl_set_threads(int n) { (void)n; }
#endif
#endif
