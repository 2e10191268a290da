"""Rules for all tests: no clock decides, and the same bits come out on any machine."""

import gc
import os
import pkgutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings

from tests.background import hear_signals
from tests.once import once

# One thread for linear algebra: the arrays of the tests are small.
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(name, "1")

hear_signals()

# How long an example takes depends on who else uses the machine; tests/test_clocks.py keeps other settings out.
# A property is tried on 20 examples, and on Hypothesis's 100 by .ci/run: --hypothesis-profile=thorough.
settings.register_profile("thorough", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", settings.get_profile("thorough"), max_examples=20)
settings.load_profile("quick")


# Files that take long, the longest first: in the end no process is left alone with one of them.
LONGEST = (
    "tests/test_docs.py",
    "tests/lab/test_plots.py",
    "tests/test_book.py",
    "tests/reliability/test_kills.py",
    "tests/mpi/test_mpi.py",
    "tests/browser/test_page.py",
    "tests/executors/test_dask.py",
    "tests/autograd/test_mutations.py",
    "tests/hostile/test_hostile.py",
    "tests/cli/test_commands.py",
)


assert all((Path(__file__).parents[1] / file).exists() for file in LONGEST)


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_xdist_make_scheduler(config: Any, log: Any) -> Any:
    """The tests of a file run in one process, where the models and files that they share are made once."""
    from xdist.scheduler import LoadFileScheduling

    class LongestFirst(LoadFileScheduling):
        def _assign_work_unit(self, node: Any) -> None:
            for file in LONGEST:
                if file in self.workqueue:
                    self.workqueue.move_to_end(file, last=False)
                    break
            super()._assign_work_unit(node)

    return LongestFirst(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On Windows, also where it is only simulated, leave out what it does not promise."""
    if os.name == "nt" or "tests.windows" in sys.modules:
        for item in items:
            if item.get_closest_marker("posix"):
                item.add_marker(pytest.mark.skip(reason="promised on POSIX alone"))


FROM_THE_DATA = (
    "trm_np.evaluation.baselines.best_lists",
    "trm_np.evaluation.compare.learnt_predictions",
    "trm_np.evaluation.compare.random_metrics",
    "trm_np.evaluation.linear.logistic_weights",
    "trm_np.evaluation.metrics.best_lists",
    "trm_np.training.practice.infer_votes",
)


def pytest_collection_finish() -> None:
    """Have no garbage collection look at the modules and tests again, which stay to the end."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def computed_once() -> Iterator[None]:
    """Most small runs have the same data: what follows from the data alone is computed once, not by each of them."""
    with ExitStack() as patches:
        for place in FROM_THE_DATA:
            patches.enter_context(patch(place, once(pkgutil.resolve_name(place))))
        yield


@pytest.fixture
def computed_anew(computed_once: None) -> Iterator[None]:
    """Nothing is remembered from another run: for tests of equal bits."""
    with ExitStack() as patches:
        for place in FROM_THE_DATA:
            patches.enter_context(patch(place, pkgutil.resolve_name(place).__wrapped__))
        yield
