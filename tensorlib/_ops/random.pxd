# Generator: the Mersenne Twister of PyTorch's CPU generator. The GIL is its lock: draw only while holding it.
from libc.stdint cimport uint32_t, uint64_t

from .tensor cimport TensorBase

cdef class Generator:
    cdef uint32_t[624] state        # as in get_state
    cdef uint32_t[624] words        # the numbers that state stands for
    cdef int position               # of the next one in words; 624: the state has to advance first
    cdef bint started               # the state belongs to the seed; false until the first draw
    cdef bint fresh                 # nothing was drawn since it was seeded
    cdef bint seeded                # a seed was chosen
    cdef uint64_t first_seed
    cdef double saved_normal        # the second normal of the last pair
    cdef bint has_saved_normal

cdef Generator ready(object generator)                  # the default one for None; set to draw from
cdef uint32_t next32(Generator g) noexcept
cdef uint64_t next64(Generator g) noexcept
cdef double next_uniform(Generator g) noexcept          # 53 bits of [0, 1)
cdef double next_normal(Generator g) noexcept           # mean 0, deviation 1

cdef int draw_order(TensorBase t, int* order) except -1         # dims from outermost to innermost in memory
cdef TensorBase in_draw_order(TensorBase t, TensorBase by)      # t with its dims in the draw order of `by`
cdef int is_real(TensorBase t, str name) except -1              # refuses what is no float tensor of the CPU
