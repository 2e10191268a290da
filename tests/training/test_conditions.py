"""Conditions that decide the last bit are recorded, and differences between them are reported."""

import os
import subprocess
import sys

import pytest

from tests.waiting import HANG
from trm_np.training.conditions import conditions, differences, kernel

SHOWN = "from trm_np.training.conditions import kernel; print(kernel())"


def kernel_as(name: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", SHOWN],
        env={**os.environ, "OPENBLAS_CORETYPE": name},
        capture_output=True,
        text=True,
        check=True,
        timeout=HANG,
    )
    return done.stdout.strip()


@pytest.mark.skipif(kernel() == "not known", reason="a NumPy whose linear algebra does not say")
def test_another_kernel_of_openblas_is_another_condition() -> None:
    kernels = {kernel_as("Nehalem"), kernel_as("Prescott")}
    assert len(kernels) == 2 or conditions(1)["machine"].split()[1] != "x86_64"
    now = conditions(1)
    assert differences(now | {"kernel": "another"}, now) == [f"kernel was another, now {kernel()}"]


def test_what_an_earlier_version_did_not_record_is_not_known_to_differ() -> None:
    now = conditions(1)
    before = {name: value for name, value in now.items() if name != "kernel"}
    assert differences(before, now) == differences(now, now) == []
