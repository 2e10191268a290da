"""Run trials on a Dask cluster (extra `[cluster]`).

Use a cluster only on a trusted network: its workers run any code that they are sent.
"""

import os
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

import numpy as np

from trm_np import __version__
from trm_np.extras import needs_extra

RETRIES = 2  # of a run whose worker is lost
CONNECTING = 5.0  # seconds to wait for a cluster


class ClusterError(OSError):
    """Raised for a cluster that cannot be used."""


@contextmanager
def dask_workers(address: str) -> Iterator[Executor]:
    """Open an executor on the cluster at an address.

    Every worker must run this version of the program and of NumPy, with one thread for BLAS. Raises ClusterError.
    """
    try:
        from distributed import Client
        from distributed.comm.addressing import resolve_address
    except ImportError as error:
        raise ClusterError(needs_extra("--dask needs", "cluster")) from error
    try:
        resolve_address(address)  # a client would report a bad address twice
        client: Any = Client(address, timeout=CONNECTING, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"{address!r}: no Dask scheduler answers there ({type(error).__name__})"
        ) from error
    with client:
        require_alike(client.run(conditions))
        yield client.get_executor(pure=False, retries=RETRIES)


def conditions() -> dict[str, Any]:
    """The conditions of this process that affect the bits of a result."""
    threads = os.environ.get("OPENBLAS_NUM_THREADS") or "as many as there are cores"
    return {"trm_np": __version__, "numpy": np.__version__, "BLAS threads": threads}


def require_alike(found: dict[str, dict[str, Any]]) -> None:
    """Raise ClusterError if there is no worker, or for the first one whose conditions differ from this process."""
    if not found:
        raise ClusterError("the cluster has no workers; start some with: dask worker ADDRESS")
    wanted = {**conditions(), "BLAS threads": "1"}
    for worker, has in found.items():
        for name, value in wanted.items():
            if has[name] != value:
                raise ClusterError(f"worker {worker}: {name} {has[name]}, but {value} is needed")
