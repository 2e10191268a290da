"""Settings of the C library's allocator that keep memory from step to step."""

from trm_np.systems import set_allocator

# The size from which blocks are mapped one by one, the free memory that the heap keeps at its end, and the extra memory
# of each growth.
NEVER = 2**30
SETTINGS = {
    "MALLOC_MMAP_THRESHOLD_": (-3, NEVER),
    "MALLOC_TRIM_THRESHOLD_": (-1, NEVER),
    "MALLOC_TOP_PAD_": (-2, 2**24),
}


def keep_memory() -> bool:
    """Make the allocator keep freed memory; returns whether that is possible (Linux with glibc).

    Every training step allocates and frees the same arrays. If the memory went back to the system in between, each page
    would cost a fault and be zeroed again.
    """
    return set_allocator(SETTINGS)
