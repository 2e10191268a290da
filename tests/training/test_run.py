"""A run in its folder: the same bits from the same seed, across interruptions too, and what the files say."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.small_run import dataset, new_run, records, small, trainer, written
from trm_np.autograd.ops import Array
from trm_np.config import switches
from trm_np.data.load import load_dataset
from trm_np.evaluation.compare import evaluate_stored
from trm_np.evaluation.predict import evaluate_model
from trm_np.evaluation.summary import TARGETS, summary_text
from trm_np.model.losses import TERMS
from trm_np.storage.checkpoint import CheckpointError, load_model
from trm_np.training.divergence import Diverged
from trm_np.training.run import OutputError, Run
from trm_np.training.trainer import Interrupted

METRICS = [
    *TARGETS,
    "category_recall_at_3",
    "category_precision_at_3",
    "category_ndcg_at_3",
    "tool_exact_rate",
    "reward_vs_best",
    "reward_spearman",
    "categories_in_use",
    "tools_in_use",
]
# Three epochs of three batches; evaluations after the second epoch and the third.
SHORT = {"training__epochs": 3, "training__evaluate_every": 2, "training__batch_size": 10}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was never interrupted."""
    folder = tmp_path_factory.mktemp("finished")
    new_run(folder, small(**SHORT)).train()
    return folder


def entries(path: Path) -> dict[str, Array]:
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def after(batches: int) -> Callable[[], bool]:
    """Says that training should stop once so many batches are done."""
    asked = iter(range(batches))
    return lambda: next(asked, None) is None


# ------------------------------------------------------------------------------------------- the same bits


@pytest.mark.usefixtures("computed_anew")
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(finished: Path, tmp_path: Path) -> None:
    for seed in (0, 1):
        new_run(tmp_path / str(seed), small(**SHORT), seed).train()
    assert written(tmp_path / "0") == written(finished)
    assert records(tmp_path / "1") != records(finished)
    ours, other = (entries(tmp_path / seed / "best.npz") for seed in ("0", "1"))
    assert list(ours) == list(other)
    assert any(not np.array_equal(ours[name], other[name]) for name in ours)


@pytest.mark.usefixtures("computed_anew")
@pytest.mark.parametrize(
    "stops",
    [*(pytest.param([stop], marks=pytest.mark.slow) for stop in (0, 1, 3, 5, 7)), [2, 3, 1]],
    ids=["at once", "in epoch 1", "between", "before an evaluation", "after one", "again and again"],
)
def test_a_run_interrupted_and_resumed_gives_the_same_bits(
    finished: Path, tmp_path: Path, stops: list[int]
) -> None:
    for place, batches in enumerate(stops):
        run = new_run(tmp_path, small(**SHORT), resume=place > 0)
        with pytest.raises(Interrupted):
            run.train(after(batches))
    new_run(tmp_path, small(**SHORT), resume=True).train()
    assert written(tmp_path) == written(finished)


def test_a_run_killed_after_its_last_save_loses_only_what_came_after(finished: Path, tmp_path: Path) -> None:
    epochs = new_run(tmp_path, small(**SHORT))
    with pytest.raises(RuntimeError, match="killed"):
        epochs.train(show=raise_at(epoch=2))
    with open(tmp_path / "metrics.jsonl", "a") as log:
        log.write('{"epoch": 3, "half')
    new_run(tmp_path, small(**SHORT), resume=True).train()
    assert written(tmp_path) == written(finished)


def raise_at(epoch: int) -> Callable[[dict[str, Any]], None]:
    def show(record: dict[str, Any]) -> None:
        if record["epoch"] == epoch:
            raise RuntimeError("killed")

    return show


def test_resuming_a_finished_run_trains_no_further(finished: Path, tmp_path: Path) -> None:
    new_run(tmp_path, small(**SHORT)).train()
    summary = new_run(tmp_path, small(**SHORT), resume=True).train(raise_at_once)
    assert summary["epochs_run"] == 3
    assert (tmp_path / "best.npz").read_bytes() == (finished / "best.npz").read_bytes()


def raise_at_once() -> bool:
    raise AssertionError("a finished run was trained")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.unlink(),
        pytest.param(lambda path: path.write_bytes(b"damaged"), marks=pytest.mark.slow),
    ],
)
def test_going_on_writes_the_best_model_anew(tmp_path: Path, spoil: Callable[[Path], Any]) -> None:
    with pytest.raises(Interrupted):
        new_run(tmp_path, small(**SHORT)).train(after(8))
    best, last = ((tmp_path / name).read_bytes() for name in ("best.npz", "last.npz"))
    spoil(tmp_path / "best.npz")
    with pytest.raises(Interrupted):
        new_run(tmp_path, small(**SHORT), resume=True).train(after(0))
    assert ((tmp_path / "best.npz").read_bytes(), (tmp_path / "last.npz").read_bytes()) == (best, last)


@pytest.mark.slow
def test_a_new_run_over_an_old_one_leaves_nothing_of_it(finished: Path, tmp_path: Path) -> None:
    new_run(tmp_path, small(training__epochs=5, training__evaluate_every=1), seed=5).train()
    new_run(tmp_path, small(**SHORT)).train()
    assert written(tmp_path) == written(finished)
    assert sorted(written(tmp_path)) == ["best.npz", "last.npz", "metrics.jsonl", "summary.json"]


@pytest.mark.parametrize(
    ("changed", "seed", "named"),
    [
        ({"loss__tool": 0.5}, 0, "loss.tool is 0.25, not 0.5"),
        ({"training__epochs": 9}, 0, "training.epochs is 3, not 9"),
        ({"model__user_width": 8}, 0, "model.user_width is 4, not 8"),
        ({}, 1, "seed is 0, not 1"),
    ],
)
def test_going_on_as_another_run_is_refused(
    tmp_path: Path, changed: dict[str, Any], seed: int, named: str
) -> None:
    with pytest.raises(Interrupted):
        new_run(tmp_path, small(**SHORT)).train(after(1))
    before = written(tmp_path)
    with pytest.raises(CheckpointError) as refused:
        new_run(tmp_path, small(**{**SHORT, **changed}), seed, resume=True)
    assert named in str(refused.value)
    assert written(tmp_path) == before


def test_going_on_with_other_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        new_run(tmp_path, small(**SHORT)).train(after(1))
    data = dataset()
    for name, other in (("train", data.train[::-1]), ("test", data.test[1:]), ("gifts", data.gifts[1:])):
        with pytest.raises(CheckpointError, match=f"other {name} data"):
            Run(small(**SHORT), replace(data, **{name: other}), 0, tmp_path, resume=True)


def test_other_synonyms_are_no_other_run_and_the_model_has_the_newest(finished: Path, tmp_path: Path) -> None:
    data = dataset()
    plain = replace(data, vocabulary=replace(data.vocabulary, synonyms={}))
    with pytest.raises(Interrupted):
        Run(small(**SHORT), plain, 0, tmp_path).train(after(5))
    assert b'"synonyms"' not in (tmp_path / "last.npz").read_bytes()
    new_run(tmp_path, small(**SHORT), resume=True).train()
    assert (tmp_path / "best.npz").read_bytes() == (finished / "best.npz").read_bytes()
    assert load_model(tmp_path / "best.npz").vocabulary.synonyms == data.vocabulary.synonyms


def test_a_log_that_lost_lines_is_not_gone_on_with(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        new_run(tmp_path, small(**SHORT)).train(after(4))
    (tmp_path / "metrics.jsonl").write_text("")
    with pytest.raises(CheckpointError, match="shorter"):
        new_run(tmp_path, small(**SHORT), resume=True)


# --------------------------------------------------------------------------------------- what is kept


@pytest.mark.parametrize(
    "off",
    [(), pytest.param(("early_stopping",), marks=pytest.mark.slow)],
    ids=["the best", "the newest"],
)
def test_the_model_kept_is_the_one_that_the_summary_tells_of(tmp_path: Path, off: tuple[str, ...]) -> None:
    config = small(*off, training__epochs=4, training__evaluate_every=1)
    summary = Run(config, load_dataset(), 0, tmp_path).train()
    evaluated = {record["epoch"]: record["validation"] for record in records(tmp_path)}
    qualities = [evaluated[epoch]["recommendation_quality"] for epoch in sorted(evaluated)]
    best = len(qualities) if off else qualities.index(max(qualities)) + 1

    assert summary["best_epoch"] == best
    stored = load_model(tmp_path / "best.npz")
    again = evaluate_stored(stored, None)
    assert again["test"] == summary["test"] == stored.header["metrics"]["test"]
    assert again["validation"] == summary["validation"]
    assert again["baselines"] == summary["baselines"]
    assert {name: evaluated[best][name] for name in METRICS} == summary["validation"]


@pytest.mark.parametrize("ending", ["interrupted", "diverged"])
def test_the_best_weights_are_restored_whatever_ended_training(tmp_path: Path, ending: str) -> None:
    run = new_run(tmp_path, small(training__epochs=9, training__evaluate_every=1, training__batch_size=25))
    model = run.trainer.model

    def spoil(record: dict[str, Any]) -> None:
        if record["epoch"] == 2 and ending == "diverged":
            model.user_profiling.encoder[0].weight.data[...] = np.nan

    with pytest.raises(Interrupted if ending == "interrupted" else Diverged):
        run.train(after(3) if ending == "interrupted" else lambda: False, spoil)
    kept = run.trainer.stopping.best_weights
    assert kept
    assert all(np.array_equal(value, kept[name]) for name, value in model.state_dict().items())
    stored = load_model(tmp_path / "best.npz").model.state_dict()
    assert all(np.array_equal(value, kept[name]) for name, value in stored.items())
    assert not (tmp_path / "summary.json").exists()


# -------------------------------------------------------------------------------------- what is written


def test_metrics_has_one_object_for_each_epoch(finished: Path) -> None:
    lines = records(finished)
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    components = [
        name for name, rate in vars(small().learning_rate).items() if rate
    ]  # no choices, no experience
    for line in lines:
        keys = ["epoch", "learning_rate", "losses", "weighted", "total"]
        assert list(line) == keys + (["validation"] if line["epoch"] > 1 else [])
        assert list(line["learning_rate"]) == components
        assert list(line["losses"]) == list(line["weighted"]) == list(TERMS)
        weights = vars(small().loss)
        assert line["weighted"] == pytest.approx({n: weights[n] * line["losses"][n] for n in TERMS})
        assert line["total"] == pytest.approx(sum(line["weighted"].values()), rel=1e-5)
    validation = lines[-1]["validation"]
    assert sorted(validation) == sorted([*METRICS, "losses"])
    assert sorted(validation["losses"]) == sorted([*TERMS, "total"])
    times = [json.loads(line) for line in (finished / "times.jsonl").read_text().splitlines()]
    assert [list(time) for time in times] == [["epoch", "seconds"]] * 3
    assert all(before["seconds"] < after["seconds"] for before, after in pairwise(times))


def test_summary_says_what_came_of_it(finished: Path) -> None:
    summary = json.loads((finished / "summary.json").read_text())
    assert summary["preset"] == "tiny"
    assert (summary["seed"], summary["epochs_run"], summary["stopped_by"]) == (0, 3, "epochs")
    assert summary["best_epoch"] in (2, 3)
    assert summary["parameters"] == sum(
        array.size for name, array in entries(finished / "best.npz").items() if name.startswith("weights.")
    )
    assert all(summary["switches"].values()) and len(summary["switches"]) == 8
    for split in ("validation", "test"):
        assert sorted(summary[split]) == sorted(METRICS)
    assert list(summary["baselines"]) == [
        *("random", "popularity", "nearest_neighbour", "linear", "oracle", "untrained")
    ]
    for metrics in summary["baselines"].values():
        assert sorted({*metrics, "generalization_gap"}) == sorted(METRICS)
    start = trainer(small(**SHORT))
    task = start.task
    untrained, *_ = evaluate_model(start.model, task.test, task, start.config.loss)
    assert summary["baselines"]["untrained"] == untrained != summary["test"]
    assert all(len(line) < 100 for line in summary_text({**summary, "seconds": 1.0}).splitlines())


def test_the_text_tells_met_from_missed(finished: Path) -> None:
    summary = json.loads((finished / "summary.json").read_text())
    at_the_bound = {name: bound for name, (_, bound) in TARGETS.items()}
    text = summary_text({**summary, "seconds": 1.0, "test": {**summary["test"], **at_the_bound}})
    rows = [line for line in text.splitlines() if "≥" in line or "<" in line]
    assert [" met " in row for row in rows] == [True, True, True, True, False]
    assert " missed " in rows[4]


@pytest.mark.parametrize("off", [(), ("dropout",), ("early_stopping", "data_diversity")])
def test_switches_are_read_off_the_settings(off: tuple[str, ...]) -> None:
    assert [name for name, on in switches(small(*off)).items() if not on] == sorted(
        off, key=list(switches(small())).index
    )


def test_a_folder_that_cannot_be_made_is_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OutputError):
            new_run(folder, small(**SHORT))
    (tmp_path / "taken" / "best.npz").mkdir(parents=True)
    with pytest.raises(OutputError):
        new_run(tmp_path / "taken", small(**SHORT))
    assert (tmp_path / "file").read_text() == "mine"


def test_a_seed_of_numpy_is_written_as_any_other(tmp_path: Path) -> None:
    seed: Any = np.int64(3)
    Run(small(training__epochs=1), dataset(), seed, tmp_path).train()
    assert json.loads((tmp_path / "summary.json").read_text())["seed"] == 3
    assert load_model(tmp_path / "best.npz").header["seed"] == 3


def test_one_held_out_list_is_said_to_serve_as_both(tmp_path: Path) -> None:
    data = replace(dataset(), test=dataset().validation)
    summary = Run(small(training__epochs=1), data, 0, tmp_path).train()
    assert summary["test_is_validation"] is True
    assert summary["test"] == summary["validation"]
    assert "one list serves as validation and as test" in summary_text(summary)


def test_a_run_that_is_refused_takes_nothing_away(tmp_path: Path) -> None:
    (tmp_path / "best.npz").write_bytes(b"of an earlier run")
    (tmp_path / "last.npz").mkdir()
    with pytest.raises(OutputError, match=r"last\.npz is a folder"):
        new_run(tmp_path, small())
    assert (tmp_path / "best.npz").read_bytes() == b"of an earlier run"


def test_a_log_of_negative_length_is_refused_before_anything_is_taken_away(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    stored = load_model(tmp_path / "last.npz", kind="training")
    stored.header["log_length"] = -5
    monkeypatch.setattr("trm_np.training.run.load_model", lambda *_, **__: stored)
    with pytest.raises(CheckpointError, match="log_length is -5"):
        new_run(tmp_path, small(**SHORT), resume=True)
    assert (tmp_path / "summary.json").exists()
