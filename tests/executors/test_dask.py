"""A Dask cluster gives the same rows as this process, even if a worker is killed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.small_trials import run_trial, small_trials
from tests.recommend.stored_models import trained
from tests.waiting import HANG
from trm_np import Recommender
from trm_np.data.load import load_dataset
from trm_np.executors.dask import ClusterError, conditions, require_alike

ROOT = Path(__file__).resolve().parents[2]
ALIKE = {**conditions(), "BLAS threads": "1"}


def test_a_cluster_gives_the_bits_of_this_process() -> None:
    pytest.importorskip("distributed", reason="needs pip install -e '.[cluster]'")
    from tests.executors.on_a_cluster import PEOPLE

    program = [sys.executable, "-m", "tests.executors.on_a_cluster"]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False, timeout=HANG)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["rows"] == [run_trial(trial, load_dataset()) for trial in small_trials(seeds=4)]
    assert found["arrived"] == 8
    answers = [each.to_dict() for each in Recommender(trained()).recommend_many(PEOPLE)]
    assert found["many"] == json.loads(json.dumps(answers))
    numbered = [{"line": number} | answer for number, answer in enumerate(found["many"], 1)]
    assert [json.loads(line) for line in found["lines"].splitlines()] == numbered


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({}, "no workers"),
        ({"tcp://one": {**ALIKE, "trm_np": "0.0.1"}}, "worker tcp://one: trm_np 0.0.1, but"),
        ({"tcp://one": ALIKE, "tcp://two": {**ALIKE, "numpy": "1.0"}}, "worker tcp://two: numpy 1.0, but"),
        ({"tcp://one": {**ALIKE, "BLAS threads": "4"}}, "worker tcp://one: BLAS threads 4, but 1 is needed"),
    ],
)
def test_workers_with_other_conditions_are_refused(found: dict[str, dict[str, str]], said: str) -> None:
    with pytest.raises(ClusterError, match=said):
        require_alike(found)


def test_workers_with_the_same_conditions_are_accepted() -> None:
    require_alike({"tcp://one": ALIKE, "tcp://two": ALIKE})


@pytest.mark.parametrize(
    ("address", "error"), [("tcp://127.0.0.1:9", "OSError"), ("scheduler", "ValueError"), ("", "ValueError")]
)
def test_an_unreachable_cluster_is_reported_in_one_line(address: str, error: str, tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="needs pip install -e '.[cluster]'")
    program = [sys.executable, str(ROOT / "bin" / "trm"), "lab", "sweep", "--set", "loss.tool=0.1,0.2"]
    options = ["--dask", address, "--out", str(tmp_path)]
    done = subprocess.run([*program, *options], capture_output=True, text=True, check=False, timeout=HANG)
    assert done.returncode == 74
    assert done.stderr == f"Error: {address!r}: no Dask scheduler answers there ({error})\n"
