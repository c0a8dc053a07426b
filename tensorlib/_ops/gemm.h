/* Matrix product C = alpha * A @ B + beta * C for float and double, any strides: gemm_float and gemm_double.
   Packing memory comes from a few slots that calls borrow, so that no two threads ever share a block, nothing is
   tied to the life of a thread, and what is kept is bounded. */
#ifndef TENSORLIB_GEMM_H
#define TENSORLIB_GEMM_H
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "parallel.h"
#include "simd.h"

#define WORK_A (192 * 256 * 4)                  /* bytes of a block of A: under half of the inner cache */
#define WORK_B (2048 * 256 * 4)                 /* bytes of a block of B */
#define WORK_BYTES (WORK_B + WORK_A + 64)       /* the last column of A may overhang by 16 bytes */
#define WORK_SLOTS 16

static void *work_slots[WORK_SLOTS];

/* Each thread of a team looks at a slot of its own first: what it finds there is in the cache of its core. */
static int first_slot(void)
{
    return tl_thread_id() % WORK_SLOTS;
}

static void *take_workspace(void)
{
    for (int i = 0, slot = first_slot(); i < WORK_SLOTS; i++, slot = (slot + 1) % WORK_SLOTS)
        if (__atomic_load_n(&work_slots[slot], __ATOMIC_RELAXED)) {
            void *work = __atomic_exchange_n(&work_slots[slot], NULL, __ATOMIC_ACQUIRE);
            if (work) return work;
        }
    return aligned_alloc(64, WORK_BYTES);
}

static void give_workspace(void *work)
{
    for (int i = 0, slot = first_slot(); i < WORK_SLOTS; i++, slot = (slot + 1) % WORK_SLOTS) {
        void *vacant = NULL;
        if (__atomic_compare_exchange_n(&work_slots[slot], &vacant, work, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
            return;
    }
    free(work);
}

#define real float
#include "gemm_tile.h"
#include "gemm_block.h"
#include "gemm_packed.h"
#undef real
#define real double
#include "gemm_tile.h"
#include "gemm_block.h"
#include "gemm_packed.h"
#undef real
#endif
