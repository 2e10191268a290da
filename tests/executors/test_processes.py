"""Worker processes end with their parent, however it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import HANG, wait_until
from trm_np.executors.processes import local_processes

ROOT = Path(__file__).resolve().parents[2]
DESCRIPTORS = Path("/proc/self/fd")
PARENT = """
import sys
from tests.executors.test_processes import wait_in
from trm_np.executors.processes import local_processes

with local_processes(2) as executor:
    for future in [executor.submit(wait_in, sys.argv[1]) for _ in range(2)]:
        future.result()
"""


def wait_in(folder: str) -> None:
    """Report the id of this process, and wait forever."""
    Path(folder, str(os.getpid())).touch()
    wait_until(lambda: False)


def is_running(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{number}/stat")
    # Nobody waits for it.
    return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")


def lose_this_process(code: int) -> None:
    os._exit(code)


@pytest.mark.skipif(not DESCRIPTORS.exists(), reason="open files are counted on Linux")
@pytest.mark.slow
def test_the_error_of_a_lost_process_keeps_no_file_open() -> None:
    with local_processes(1) as executor:
        errors, counts = [], []
        for code in (1, 2, 3):
            errors.append(executor.submit(lose_this_process, code).exception())
            counts.append(len(list(DESCRIPTORS.iterdir())))
    assert [str(error) for error in errors] == [
        f"its process was lost (exit code {code})" for code in (1, 2, 3)
    ]
    assert len(set(counts)) == 1


@pytest.mark.posix
def test_when_the_parent_is_killed_its_workers_end(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path)]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}) as parent:
        wait_until(lambda: len(list(tmp_path.iterdir())) == 2)
        workers = [int(path.name) for path in tmp_path.iterdir()]
        assert all(map(is_running, workers))
        parent.send_signal(signal.SIGKILL)
        parent.wait(HANG)
    wait_until(lambda: not any(map(is_running, workers)))
