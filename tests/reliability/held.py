"""Run a script of bin/ whose training goes no further than its first epoch until a signal comes.

    python tests/reliability/held.py bin/trm-train --out FOLDER

So the signal is never too late, however slow whoever sends it is.
"""

import runpy
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))
from trm_np.cli.train import Signals
from trm_np.run import METRICS


def main() -> None:
    del sys.argv[0]
    log = Path(sys.argv[sys.argv.index("--out") + 1]) / METRICS
    pending = Signals.pending

    def held(signals: Signals) -> bool:
        while log.exists() and log.stat().st_size and not pending(signals):
            time.sleep(0.01)
        return pending(signals)

    Signals.pending = held  # type: ignore[method-assign]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
