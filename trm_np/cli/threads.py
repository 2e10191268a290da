"""How many threads NumPy's linear algebra uses: set before NumPy is imported."""

import os

THREAD_SETTINGS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
LARGE_MODEL_BYTES = 10_000_000  # a model file from here on is worth several threads


def use_threads(all_cores: bool) -> str:
    """Set how many threads NumPy's linear algebra uses, unless the user has; returns it in words."""
    theirs = [name for name in THREAD_SETTINGS if name in os.environ]
    if theirs:
        return f"{theirs[0]}={os.environ[theirs[0]]} as set"
    number = (os.cpu_count() or 1) if all_cores else 1
    for name in THREAD_SETTINGS:
        os.environ[name] = str(number)
    return "1 thread" if number == 1 else f"{number} threads"


def is_large(model: str) -> bool:
    try:
        return os.path.getsize(model) >= LARGE_MODEL_BYTES
    except OSError:
        return False  # load_model will say what is wrong with it
