"""Rules for all tests: no clock decides, and the same bits come out on any machine."""

import os
import signal
import sys
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings

# One thread for linear algebra: the arrays of the tests are small.
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(name, "1")

# What the tests start hears signals, also where they themselves run under nohup or in the background: an ignored
# signal stays ignored in new processes, one that is handled does not.
for name in ("SIGINT", "SIGTERM", "SIGHUP"):
    number = getattr(signal, name, None)
    if number is not None and signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, lambda *_: None)

# How long an example takes depends on who else uses the machine; tests/test_clocks.py keeps other settings out.
# A property is tried on 20 examples, and on Hypothesis's 100 by .ci/run: --hypothesis-profile=thorough.
settings.register_profile("thorough", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", settings.get_profile("thorough"), max_examples=20)
settings.load_profile("quick")


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_xdist_make_scheduler(config: Any, log: Any) -> Any:
    """The tests of a file run in one process, where the models and files that they share are made once."""
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On Windows, also where it is only simulated, leave out what it does not promise."""
    if os.name == "nt" or "tests.windows" in sys.modules:
        for item in items:
            if item.get_closest_marker("posix"):
                item.add_marker(pytest.mark.skip(reason="promised on POSIX alone"))


@pytest.fixture(scope="session", autouse=True)
def fitted_once() -> Iterator[None]:
    """The linear baseline fits the same numbers once: a small run would take half its time for nothing else."""
    from trm_np.evaluation import linear

    fit, fitted = linear.logistic_weights, dict[Any, Any]()

    def weights(features: Any, labels: Any, strength: float) -> Any:
        key = (features.shape, features.tobytes(), labels.shape, labels.tobytes(), strength)
        if key not in fitted:
            fitted[key] = fit(features, labels, strength)
        return fitted[key].copy()

    with patch.object(linear, "logistic_weights", weights):
        yield
