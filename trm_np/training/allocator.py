"""Memory is kept from step to step, where the system's allocator would give it back and ask for it again."""

import os
import sys

# Of glibc's mallopt (malloc.h), by the variable with which a user sets the same: blocks of this size on are mapped and
# unmapped one by one; so much may lie free at the end of the heap before it is given back; so much is asked for
# beyond what is needed.
NEVER = 2**30
SETTINGS = {
    "MALLOC_MMAP_THRESHOLD_": (-3, NEVER),
    "MALLOC_TRIM_THRESHOLD_": (-1, NEVER),
    "MALLOC_TOP_PAD_": (-2, 2**24),
}


def keep_memory() -> bool:
    """Let this process keep what it has freed; returns whether it could be arranged (Linux with glibc).

    A training step frees and needs the same arrays again. Given back in between, each of their pages costs a fault
    and is zeroed anew. What the user has set stays as it is.
    """
    if sys.platform != "linux":
        return False
    try:
        import ctypes  # which a Python that was built without libffi lacks

        mallopt = ctypes.CDLL(None).mallopt
    except (ImportError, OSError, AttributeError):
        return False
    return all(mallopt(*setting) == 1 for name, setting in SETTINGS.items() if name not in os.environ)
