"""What the last bit of a run depends on besides its data, settings and seed."""

import os
import platform
from collections.abc import Mapping
from typing import Any

import numpy as np

THREADS = "OPENBLAS_NUM_THREADS"  # set by the command before NumPy loads


def conditions(ranks: int) -> dict[str, str]:
    """Machine, Python, NumPy, its linear algebra, and how many threads and processes share the work."""
    built: Any = np.show_config(mode="dicts")
    blas = built["Build Dependencies"]["blas"]
    return {
        "machine": f"{platform.system()} {platform.machine()}",
        "instructions": " ".join(built["SIMD Extensions"].get("found", ())),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": f"{blas.get('name')} {blas.get('version')}",
        "threads": os.environ.get(THREADS, "not set"),
        "ranks": str(ranks),
    }


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What is not as it was, in words."""
    return [
        f"{name} was {before.get(name)}, now {value}"
        for name, value in now.items()
        if before.get(name) != value
    ]
