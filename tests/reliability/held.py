"""Run a script of bin/ whose training goes no further than its first epoch until a signal comes.

    python tests/reliability/held.py bin/trm-train --out FOLDER

So the signal is never too late, however slow whoever sends it is.
"""

import runpy
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[2]))
from trm_np.training.run import METRICS, FolderRun


def main() -> None:
    train = FolderRun.train

    def train_held(run: FolderRun, interrupted: Callable[[], bool], *rest: Any) -> dict[str, Any]:
        log = run.folder / METRICS

        def held() -> bool:
            while log.exists() and log.stat().st_size and not interrupted():
                time.sleep(0.01)
            return interrupted()

        return train(run, held, *rest)

    FolderRun.train = train_held  # type: ignore[method-assign, assignment]
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
