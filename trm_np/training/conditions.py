"""Conditions that affect the last bits of a run, beside its data, settings and seed."""

import os
import platform
from collections.abc import Mapping
from typing import Any

import numpy as np

OF_OPENBLAS = tuple(f"{of}openblas_get_corename{bits}" for of in ("scipy_", "") for bits in ("64_", ""))
THREADS = "OPENBLAS_NUM_THREADS"  # set by the command before NumPy loads


def conditions(ranks: int) -> dict[str, str]:
    """Machine, Python, NumPy, its linear algebra library, and the numbers of threads and ranks."""
    built: Any = np.show_config(mode="dicts")
    blas = built["Build Dependencies"]["blas"]
    return {
        "machine": f"{platform.system()} {platform.machine()}",
        "instructions": " ".join(built["SIMD Extensions"].get("found", ())),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": f"{blas.get('name')} {blas.get('version')}",
        "kernel": kernel(),
        "threads": os.environ.get(THREADS, "not set"),
        "ranks": str(ranks),
    }


def kernel() -> str:
    """Processor type that OpenBLAS computes for: the one it detects, or the one that OPENBLAS_CORETYPE names."""
    try:
        import ctypes  # which a Python that was built without libffi lacks

        library = ctypes.CDLL(np._core._multiarray_umath.__file__)  # type: ignore[attr-defined, unused-ignore]
        name = next(getattr(library, each) for each in OF_OPENBLAS if hasattr(library, each))
    except (ImportError, OSError, AttributeError, StopIteration):
        return "not known"
    name.restype = ctypes.c_char_p
    return str(name().decode())


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Differences between two records of conditions, in words; a condition that is not recorded counts as equal."""
    return [
        f"{name} was {before[name]}, now {value}"
        for name, value in now.items()
        if before.get(name, value) != value
    ]
