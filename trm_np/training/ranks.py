"""Data-parallel training: the processes, called ranks, that an MPI launcher has started as one job.

Every rank has the whole model and draws the whole of each batch; it learns from its own rows, and adds its gradient to
those of the others. mpi4py is imported here alone, and only in a process that was started as one of several.
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
    """This process, `rank`, among the `size` of its job. One alone has all rows, and its sums are complete.

    `mpi` is the module, `world` and `meeting` are communicators: one to train with, one to meet outside of training.
    """

    rank: int = 0
    size: int = 1
    mpi: Any = None
    world: Any = None
    meeting: Any = None

    @property
    def is_first(self) -> bool:
        """Whether this is the rank that writes and prints."""
        return self.rank == 0

    def rows(self, count: int) -> slice:
        """This rank's rows of so many: neighbours, and of all ranks as many but for one."""
        return slice(ceil(count * self.rank / self.size), ceil(count * (self.rank + 1) / self.size))

    def add_up(self, numbers: Any) -> None:
        """Replace an array, in place, by the sum of those of all ranks.

        All get the same bits: MPI requires identical results of an all-reduce (MPI 4.1, section 6.9.6).
        """
        if self.size > 1:
            self.world.Allreduce(self.mpi.IN_PLACE, numbers, self.mpi.SUM)

    def share(self, numbers: Any, rows: slice) -> None:
        """Replace all rows of an array but these, which are this rank's, by those of the other ranks, in place."""
        if self.size > 1:
            numbers[: rows.start] = numbers[rows.stop :] = 0
            self.add_up(numbers)

    def largest(self, number: int) -> int:
        """The largest of what all ranks say."""
        if self.size == 1:
            return number
        numbers = array("i", [number])
        self.world.Allreduce(self.mpi.IN_PLACE, numbers, self.mpi.MAX)
        return numbers[0]

    def meet(self, exit_code: int, patience: float = inf) -> list[int]:
        """The exit codes that the ranks come here with, 0 where nothing is wrong.

        Empty if not all of them have come within so many seconds: the others are held up elsewhere.
        """
        if self.size == 1:
            return [exit_code]
        codes = array("i", [0] * self.size)
        request = self.meeting.Iallgather(array("i", [exit_code]), codes)
        deadline = time.monotonic() + patience
        while not request.Test():
            if time.monotonic() > deadline:
                return []
            time.sleep(POLL_SECONDS)
        return list(codes)

    def abort(self, exit_code: int) -> None:
        """End all ranks, wherever they are."""
        self.world.Abort(exit_code)


ALONE = Ranks()


def launched() -> tuple[int, int]:
    """Rank and size of this process by what its launcher says; without a launcher 0 and 1."""
    for rank, size in LAUNCHERS:
        if size in os.environ:
            return int(os.environ[rank]), int(os.environ[size])
    return 0, 1


@cache
def join() -> Ranks:
    """The ranks of the job that this process was started for; raises ConfigError if they cannot reach each other."""
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
