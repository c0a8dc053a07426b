# cython: language_level=3
"""The threads of all kernels, see team.h: the package imports this module before the others, whose calls it serves."""
import os

cdef extern from "team.h" nogil:
    void team_start()
    void team_release()
    void team_forget()


def _before_fork():
    team_release()


def _after_fork():
    team_forget()


# A child has none of the threads of its parent. It works with one unless it asks for more.
os.register_at_fork(before=_before_fork, after_in_child=_after_fork)
team_start()
