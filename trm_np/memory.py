"""Memory is kept from step to step, where the system's allocator would give it back and ask for it again."""

import ctypes
import sys

# The parameters of glibc's mallopt (malloc.h): blocks of this size on are mapped and unmapped one by one; so much
# may lie free at the end of the heap before it is given back; so much is asked for beyond what is needed.
M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_TOP_PAD = -3, -1, -2
NEVER = 2**30
PAD = 2**24


def keep_memory() -> bool:
    """Let this process keep what it has freed; returns whether it could be arranged (Linux with glibc).

    A training step frees and needs the same arrays again. Given back in between, each of their pages costs a fault
    and is zeroed anew.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    settings = ((M_MMAP_THRESHOLD, NEVER), (M_TRIM_THRESHOLD, NEVER), (M_TOP_PAD, PAD))
    return mallopt is not None and all(mallopt(name, value) == 1 for name, value in settings)
