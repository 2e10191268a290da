"""Memory that a process keeps: no page is asked of the system again for what was freed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

CHURN = """
import resource
import sys
import numpy as np
from trm_np.training.allocator import keep_memory

if sys.argv[1] == "keep":
    assert keep_memory()

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

for _ in range(3):
    np.ones(40_000_000, np.uint8)
before = faults()
for _ in range(10):
    np.ones(40_000_000, np.uint8)
print(faults() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone can be told to")
def test_freed_memory_is_used_again_without_a_page_fault() -> None:
    """Forty megabytes, ten times over, are 97,657 pages of 4 KB, or 191 of 2 MB: more than glibc keeps by itself."""
    faults = {
        mode: int(subprocess.run([sys.executable, "-c", CHURN, mode], capture_output=True, check=True).stdout)
        for mode in ("keep", "give back")
    }
    assert faults["keep"] < 20 < 150 < faults["give back"]


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone can be told to")
def test_what_the_user_has_set_stays_so() -> None:
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "100000"}
    command = [sys.executable, "-c", CHURN, "keep"]
    done = subprocess.run(command, capture_output=True, check=True, env=environment)
    assert int(done.stdout) > 150


def test_without_ctypes_nothing_is_arranged_and_nothing_fails() -> None:
    code = "import sys; sys.modules['_ctypes'] = None; "
    code += "from trm_np.training.allocator import keep_memory; print(keep_memory())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "False\n"
