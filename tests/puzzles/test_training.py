"""Training on puzzles: every place at a step of its own, the same bits from the same seed, across interruptions too."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.puzzles.small_puzzles import TASK, new_run, sets, small, trainer
from tests.training.small_run import new_run as new_gift_run
from tests.training.small_run import small as small_gifts
from tests.training.small_run import written
from trm_np.config import ConfigError, flatten
from trm_np.puzzles import training
from trm_np.puzzles.config import PuzzleConfig, from_flat, resolve
from trm_np.puzzles.evaluating import trajectory_metrics
from trm_np.puzzles.model import Trajectory, unroll
from trm_np.puzzles.stored import load_puzzle_model
from trm_np.puzzles.sudoku import SUDOKU_6
from trm_np.storage.checkpoint import CheckpointError, load_model
from trm_np.storage.npz import npz_pieces, open_npz
from trm_np.training.divergence import Diverged
from trm_np.training.trainer import Interrupted

KNOWN = {TASK.name: TASK}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was never interrupted."""
    folder = tmp_path_factory.mktemp("finished")
    new_run(folder, small()).train()
    return folder


def after(updates: int) -> Callable[[], bool]:
    """Says that training should stop once so many updates are done."""
    asked = iter(range(updates))
    return lambda: next(asked, None) is None


# ---------------------------------------------------------------------------------------------- the batch


def test_a_place_takes_a_new_puzzle_once_its_own_is_finished() -> None:
    t = trainer(small(training__explore=0.0))
    batch = t.batch
    seen = []
    for _ in range(9):
        due = batch.finished.astype(bool)
        before = batch.questions.copy()
        t.refill()
        assert (batch.y[due] == 0).all()
        assert (batch.steps[due] == 0).all()
        assert (batch.questions[~due] == before[~due]).all()
        t.update()
        seen.append(batch.steps.max())
    assert max(seen) == t.config.model.supervision_steps
    assert not TASK.broken(batch.answers).any()
    assert (batch.questions == batch.answers)[batch.questions > 0].all()


def test_the_carry_is_handed_on_and_no_gradient_through_it() -> None:
    """An update from the carry of the one before is one from a copy of it."""
    t, other = trainer(small()), trainer(small())
    for each in (t, other):
        each.refill()
        each.update()
    other.batch = replace(other.batch, y=other.batch.y.copy(), z=other.batch.z.copy())
    for each in (t, other):
        each.update()
    assert (t.optimizer.weights == other.optimizer.weights).all()
    assert np.abs(t.batch.y).max() > 0


def test_thinking_ends_where_the_answer_seems_right_but_not_before_the_drawn_step() -> None:
    t = trainer(small())
    t.refill()
    t.learner.core.halt_head.bias.data[...] = -9, 9  # type: ignore[union-attr]
    t.batch.least[:] = [0, 0, 2, 3, 2]
    t.update()
    assert t.batch.finished.tolist() == [1, 1, 0, 0, 0]
    t.update()
    assert t.batch.finished.tolist() == [1, 1, 1, 0, 1]


def test_drawn_steps_are_rare_and_from_two_to_all() -> None:
    t = trainer(small(training__explore=0.25, training__batch_size=4000))
    t.refill()
    counts = np.bincount(t.batch.least, minlength=4) / 4000
    assert counts[1] == 0
    assert counts[[0, 2, 3]] == pytest.approx([0.75, 0.125, 0.125], abs=0.03)


def test_the_learning_rate_rises_and_falls() -> None:
    t = trainer(small(training__epochs=10, training__updates=10, training__warmup=10, training__final=0.2))
    rates = []
    for epoch in range(10):
        t.progress.epochs = epoch
        for update in range(10):
            t.progress.updates = update
            rates.append(t.learning_rate())
    assert rates[0] == pytest.approx(2e-4, rel=0.01)
    assert max(rates) == rates[9]
    assert rates[50] == pytest.approx(2e-3 * 0.6)
    assert rates[99] == pytest.approx(2e-3 * 0.2, rel=0.01)


# ------------------------------------------------------------------------------------------- the same bits


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(finished: Path, tmp_path: Path) -> None:
    for seed in (0, 1):
        new_run(tmp_path / str(seed), small(), seed).train()
    assert written(tmp_path / "0") == written(finished)
    assert written(tmp_path / "1")["best.npz"] != written(finished)["best.npz"]


@pytest.mark.parametrize("stops", [[0], [1], [4], [8], [9], [2, 3, 1]])
def test_a_run_interrupted_and_resumed_gives_the_same_bits(
    finished: Path, tmp_path: Path, stops: list[int]
) -> None:
    for place, updates in enumerate(stops):
        with pytest.raises(Interrupted):
            new_run(tmp_path, small(), resume=place > 0).train(after(updates))
    new_run(tmp_path, small(), resume=True).train()
    assert written(tmp_path) == written(finished)


def test_switching_augmentation_off_moves_no_other_dice() -> None:
    plain, twins = trainer(small(training__augment=False)), trainer(small())
    for t in (plain, twins):
        t.refill()
    drawn = {TASK.canonical(each) for each in plain.batch.questions}
    assert drawn == {TASK.canonical(each) for each in twins.batch.questions}
    assert all(any((each == known).all() for known in sets()[0].questions) for each in plain.batch.questions)
    assert (plain.learner.core.lm_head.weight.data == twins.learner.core.lm_head.weight.data).all()


def test_the_model_kept_is_the_average_of_the_best_evaluation(finished: Path) -> None:
    t = trainer(small())
    records = list(t.epochs())
    t.stopping.restore(t.model)
    stored = load_puzzle_model(finished / "best.npz", tasks=KNOWN)
    for one, other in zip(stored.model.parameters(), t.model.parameters(), strict=True):
        assert (one.data == other.data).all()
    log = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    assert log == json.loads(json.dumps(records))
    assert [("validation" in each) for each in log] == [False, True, True]


def test_boards_come_before_cells_and_of_equal_evaluations_the_newest_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    t = trainer(small())
    answers = t.validation.answers
    a_cell_wrong, a_board_wrong = answers.copy(), answers.copy()
    a_cell_wrong[0, 0] = 0
    a_board_wrong[0] = 0
    both_wrong = a_cell_wrong.copy()
    both_wrong[1, 0] = 0
    said = [
        a_board_wrong,
        both_wrong,
        a_cell_wrong,
        a_board_wrong,
        a_cell_wrong,
        answers,
        answers,
        a_cell_wrong,
    ]
    kept = []
    for epoch, boards in enumerate(said, 1):
        monkeypatch.setattr(training, "unroll", lambda *_, boards=boards: SimpleNamespace(boards=[boards]))
        t.evaluate(epoch)
        kept.append(t.stopping.state.best_epoch)
    assert kept == [1, 1, 3, 3, 5, 6, 7, 7]


def test_groups_by_difficulty_share_out_what_is_solved_after_the_steps_of_an_answer() -> None:
    """Thought about for longer than that, by a model that has every board right in the end."""
    puzzles = sets()[2]
    allowed, steps = 2, 4
    boards = np.repeat(puzzles.answers[None], steps, axis=0)
    boards[:allowed, 1:] = 0  # one board is right in time
    found = trajectory_metrics(
        Trajectory(boards, np.zeros((steps, len(puzzles)))), TASK, puzzles, allowed, steps
    )
    groups = found["solved_by_difficulty"]
    assert sum(group["solved"] * group["puzzles"] for group in groups) == pytest.approx(1)
    assert found["solved"] == pytest.approx(1 / len(puzzles))
    assert found["solved_by_steps"]["4"] == 1


def test_the_summary_says_what_the_model_can(finished: Path) -> None:
    summary = json.loads((finished / "summary.json").read_text())
    stored, (_, _, test) = load_puzzle_model(finished / "best.npz", tasks=KNOWN), sets()
    trajectory = unroll(stored.model, test.questions, 3)
    shares = (trajectory.boards == test.answers).all(axis=2).mean(axis=1)
    assert list(summary["solved_by_steps"].values()) == shares.tolist()
    assert list(summary["solved_by_steps"]) == ["1", "2", "3"]
    assert summary["solved"] == shares[2]
    assert sum(group["puzzles"] for group in summary["solved_by_difficulty"]) == len(test)
    assert summary["parameters"] == sum(p.size for p in stored.model.parameters())
    assert summary["singles_only"] == float((test.guesses == 0).mean())


@pytest.mark.parametrize(
    ("part", "what"),
    [("lm_head", "loss cells"), ("halt_head", "loss halting"), ("token_embedding", "loss cells")],
)
def test_a_number_that_is_not_finite_stops_training_before_anything_is_learnt_from_it(
    tmp_path: Path, part: str, what: str
) -> None:
    run = new_run(tmp_path, small())
    getattr(run.trainer.learner.core, part).weight.data[...] = np.nan
    before = run.trainer.optimizer.first_moment.copy()
    with pytest.raises(Diverged, match=f"^training diverged: {what} is nan in epoch 1, step 0$"):
        run.train()
    assert (run.trainer.optimizer.first_moment == before).all()
    assert not (tmp_path / "last.npz").exists()


def test_a_gradient_that_is_not_finite_stops_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run(tmp_path, small())
    monkeypatch.setattr("trm_np.puzzles.training.global_norm", lambda *_: float("inf"))
    with pytest.raises(Diverged, match="gradient norm is inf in epoch 1, step 0"):
        run.train()


# --------------------------------------------------------------------------------------------------- files


def altered(path: Path, folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """The file with another header, whole in every other way."""
    with open_npz(path) as file:
        header = {key: value for key, value in file.header.items() if key != "sha256"}
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files if name != "header"}
    change(header)
    made = folder / "altered.npz"
    made.write_bytes(b"".join(bytes(piece) for piece in npz_pieces(header, arrays)))
    return made


REFUSED = {
    "an unknown puzzle": (
        lambda h: h["task"].update(name="chess"),
        'found a puzzle named "chess"; known: sudoku4',
    ),
    "no puzzle": (lambda h: h.pop("task"), "found a puzzle named null; known: sudoku4"),
    "other symbols": (
        lambda h: h["task"].update(symbols=".abcd"),
        'found the puzzle {"name": "sudoku4", "symbols"',
    ),
    "a setting too many": (lambda h: h["config"].update({"model.x": 1}), "no setting named 'model.x'"),
    "a setting too few": (lambda h: h["config"].pop("model.cycles"), 'config lacks "model.cycles"'),
    "many blocks": (
        lambda h: h["config"].update({"model.core_blocks": 99999}),
        "model.core_blocks is more than",
    ),
    "wide": (lambda h: h["config"].update({"model.core_width": 100_000}), "100000|allocate"),
    "too wide": (lambda h: h["config"].update({"model.core_width": 10**9}), "must be from 1 to 100000"),
    "other heads": (lambda h: h["config"].update({"model.core_heads": 2}), "sudoku4 has masks for 4"),
    "a width that is text": (lambda h: h["config"].update({"model.core_width": "8"}), "must be an integer"),
    "no seed": (lambda h: h.pop("seed"), "seed is missing"),
    "metrics of text": (lambda h: h.update(metrics={"test": {"solved": "all"}}), "metrics is missing or not"),
    "another format": (lambda h: h.update(format=1), "found format 1; this program reads"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_a_file_that_says_something_else_is_refused(finished: Path, tmp_path: Path, fault: str) -> None:
    change, message = REFUSED[fault]
    with pytest.raises(CheckpointError, match=message) as refused:
        load_puzzle_model(altered(finished / "best.npz", tmp_path, change), tasks=KNOWN)
    assert "\n" not in str(refused.value)


def test_damage_anywhere_is_noticed(finished: Path, tmp_path: Path) -> None:
    content = (finished / "best.npz").read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.choice(len(content), 40, replace=False):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        (tmp_path / "damaged.npz").write_bytes(damaged)
        with pytest.raises(CheckpointError):
            load_puzzle_model(tmp_path / "damaged.npz", tasks=KNOWN)


def test_a_training_file_with_impossible_boards_is_refused(finished: Path, tmp_path: Path) -> None:
    run = new_run(tmp_path, small())
    with pytest.raises(Interrupted):
        run.train(after(5))
    run.trainer.batch.questions[0, 0] = 77
    run.save_last()
    with pytest.raises(CheckpointError, match="questions: found symbol 77; allowed: below 5"):
        new_run(tmp_path, small(), resume=True)


@pytest.mark.parametrize("resumed", [small(model__cycles=2), small(training__learning_rate=1e-3)])
def test_a_run_with_other_settings_is_not_resumed(tmp_path: Path, resumed: PuzzleConfig) -> None:
    with pytest.raises(Interrupted):
        new_run(tmp_path, small()).train(after(5))
    with pytest.raises(CheckpointError, match=r"cannot go on from another run|not the arrays"):
        new_run(tmp_path, resumed, resume=True)


def test_each_kind_of_model_is_refused_where_the_other_is_needed(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match='found kind "puzzle model"; needed here: "model"; it solves puzzles'
    ):
        load_model(finished / "best.npz")
    new_gift_run(tmp_path, small_gifts(training__epochs=1)).train()
    with pytest.raises(
        CheckpointError, match='"model"; needed here: "puzzle model"; it recommends gifts: trm recomm'
    ):
        load_puzzle_model(tmp_path / "best.npz")
    with pytest.raises(CheckpointError, match=r"last\.npz is there to --resume"):
        load_puzzle_model(finished / "last.npz")


# ------------------------------------------------------------------------------------------------ settings


def test_settings_come_back_from_a_file_as_they_were() -> None:
    config = small(model__cycles=3)
    assert from_flat(flatten(config)) == config
    assert resolve(PuzzleConfig(), {"training.epochs": "7"}).training.epochs == 7


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("model.core_wdth", "8", "did you mean model.core_width"),
        ("model.supervision_steps", "256", "must be from 1 to 255"),
        ("model.core_width", "10", "must be a multiple of model.core_heads"),
        ("training.epochs", "0", "must be from 1 to 100000"),
        ("training.epochs", "many", "must be an integer"),
        ("training.learning_rate", "nan", "must be from 0 to 1"),
        ("training.learning_rate", "2", "must be from 0 to 1"),
        ("training.clip_norm", "inf", "must be from 0 to 1000"),
        ("training.beta2", "1", "must be below 1"),
        ("training.explore", "1.5", "must be from 0 to 1"),
        ("training.clip_norm", "0", "nothing would be learnt"),
    ],
)
def test_a_bad_setting_is_refused(key: str, value: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve(PuzzleConfig(), {key: value})


def test_two_kinds_of_sudoku_do_not_mix(finished: Path) -> None:
    with pytest.raises(CheckpointError, match='found a puzzle named "sudoku4"; known: sudoku6'):
        load_puzzle_model(finished / "best.npz", tasks={SUDOKU_6.name: SUDOKU_6})
