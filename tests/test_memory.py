"""Memory that a process keeps: no page is asked of the system again for what was freed."""

import subprocess
import sys

import pytest

CHURN = """
import resource
import sys
import numpy as np
from trm_np.memory import keep_memory

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
