"""`trm-train --timings`: a table of the rules that a step calls, beside the results."""

import json
import subprocess
import sys
from pathlib import Path

from tests.training.small_run import SET

BIN = Path(__file__).resolve().parents[2] / "bin" / "trm-train"


def test_the_timings_name_the_rules_and_leaves_the_document_alone(tmp_path: Path) -> None:
    options = [*SET, "--epochs", "1", "--timings", "--json", "--out", str(tmp_path / "run")]
    done = subprocess.run([sys.executable, str(BIN), *options], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["epochs_run"] == 1
    for row in ("one step, by rule", "attention_sublayer", "outside the rules"):
        assert row in done.stderr
