"""A file that is to take over is first loaded, and asked a question, in a process of its own with limits.

So a file with an unforeseen cost ends that process and not the server.
"""

import json
import os
import subprocess
import sys
from typing import Any

from trm_np.model.cost import MEMORY_OF_A_BYTE, MOST_MEMORY
from trm_np.storage.checkpoint import CheckpointError

PROGRAM = 2**27  # bytes that Python and NumPy take, rather too many
SECONDS = 30.0  # of a processor, and so many more for each million bytes of the files; ten times as long by the clock
SECONDS_OF_A_MILLION = 3.0
BEGIN = "import json, sys; given = json.load(sys.stdin); sys.path[:] = given.pop('path_of_imports'); "
CODE = BEGIN + "from trm_np.serve.trial import main; main(**given)"


class TrialError(ValueError):
    """The process that tried a file has refused it, or has failed."""


def tried(path: str, catalogue: str | None, trust: bool) -> str:
    """The digest of the model, once another process has loaded these files and answered; raises TrialError."""
    sizes = [os.path.getsize(each) for each in (path, catalogue) if each is not None and os.path.exists(each)]
    seconds = SECONDS + SECONDS_OF_A_MILLION * sum(sizes) / 1e6
    memory = None if trust else PROGRAM + MOST_MEMORY + 2 * MEMORY_OF_A_BYTE * sum(sizes)
    given = {"path": path, "catalogue": catalogue, "trust": trust, "memory": memory, "seconds": int(seconds)}
    try:
        done = subprocess.run(
            [sys.executable, "-c", CODE],
            input=json.dumps({"path_of_imports": sys.path, **given}),
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=10 * seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TrialError(f"{path}: not tried in a process of its own ({error})") from error
    try:
        reply: Any = json.loads(done.stdout)
    except ValueError:
        reason = f"the process that tried it ended with {done.returncode}"
        raise TrialError(
            f"{path}: it takes too much memory or time, or this Python is too old: {reason}"
        ) from None
    if "refused" in reply:
        raise TrialError(reply["refused"])
    return str(reply["sha256"])


def main(path: str, catalogue: str | None, trust: bool, memory: int | None, seconds: int) -> None:
    """Run in the other process: print the digest, or why the files are refused, as JSON."""
    from trm_np.data.problems import DataError
    from trm_np.serve.served import load
    from trm_np.systems import limit

    limit(memory, seconds)
    try:
        found = {"sha256": load(path, catalogue, trust).health["sha256"]}
    except (CheckpointError, DataError) as error:
        found = {"refused": str(error)}
    print(json.dumps(found))
