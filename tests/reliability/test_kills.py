"""After any interruption a run ends with the same bytes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.reliability.kills import Training, kill_until_done, stop_until_done
from tests.training.small_run import SET

OPTIONS = [*SET, "--epochs", "12", "--set", "training.evaluate_every=1", "--set", "training.patience=none"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Files of a run that nothing interrupts."""
    training = Training(tmp_path_factory.mktemp("whole"), *OPTIONS)
    training.start().communicate()
    return training.results()


@pytest.mark.slow
@pytest.mark.parametrize("until_done", [kill_until_done, stop_until_done])
def test_a_run_that_is_ended_again_and_again_ends_with_the_same_bytes(
    until_done: Callable[..., tuple[int, list[str]]], whole: dict[str, bytes], tmp_path: Path
) -> None:
    training = Training(tmp_path / "a run's folder", *OPTIONS)
    times, broken = until_done(training, 0.8, np.random.default_rng(0))
    assert broken == []
    assert times > 0
    assert training.results() == whole


@pytest.mark.slow
def test_a_run_in_another_time_zone_locale_and_folder_writes_the_same_bytes(
    whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"PYTHONHASHSEED": "42", "TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONUTF8": "0"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    training = Training(Path("out"), *OPTIONS)
    training.start().communicate()
    assert training.results() == whole
