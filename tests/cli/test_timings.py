"""`trm-train --timings`: a table of the rules that a step calls, beside the results."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.training.small_run import SET
from trm_np.cli.threads import THREAD_SETTINGS
from trm_np.cli.train import train


def test_the_timings_name_the_rules_and_leaves_the_document_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in THREAD_SETTINGS:
        monkeypatch.setenv(name, "1")
    done = CliRunner().invoke(
        train, [*SET, "--epochs", "1", "--timings", "--json", "--out", str(tmp_path / "run")]
    )
    assert done.exit_code == 0
    assert json.loads(done.stdout)["epochs_run"] == 1
    for row in ("one step, by rule", "attention_sublayer", "outside the rules"):
        assert row in done.stderr
