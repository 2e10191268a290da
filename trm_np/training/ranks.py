"""Data-parallel training: the processes, called ranks, that an MPI launcher has started as one job.

Every rank holds the whole model and draws every whole batch. It computes the gradient of its own rows, and the ranks
sum their gradients. Only this file imports mpi4py, and only in a process that was started as one of several.
"""

import os
import time
from array import array
from dataclasses import dataclass
from functools import cache
from math import ceil, inf
from typing import Any

from trm_np.config import ConfigError
from trm_np.extras import needs_extra

# Rank and size as launchers tell them: those of MPICH and its kin, and that of Open MPI.
LAUNCHERS = (("PMI_RANK", "PMI_SIZE"), ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"))
POLL_SECONDS = 0.01


@dataclass(frozen=True)
class Ranks:
    """This process, number `rank` of the `size` processes of its job; a single process has all rows.

    `mpi` is the module; `world` and `control` are communicators, one for training and one for exit codes.
    """

    rank: int = 0
    size: int = 1
    mpi: Any = None
    world: Any = None
    control: Any = None

    @property
    def is_first(self) -> bool:
        """Whether this is the rank that writes and prints."""
        return self.rank == 0

    def rows(self, count: int) -> slice:
        """This rank's consecutive share of `count` rows; shares differ by one row at most."""
        return slice(ceil(count * self.rank / self.size), ceil(count * (self.rank + 1) / self.size))

    def all_reduce_sum(self, numbers: Any) -> None:
        """Replace an array, in place, by its sum over all ranks.

        All ranks get the same bits: MPI requires it of an all-reduce (MPI 4.1, section 6.9.6).
        """
        if self.size > 1:
            self.world.Allreduce(self.mpi.IN_PLACE, numbers, self.mpi.SUM)

    def all_gather(self, numbers: Any, rows: slice) -> None:
        """Replace all rows of an array but `rows`, which are this rank's own, by those of the other ranks, in place."""
        if self.size > 1:
            numbers[: rows.start] = numbers[rows.stop :] = 0
            self.all_reduce_sum(numbers)

    def all_reduce_max(self, number: int) -> int:
        """The largest of the ranks' numbers."""
        if self.size == 1:
            return number
        numbers = array("i", [number])
        self.world.Allreduce(self.mpi.IN_PLACE, numbers, self.mpi.MAX)
        return numbers[0]

    def gather_exit_codes(self, exit_code: int, patience: float = inf) -> list[int]:
        """Gather the exit codes of all ranks, 0 for success; empty if a rank does not call this within `patience` s."""
        if self.size == 1:
            return [exit_code]
        codes = array("i", [0] * self.size)
        request = self.control.Iallgather(array("i", [exit_code]), codes)
        deadline = time.monotonic() + patience
        while not request.Test():
            if time.monotonic() > deadline:
                return []
            time.sleep(POLL_SECONDS)
        return list(codes)

    def abort(self, exit_code: int) -> None:
        """End all ranks at once."""
        self.world.Abort(exit_code)


ALONE = Ranks()


def launched() -> tuple[int, int]:
    """Rank and size of this process, as its launcher set them; 0 and 1 without a launcher."""
    for rank, size in LAUNCHERS:
        if size in os.environ:
            return int(os.environ[rank]), int(os.environ[size])
    return 0, 1


@cache
def join() -> Ranks:
    """Join the job of this process; raises ConfigError if its ranks cannot reach each other."""
    _, size = launched()
    if size == 1:
        return ALONE
    try:
        from mpi4py import MPI  # type: ignore[import-not-found, unused-ignore]
    except (ImportError, RuntimeError) as error:  # no mpi4py; no MPI that it could load
        raise ConfigError(f"{needs_extra(f'{size} ranks need', 'mpi')} ({error})") from error
    world = MPI.COMM_WORLD
    if world.Get_size() != size:
        raise ConfigError(
            f"{size} ranks were started, and mpi4py finds {world.Get_size()}: the launcher belongs to another MPI"
        )
    return Ranks(world.Get_rank(), size, MPI, world, world.Dup())
