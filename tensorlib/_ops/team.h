/* The threads of all kernels: what GCC's OpenMP pragmas call, without GCC's library.

   A region has shares, one for each thread asked for. The caller does share 0; worker k, a thread that is kept, does
   share k. A caller that is done does what no worker has begun: one that went to sleep takes longer to wake up (50 us
   and more) than most kernels run, and then they are as fast as with one thread, not slower.

   A thread that waits looks again and again for a time, then sleeps. The time doubles where so much would have been
   enough, and is halved where MOST_NS would not, as happens between training steps and where others want the cores.
   That another thread woke up late does not count: else two that call each other from sleep would never find back.

   A worker that wakes up on the core of another thread of the team goes elsewhere and keeps away. The kernel puts it
   beside its caller where it takes the other cores for busy: in many virtual machines, whenever they sleep.

   The extension module `team` alone contains this file. setup.py lets the linker send what the compiler calls here (its
   --wrap gives the names below) and defines TENSORLIB_TEAM; elsewhere than with GCC on Linux OpenMP's library serves. */
#if defined TENSORLIB_TEAM
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))
#define MAX_TEAM 256
#define LEAST_NS 6250           /* to look for, at least */
#define MOST_NS 200000          /* and at most */
#define TAKEN_NS 50000          /* others had the core, where a look takes so long */

#define OPEN(number) (2 * (number) + 1)
#define LOAD(place) __atomic_load_n(&(place), __ATOMIC_ACQUIRE)
#define STORE(place, value) __atomic_store_n(&(place), value, __ATOMIC_RELEASE)

typedef struct {
    uint32_t count, sleepers;
    int64_t patience;           /* how long to look for it */
    int64_t raised;             /* when sleepers were last called; when who called had woken up, and how late */
    int64_t woken, late;
} __attribute__((aligned(64))) signal_t;
typedef struct { uint64_t state; } __attribute__((aligned(64))) share_t;

static struct {
    void (*region)(void *);
    void *shared;
    int threads, workers;       /* of this region; that there are, without the caller */
    uint64_t number;            /* of this region; share k is open while its state is OPEN of that, then more */
    int busy, adding;           /* a region is running; a thread adds its part to a result */
    uint32_t done;              /* shares of the region */
    signal_t begun, ended;
    share_t shares[MAX_TEAM];
    int cores[MAX_TEAM];        /* where the caller and each worker were when they last woke up or called, plus 1 */
    int caller;                 /* the kernel's number of the caller */
} team;

static int most_threads = 1, most_patience = MOST_NS;
static __thread int own_most, own_id, own_threads = 1, own_place;      /* a worker's place is its number */
static __thread int own_number;                 /* the kernel's, of a caller */
static __thread int64_t own_woken, own_late;    /* when this thread last woke up, and how long after it was called */

/* ---- waiting ---- */

static int64_t nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * (int64_t)1000000000 + now.tv_nsec;
}

static void look_away(void)
{
#if defined __x86_64__
    __builtin_ia32_pause();
#elif defined __aarch64__
    __asm__ volatile("isb");
#endif
}

static void change_patience(signal_t *s, int64_t waited)
{
    const int64_t patience = __atomic_load_n(&s->patience, __ATOMIC_RELAXED);
    if (waited < most_patience ? patience < most_patience : patience > LEAST_NS)
        __atomic_store_n(&s->patience, waited < most_patience ? 2 * patience : patience / 2, __ATOMIC_RELAXED);
}

static int note_core(void)
{
    const int core = sched_getcpu();
    __atomic_store_n(&team.cores[own_place], core + 1, __ATOMIC_RELAXED);
    if (own_place > 0) return core;
    if (own_number == 0) own_number = (int)syscall(SYS_gettid);
    __atomic_store_n(&team.caller, own_number, __ATOMIC_RELAXED);
    return core;
}

/* Leave a core where another thread of the team is for those that the caller may use and nobody else of the team does,
   if there are any. */
static void find_core(void)
{
    const int core = note_core();
    cpu_set_t cores;
    int shared = 0;
    if (own_place == 0 || sched_getaffinity(__atomic_load_n(&team.caller, __ATOMIC_RELAXED), sizeof cores, &cores) != 0)
        return;
    const int workers = __atomic_load_n(&team.workers, __ATOMIC_RELAXED);
    for (int place = 0; place <= workers && place < MAX_TEAM; place++) {
        const int other = __atomic_load_n(&team.cores[place], __ATOMIC_RELAXED) - 1;
        if (place == own_place || other < 0 || other >= CPU_SETSIZE) continue;
        shared |= other == core;
        CPU_CLR(other, &cores);
    }
    if (shared && CPU_COUNT(&cores) > 0 && sched_setaffinity(0, sizeof cores, &cores) == 0) note_core();
}

static void wait_for(signal_t *s, uint32_t seen)
{
    const int64_t patience = __atomic_load_n(&s->patience, __ATOMIC_RELAXED), start = nanoseconds();
    for (int64_t now = start, last = start; now - start < patience; last = now, now = nanoseconds()) {
        if (now - last > TAKEN_NS) break;
        for (int i = 0; i < 16; i++, look_away())
            if (LOAD(s->count) != seen) {
                change_patience(s, 0);
                return;
            }
    }
    __atomic_add_fetch(&s->sleepers, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&s->count, __ATOMIC_SEQ_CST) == seen)
        syscall(SYS_futex, &s->count, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
    __atomic_sub_fetch(&s->sleepers, 1, __ATOMIC_SEQ_CST);
    const int64_t raised = __atomic_load_n(&s->raised, __ATOMIC_RELAXED);
    const int overslept = __atomic_load_n(&s->woken, __ATOMIC_RELAXED) > start;
    change_patience(s, raised - start - (overslept ? __atomic_load_n(&s->late, __ATOMIC_RELAXED) : 0));
    own_woken = nanoseconds();
    own_late = raised > start ? own_woken - raised : 0;
    find_core();
}

static void raise_signal(signal_t *s)
{
    __atomic_add_fetch(&s->count, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&s->sleepers, __ATOMIC_SEQ_CST)) {
        note_core();
        __atomic_store_n(&s->raised, nanoseconds(), __ATOMIC_RELAXED);
        __atomic_store_n(&s->woken, own_woken, __ATOMIC_RELAXED);
        __atomic_store_n(&s->late, own_late, __ATOMIC_RELAXED);
        syscall(SYS_futex, &s->count, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
    }
}

/* ---- regions ---- */

/* Does share `id` of region `number`, unless it has been taken or the region is over. */
static void do_share(uint64_t number, int id)
{
    void (*region)(void *) = __atomic_load_n(&team.region, __ATOMIC_RELAXED);
    void *shared = __atomic_load_n(&team.shared, __ATOMIC_RELAXED);
    const int threads = __atomic_load_n(&team.threads, __ATOMIC_RELAXED);
    uint64_t open = OPEN(number);
    if (!__atomic_compare_exchange_n(&team.shares[id].state, &open, open + 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        return;
    own_id = id;
    own_threads = threads;
    region(shared);
    own_id = 0;
    own_threads = 1;
    if (__atomic_add_fetch(&team.done, 1, __ATOMIC_ACQ_REL) == (uint32_t)threads) raise_signal(&team.ended);
}

static void *work(void *place)
{
    own_place = (int)(intptr_t)place;
    find_core();
    for (;;) {
        const uint32_t seen = LOAD(team.begun.count);
        do_share(LOAD(team.number), own_place);
        wait_for(&team.begun, seen);
    }
    return NULL;
}

/* Starts what workers are missing. Signals are for threads of Python: workers get none. */
static void start_workers(int wanted)
{
    sigset_t all, before;
    note_core();
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (team.workers < wanted) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, work, (void *)(intptr_t)(team.workers + 1)) != 0) break;
        pthread_detach(thread);
        __atomic_store_n(&team.workers, team.workers + 1, __ATOMIC_RELAXED);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void do_alone(void (*region)(void *), void *shared)
{
    const int id = own_id, threads = own_threads;
    own_id = 0;
    own_threads = 1;
    region(shared);
    own_id = id;
    own_threads = threads;
}

/* A region of one thread, one in a share of another, and one while another thread of Python has the team, is a call. */
EXPORTED void __wrap_GOMP_parallel(void (*region)(void *), void *shared, unsigned threads, unsigned flags)
{
    (void)flags;
    if (threads <= 1 || own_threads > 1 || __atomic_exchange_n(&team.busy, 1, __ATOMIC_ACQUIRE)) {
        do_alone(region, shared);
        return;
    }
    if (threads > MAX_TEAM) threads = MAX_TEAM;
    if (team.workers < (int)threads - 1) start_workers((int)threads - 1);
    if (threads > (unsigned)team.workers + 1) threads = (unsigned)team.workers + 1;
    const uint64_t number = team.number + 1;
    __atomic_store_n(&team.region, region, __ATOMIC_RELAXED);
    __atomic_store_n(&team.shared, shared, __ATOMIC_RELAXED);
    __atomic_store_n(&team.threads, (int)threads, __ATOMIC_RELAXED);
    STORE(team.done, 0);
    for (unsigned id = 0; id < threads; id++) STORE(team.shares[id].state, OPEN(number));
    STORE(team.number, number);
    if (threads > 1) raise_signal(&team.begun);
    for (unsigned id = 0; id < threads; id++) do_share(number, (int)id);
    for (uint32_t seen; seen = LOAD(team.ended.count), LOAD(team.done) != threads;) wait_for(&team.ended, seen);
    STORE(team.busy, 0);
}

/* Nobody waits within a region: a caller could not do there what no worker has begun. Cython's loops ask for it only
   before their first turn, so that no thread reads the counter after another has written its last value; none of them
   reads it. */
EXPORTED void __wrap_GOMP_barrier(void) { }

/* ---- sums over the threads of a loop, where they have several parts ---- */

EXPORTED void __wrap_GOMP_atomic_start(void)
{
    while (__atomic_exchange_n(&team.adding, 1, __ATOMIC_ACQUIRE)) sched_yield();
}

EXPORTED void __wrap_GOMP_atomic_end(void) { STORE(team.adding, 0); }

/* ---- numbers ---- */

EXPORTED int __wrap_omp_get_thread_num(void) { return own_id; }
EXPORTED int __wrap_omp_get_num_threads(void) { return own_threads; }
EXPORTED int __wrap_omp_get_max_threads(void) { return own_most ? own_most : most_threads; }
EXPORTED int __wrap_omp_in_parallel(void) { return own_threads > 1; }
EXPORTED void team_set_threads(int threads) { own_most = threads; }

static void team_reset(void)
{
    memset(&team, 0, sizeof team);
    team.begun.patience = team.ended.patience = most_patience;
}

static void team_start(void)
{
    cpu_set_t cores;
    const char *wanted = getenv("OMP_NUM_THREADS"), *wait = getenv("OMP_WAIT_POLICY");
    most_threads = wanted ? atoi(wanted) : 0;
    if (most_threads < 1) most_threads = sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 1;
    if (wait && strcasecmp(wait, "passive") == 0) most_patience = 0;
    if (wait && strcasecmp(wait, "active") == 0) most_patience = INT_MAX;
    team_reset();
}

static void team_release(void) { }

static void team_forget(void)
{
    team_reset();
    most_threads = own_most = 1;
    own_number = 0;
}

#elif defined _OPENMP
#include <omp.h>
static void team_start(void) { }
static void team_release(void) { omp_pause_resource_all(omp_pause_soft); }
static void team_forget(void) { omp_set_num_threads(1); }

#else
static void team_start(void) { }
static void team_release(void) { }
static void team_forget(void) { }
#endif
