"""Settings of the C library's allocator that keep memory from step to step."""

import os
import sys

# Parameters of glibc's mallopt (malloc.h), by the environment variable that sets the same: the size from which blocks
# are mapped one by one, the free memory that the heap keeps at its end, and the extra memory of each growth.
NEVER = 2**30
SETTINGS = {
    "MALLOC_MMAP_THRESHOLD_": (-3, NEVER),
    "MALLOC_TRIM_THRESHOLD_": (-1, NEVER),
    "MALLOC_TOP_PAD_": (-2, 2**24),
}


def keep_memory() -> bool:
    """Make the allocator keep freed memory; returns whether that is possible (Linux with glibc).

    Every training step allocates and frees the same arrays. If the memory went back to the system in between, each page
    would cost a fault and be zeroed again. Variables that the user has set take precedence.
    """
    if sys.platform != "linux":
        return False
    try:
        import ctypes  # which a Python that was built without libffi lacks

        mallopt = ctypes.CDLL(None).mallopt
    except (ImportError, OSError, AttributeError):
        return False
    return all(mallopt(*setting) == 1 for name, setting in SETTINGS.items() if name not in os.environ)
