/* A parallel region of one thread is a plain call. For it GCC's library makes a team, which takes longer than a small
   kernel; so the linker sends the compiler's calls of GOMP_parallel here (setup.py).

   Inside a larger team the region needs a team of its own: its thread would take a share of what it is to do whole. */
int omp_get_num_threads(void);
void __real_GOMP_parallel(void (*region)(void*), void* shared, unsigned threads, unsigned flags);

__attribute__((visibility("hidden")))
void __wrap_GOMP_parallel(void (*region)(void*), void* shared, unsigned threads, unsigned flags)
{
    if (threads == 1 && omp_get_num_threads() == 1)
        region(shared);
    else
        __real_GOMP_parallel(region, shared, threads, flags);
}
