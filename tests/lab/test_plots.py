"""The pictures of the lab show the measured figures, with the same bytes each time."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from docs.figures import comparison, drawings
from docs.figures.experiments import EXPERIMENTS
from docs.figures.pictures import PICTURES
from tests.lab.small_trials import made_up, row
from tests.training.small_run import SET
from trm_np.cli import trm
from trm_np.cli.threads import THREAD_SETTINGS
from trm_np.config import SWITCHES, flatten
from trm_np.data.encode import encode_profiles
from trm_np.data.load import load_dataset
from trm_np.data.tables import profile_table
from trm_np.extras import needs_extra
from trm_np.lab.effects import RANGES, SHARE, Effect, verdict
from trm_np.lab.grid import grid
from trm_np.lab.plots import confusion, curves, forest, recursion, rewards
from trm_np.lab.plots.confusion import confusion_shares
from trm_np.lab.plots.curves import MEASURES, draw_curves, falls, training, validation
from trm_np.lab.plots.figures import read_effects
from trm_np.lab.plots.forest import draw_forest
from trm_np.lab.plots.recursion import Trace, spread, trace_recursion
from trm_np.lab.tables import SHORT
from trm_np.model.losses import TERMS
from trm_np.model.trm import HALT, state_vector
from trm_np.storage.checkpoint import load_model

pytest.importorskip("matplotlib", reason="the pictures need matplotlib")
QUICK = ("--epochs", "4", "--set", "training.evaluate_every=2")
RUN = ("curves", "confusion", "rewards", "recursion")


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in THREAD_SETTINGS:
        monkeypatch.setenv(name, "1")


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "run"
    result = trm_command("train", *SET, *QUICK, "--quiet", "--out", folder)
    assert (result.exit_code, result.output) == (0, "")
    return folder


@contextmanager
def drawing() -> Iterator[list[Any]]:
    """The figures that are drawn meanwhile, in order."""
    figures: list[Any] = []

    def save(figure: Any, path: Path, kinds: tuple[str, ...] = ()) -> list[Path]:
        figure.draw_without_rendering()
        figures.append(figure)
        return []

    with ExitStack() as patches:
        for module in (comparison, confusion, curves, drawings, forest, recursion, rewards):
            patches.enter_context(patch.object(module, "save", save))
        yield figures


@pytest.fixture
def drawn() -> Iterator[list[Any]]:
    with drawing() as figures:
        yield figures


@cache
def figure_of(name: str) -> Any:
    """The figure of a picture."""
    with drawing() as figures:
        pictures()[name](Path("x"))
    (figure,) = figures
    return figure


def trm_command(*args: str | Path) -> Result:
    return CliRunner().invoke(trm, [str(arg) for arg in args])


def record(epoch: int, rate: float = 1e-4, evaluated: bool = False) -> dict[str, Any]:
    losses = {name: place + 1 / epoch for place, name in enumerate(TERMS)}
    held_out = {"losses": {**{name: 100 + loss for name, loss in losses.items()}, "total": 200 + epoch}}
    return {
        "epoch": epoch,
        "learning_rate": {"core": rate, "tool_selection": 1.5 * rate},
        "losses": losses,
        "total": 50.0 + epoch,
        **({"validation": held_out} if evaluated else {}),
    }


def effect(switch: str = "dropout", among: str = "all on", metric: str = "", **interval: float) -> Effect:
    low, high = interval.get("low", -0.1), interval.get("high", 0.1)
    mean = (low + high) / 2 if np.isfinite(high) else 0.0
    return Effect(
        switch, among, metric or SHORT[0], mean, low, high, 3, verdict(metric or SHORT[0], low, high)
    )


def trace(recursions: int = 4, categories: int = 13, tools: int = 5) -> Trace:
    rng = np.random.default_rng(0)
    return Trace(
        categories=rng.random((recursions + 1, categories)),
        tools=rng.random((recursions + 1, tools)),
        halting=rng.random(recursions + 1),
        change=rng.random(recursions) + 0.01,
        cycles=2,
        trained=1,
        halted=1,
    )


SCENARIO = load_dataset().test[0]
CATEGORIES, TOOLS = load_dataset().vocabulary.categories, load_dataset().vocabulary.tools


@cache
def pictures() -> dict[str, Callable[[Path], list[Path]]]:
    """All drawings, with small data."""
    rng = np.random.default_rng(0)
    scores, expected = rng.random((6, 5)), (rng.random((6, 5)) < 0.4).astype(float)
    predicted, true, correlation = rng.random((6, 7)), rng.random((6, 7)), rng.random(6)
    records = [record(epoch, 1e-4 if epoch < 3 else 5e-5, epoch % 2 == 0) for epoch in range(1, 6)]
    found = [
        effect(switch, among, metric) for switch in SWITCHES for among in forest.MARKERS for metric in SHORT
    ]
    chosen = predicted.argmax(axis=1)
    rows = {name: made_up(experiment, "") for name, experiment in EXPERIMENTS.items()}
    drawn_elsewhere = {"recursion_steps", "graph"}  # by a model, and without matplotlib
    return {
        **{
            name: partial(picture.draw, rows)
            for name, picture in PICTURES.items()
            if name not in drawn_elsewhere
        },
        "curves": lambda path: draw_curves(records, 4, path),
        "forest": lambda path: draw_forest(found, path),
        "confusion": lambda path: confusion.draw_confusion(scores, expected, list("abcde"), path),
        "rewards": lambda path: rewards.draw_rewards(predicted, true, chosen, correlation, path),
        "recursion": lambda path: recursion.draw_recursion(trace(), SCENARIO, CATEGORIES, TOOLS, path),
    }


# ------------------------------------------------------------------------------------------- every one


@pytest.mark.parametrize("name", pictures())
def test_equal_data_give_equal_bytes_whatever_the_user_settings(name: str, tmp_path: Path) -> None:
    import matplotlib

    draw = pictures()[name]
    first = draw(tmp_path / "first")
    assert [path.name for path in first] == ["first.svg", "first.png"]
    with matplotlib.rc_context({"axes.facecolor": "red", "font.size": 20, "savefig.dpi": 10}):
        second = draw(tmp_path / "second")
        assert matplotlib.rcParams["font.size"] == 20
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert first[0].read_bytes().startswith(b"<?xml") and first[1].read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", pictures())
def test_every_axis_with_ticks_has_a_label(name: str) -> None:
    figure = figure_of(name)
    for axes in figure.axes:
        rows_are_named_in_full = name in ("ends", "depth", "optimizer")
        for axis in (axes.xaxis,) if rows_are_named_in_full else (axes.xaxis, axes.yaxis):
            if any(tick.label1.get_visible() and tick.label1.get_text() for tick in axis.get_major_ticks()):
                of_all = figure.get_supxlabel() if axis is axes.xaxis else figure.get_supylabel()
                assert axis.get_label_text() or of_all, (name, axes.get_title(loc="left"))


@pytest.mark.parametrize("name", pictures())
def test_nothing_is_cut_off(name: str) -> None:
    figure = figure_of(name)
    words, page = figure.get_tightbbox(), figure.bbox_inches
    assert words.x0 >= 0 and words.y0 >= 0 and words.x1 <= page.x1 + 1e-6 and words.y1 <= page.y1 + 1e-6


# ---------------------------------------------------------------------------- what may be compared by eye


@given(st.floats(0, 1), st.floats(0, 2), st.floats(0, 2))
def test_error_bars_are_clipped_to_the_range_of_a_rate(mean: float, below: float, above: float) -> None:
    ((down,), (up,)) = comparison.reach([(mean, mean - below, mean + above)], 0.0, 1.0)
    assert mean - down == pytest.approx(max(mean - below, 0))
    assert mean + up == pytest.approx(min(mean + above, 1))


def test_error_bars_of_at_most_one_seed_have_no_length() -> None:
    bars = comparison.reach([(0.4, -np.inf, np.inf), (np.nan, np.nan, np.nan)], 0.0, 1.0)
    assert bars.tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("metric", ["tool_exact_rate", "reward_spearman", "generalization_gap"])
def test_no_bar_of_a_picture_leaves_the_range_of_its_metric(
    metric: str, drawn: list[Any], tmp_path: Path
) -> None:
    """Two seeds far apart have an interval wider than the range of the metric."""
    least, most = RANGES.get(metric, SHARE)
    rows = [row("a", seed, {metric: value}) for seed, value in enumerate((0.1, 0.9))]
    comparison.draw_comparison(rows, [metric], tmp_path / "x", "a")
    comparison.draw_against({"": ([1.0], rows, ["a"])}, "quantity", [metric], tmp_path / "x")
    for figure, across in zip(drawn, (0, 1), strict=True):
        (axes,) = figure.axes
        (bar,) = (container for container in axes.containers)
        ends = bar.lines[2][0].get_segments()[0][:, across]
        assert ends == pytest.approx([least, min(most, 0.5 + 0.4 * 12.706)], abs=1e-3)


def test_counts_of_epochs_and_evaluations_have_no_bar_below_one(drawn: list[Any], tmp_path: Path) -> None:
    rows = [
        {**row("5", seed, {}), "best_epoch": kept, "epochs_run": 85, "curve": [{}] * 17}
        for seed, kept in enumerate((1, 1, 9))
    ]
    drawings.draw_evaluations(rows, tmp_path / "x")
    for axes in drawn[0].axes:
        for bar in axes.containers:
            assert bar.lines[2][0].get_segments()[0][:, 1].min() >= 1


def test_a_difference_of_rates_has_no_bar_beyond_one(drawn: list[Any], tmp_path: Path) -> None:
    draw_forest([effect(metric="tool_exact_rate", low=-1.4, high=1.6)], tmp_path / "x")
    bar = drawn[0].axes[SHORT.index("tool_exact_rate")].lines[1]
    assert bar.get_xdata().tolist() == [-1, 1]


def test_both_panels_of_a_plateau_share_their_epochs() -> None:
    above, below = figure_of("plateau").axes
    assert above.get_xlim() == below.get_xlim()
    assert above.get_position().x0 == pytest.approx(below.get_position().x0)
    assert above.get_position().x1 == pytest.approx(below.get_position().x1)


def test_the_panels_of_all_groups_share_one_scale() -> None:
    assert len({(axes.get_xlim(), axes.get_ylim()) for axes in figure_of("learning_rates").axes}) == 1


def test_no_curve_of_a_gradient_check_crosses_text() -> None:
    (axes,) = figure_of("gradient_check").axes
    words = [*axes.texts, *axes.get_legend().get_texts()]
    assert words
    for text in words:
        for line in axes.lines:
            path = line.get_path().transformed(line.get_transform())
            assert not path.intersects_bbox(text.get_window_extent(), filled=False), text.get_text()


@pytest.mark.parametrize(
    ("name", "entries"),
    [
        ("augmentation", {"budget of a training scenario", "border of two tiers"}),
        ("learning_rates", {"as shipped", "least to most of the seeds", "mean of the seeds"}),
        ("plateau", {"improves", "bad"}),
    ],
)
def test_marks_without_an_explanation_in_the_title_have_a_legend(name: str, entries: set[str]) -> None:
    figure = figure_of(name)
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]
    assert {text.get_text() for legend in legends for text in legend.get_texts()} == entries
    for legend in legends:
        for text in figure.texts:
            assert not legend.get_window_extent().overlaps(text.get_window_extent()), text.get_text()


# --------------------------------------------------------------------------------------------- curves


def test_a_fall_is_the_first_epoch_at_a_lower_rate() -> None:
    rates = [1e-4, 1e-4, 5e-5, 5e-5, 5e-5, 2.5e-5]
    assert falls([record(epoch, rate) for epoch, rate in enumerate(rates, 1)]) == [(3, 0.5), (6, 0.25)]


def test_a_constant_or_rising_rate_has_no_fall() -> None:
    assert falls([record(1), record(2), record(3, 2e-4)]) == []


def test_the_largest_remaining_share_of_all_components_counts() -> None:
    first, second, third = record(1), record(2), record(3)
    second["learning_rate"]["core"] /= 2
    third["learning_rate"] = {"core": 2.5e-5, "tool_selection": 1.125e-4}
    assert falls([first, second, third]) == [(3, pytest.approx(0.75))]


def test_curves_have_the_terms_in_order_and_the_total() -> None:
    assert list(MEASURES) == [*TERMS, "total"]


def test_validation_is_drawn_at_evaluations_and_never_for_masked_tokens() -> None:
    records = [record(1), record(2, evaluated=True), record(3)]
    assert training(records, "category") == [(1, 1.0), (2, 0.5), (3, pytest.approx(1 / 3))]
    assert validation(records, "category") == [(2, 100.5)]
    assert validation(records, "total") == [(2, 202.0)]
    assert validation(records, "masked_tokens") == []


def test_each_panel_shows_its_term_the_epoch_kept_and_the_falls(drawn: list[Any], tmp_path: Path) -> None:
    records = [record(epoch, 1e-4 if epoch < 4 else 5e-5, epoch % 2 == 0) for epoch in range(1, 6)]
    draw_curves(records, 4, tmp_path / "x")
    (figure,) = drawn
    shown = [axes for axes in figure.axes if axes.get_visible()]
    for axes, name in zip(shown, MEASURES, strict=True):
        upright = [line.get_xdata()[0] for line in axes.lines if len(set(line.get_xdata())) == 1]
        assert upright == [4, 3.5], "the epoch kept, and the border between epochs 3 and 4"
        told = axes.lines[0]
        assert list(zip(told.get_xdata(), told.get_ydata(), strict=True)) == training(records, name)
    assert [text.get_text() for text in shown[-1].texts] == ["×0.5"]


# --------------------------------------------------------------------------------------------- forest


@pytest.mark.parametrize(
    ("low", "high", "is_filled"),
    [(0.1, 0.3, True), (-0.3, -0.1, True), (-0.1, 0.3, False), (0.0, 0.3, False), (0.0, 0.0, False)],
)
@pytest.mark.parametrize("metric", [SHORT[0], "generalization_gap"])
def test_a_marker_is_filled_if_and_only_if_the_interval_excludes_zero(
    metric: str, low: float, high: float, is_filled: bool, drawn: list[Any], tmp_path: Path
) -> None:
    draw_forest([effect(metric=metric, low=low, high=high)], tmp_path / "x")
    (marker,) = markers(drawn[0].axes[SHORT.index(metric)])
    assert marker.get_markerfacecolor() == ("#000000" if is_filled else "white")


def test_one_seed_has_a_hollow_marker_and_no_interval(drawn: list[Any], tmp_path: Path) -> None:
    draw_forest([effect(low=-np.inf, high=np.inf)], tmp_path / "x")
    axes = drawn[0].axes[0]
    (marker,) = markers(axes)
    assert marker.get_markerfacecolor() == "white"
    assert len(axes.lines) == 2, "zero and the marker"


def test_each_switch_has_a_row_with_two_markers(drawn: list[Any], tmp_path: Path) -> None:
    found = [
        effect(switch, among, low=place, high=place + 1.0)
        for place, switch in enumerate(SWITCHES)
        for among in ("all on", "all off")
    ]
    draw_forest(found, tmp_path / "x")
    axes = drawn[0].axes[0]
    rows = [text.get_text().replace(" ", "_") for text in axes.get_yticklabels()]
    shown = [
        (rows[round(line.get_ydata()[0])], line.get_marker(), line.get_xdata()[0]) for line in markers(axes)
    ]
    assert rows == list(SWITCHES)
    assert shown == [(s, marker, place + 0.5) for place, s in enumerate(SWITCHES) for marker in ("o", "s")]
    top, *_, bottom = (axes.transData.transform((0, row))[1] for row in range(len(rows)))
    assert top > bottom


def test_the_axis_names_the_better_side(drawn: list[Any], tmp_path: Path) -> None:
    draw_forest([effect()], tmp_path / "x")
    for axes, metric in zip(drawn[0].axes, SHORT, strict=True):
        assert ("← better" if metric == "generalization_gap" else "better →") in axes.get_xlabel()


def markers(axes: Any) -> list[Any]:
    return [line for line in axes.lines if line.get_marker() not in ("None", "")]


# ------------------------------------------------------------------------------------------ confusion


def test_confusion_shares_in_a_worked_example() -> None:
    """Three scenarios, five categories a to e; of e nothing is expected."""
    scores = np.array([[5, 4, 3, 2, 1], [5, 1, 2, 4, 3], [1, 2, 3, 4, 5]], float)  # abc, ade, cde lead
    expected = np.array([[1, 1, 0, 0, 0], [1, 0, 1, 0, 0], [1, 0, 0, 1, 0]], float)  # ab, ac, ad
    assert confusion_shares(scores, expected) == pytest.approx(
        np.array(
            [
                [2 / 3, 1 / 3, 2 / 3, 2 / 3, 2 / 3],  # a: all three
                [1, 1, 1, 0, 0],  # b: the first
                [1, 0, 0, 1, 1],  # c: the second
                [0, 0, 1, 1, 1],  # d: the third
                [np.nan] * 5,
            ]
        ),
        nan_ok=True,
    )


@given(arrays(np.float64, (7, 5), elements=st.integers(0, 3)), arrays(np.bool_, (7, 5)))
def test_a_row_adds_up_to_three_categories(scores: Any, expected: Any) -> None:
    shares = confusion_shares(scores, expected.astype(float))
    some = expected.any(axis=0)
    assert shares[some].sum(axis=1) == pytest.approx(3.0)
    assert np.isnan(shares[~some]).all()


def test_the_percentages_are_in_their_cells(drawn: list[Any], tmp_path: Path) -> None:
    scores = np.array([[5, 4, 3, 2, 1], [1, 4, 3, 5, 2]], float)
    expected = np.array([[1, 0, 0, 0, 0], [1, 0, 0, 0, 0]], float)
    confusion.draw_confusion(scores, expected, list("abcde"), tmp_path / "x")
    (axes,) = drawn[0].axes
    figures = {text.get_position(): text.get_text() for text in axes.texts}
    assert figures == {(0, 0): "50", (1, 0): "100", (2, 0): "100", (3, 0): "50"}  # (column, row)
    assert [text.get_text() for text in axes.get_yticklabels()] == [
        "a (2)",
        "b (0)",
        "c (0)",
        "d (0)",
        "e (0)",
    ]


# -------------------------------------------------------------------------------------------- rewards


def test_every_gift_is_a_point_and_the_first_choices_are_marked(drawn: list[Any], tmp_path: Path) -> None:
    predicted, true = np.array([[0.2, 0.6], [0.5, 0.1]]), np.array([[0.3, 0.7], [0.4, 0.9]])
    rewards.draw_rewards(predicted, true, np.array([1, 0]), np.array([0.9, -0.5]), tmp_path / "x")
    points, ranks = drawn[0].axes
    _, gifts, first = points.lines
    assert gifts.get_xydata().tolist() == [[0.2, 0.3], [0.6, 0.7], [0.5, 0.4], [0.1, 0.9]]
    assert first.get_xydata().tolist() == [[0.6, 0.7], [0.5, 0.4]]
    assert ranks.lines[0].get_xydata().tolist() == [[-0.5, 1], [0.9, 2]]
    assert "0.20" in ranks.get_title(loc="left")


# ------------------------------------------------------------------------------------------ recursion


def test_probabilities_at_whole_steps_are_those_of_the_model(run_folder: Path) -> None:
    stored = load_model(run_folder / "best.npz")
    model, cycles = stored.model, stored.config.model.cycles
    steps = 2 * stored.config.model.supervision_steps
    found = trace_recursion(stored, SCENARIO.profile)
    inputs = encode_profiles(profile_table([SCENARIO.profile], stored.vocabulary), stored.vocabulary)
    assert found.categories.shape == (steps * cycles + 1, len(CATEGORIES))
    carry = None
    for step in range(1, steps + 1):
        carry = model.step(inputs, carry)
        h = state_vector(carry)
        said = model.encode_user(h, inputs)
        at = step * cycles
        assert found.categories[at] == pytest.approx(said.category_logits.sigmoid().data[0], rel=1e-5)
        assert found.tools[at] == pytest.approx(said.tool_logits.sigmoid().data[0], rel=1e-5)
        logits = model.core.halt_head(h).data[0]
        assert found.halting[at] == pytest.approx(1 / (1 + np.exp(logits[1 - HALT] - logits[HALT])), rel=1e-5)
    assert found.halted == model.infer(inputs)[1][0]
    assert found.change[0] == pytest.approx(1), "from nothing"


def test_drawing_does_not_change_the_model(run_folder: Path) -> None:
    stored = load_model(run_folder / "best.npz")
    inputs = encode_profiles(profile_table([SCENARIO.profile], stored.vocabulary), stored.vocabulary)
    before = stored.model.infer(inputs)[0].data
    trace_recursion(stored, SCENARIO.profile)
    assert (stored.model.infer(inputs)[0].data == before).all()


def test_expected_and_leading_names_have_labels(drawn: list[Any], tmp_path: Path) -> None:
    recursion.draw_recursion(trace(), SCENARIO, CATEGORIES, TOOLS, tmp_path / "x")
    categories, tools = drawn[0].axes[:2]
    lead = {CATEGORIES[index] for index in np.argsort(-trace().categories[-1])[:3]}
    written = {text.get_text().removesuffix(" *") for text in categories.texts}
    assert written == lead | set(SCENARIO.expected_categories)
    assert {text.get_text() for text in tools.texts if text.get_text().endswith(" *")} == {
        f"{name} *" for name in SCENARIO.expected_tools
    }
    assert len(categories.lines) == len(CATEGORIES) + 1 and len(tools.lines) == len(TOOLS) + 1


@given(arrays(np.float64, st.integers(1, 8), elements=st.floats(0, 1)))
def test_labels_keep_their_order_and_do_not_overlap(heights: Any) -> None:
    apart = spread(heights, gap=0.05)
    order = heights.argsort(kind="stable")
    assert (np.diff(apart[order]) >= 0.05 - 1e-9).all()
    assert apart.max() <= 1 + 1e-9
    wide = np.diff(np.sort(heights)) >= 0.05
    if wide.all():
        assert apart == pytest.approx(heights)


def test_two_labels_at_one_height_move_half_a_line_each() -> None:
    assert spread(np.array([0.5, 0.2, 0.5]), gap=0.1) == pytest.approx([0.45, 0.2, 0.55])


# ---------------------------------------------------------------------------------------- the command


def ablation(path: Path, names: tuple[str, ...] = ("all on", "without dropout")) -> Path:
    """A file of results with two seeds of each of these configurations."""
    configs = grid("tiny", {})
    same = {"version": "0", "data": "0"}
    rows = [
        {
            "name": name,
            "seed": seed,
            **same,
            "settings": flatten(configs[name]),
            "test": dict.fromkeys(SHORT, place + 0.1 * seed),
        }
        for place, name in enumerate(names)
        for seed in range(2)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_another_scenario_changes_only_the_picture_of_the_recursion(run_folder: Path, tmp_path: Path) -> None:
    result = trm_command("lab", "plot", run_folder)
    assert (result.exit_code, result.stderr) == (0, "")
    expected = [run_folder / "figures" / f"{name}.{kind}" for name in RUN for kind in ("svg", "png")]
    assert result.stdout.splitlines() == [str(path) for path in expected]
    assert sorted((run_folder / "figures").iterdir()) == sorted(expected)

    assert trm_command("lab", "plot", run_folder, "--scenario", "1", "--out", tmp_path).exit_code == 0
    pairs = {name: (run_folder / "figures" / f"{name}.svg", tmp_path / f"{name}.svg") for name in RUN}
    differing = [name for name, (one, other) in pairs.items() if one.read_bytes() != other.read_bytes()]
    assert differing == ["recursion"]


def test_an_ablation_is_drawn_beside_its_results_or_in_a_given_folder(tmp_path: Path) -> None:
    results = ablation(tmp_path / "results.jsonl")
    for folder, options in (
        (tmp_path / "figures", []),
        (tmp_path / "a" / "b", ["--out", tmp_path / "a" / "b"]),
    ):
        result = trm_command("lab", "plot", results, *options)
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout.splitlines() == [str(folder / "forest.svg"), str(folder / "forest.png")]
        assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize(
    "other",
    [{"version": "9", "settings": {"loss.of_old": 1}}, {"data": "9"}, {"settings": {"training.epochs": 20}}],
    ids=["version", "data", "a setting"],
)
def test_runs_that_differ_in_more_than_a_switch_are_not_paired(other: dict[str, Any], tmp_path: Path) -> None:
    """Runs under other conditions come after the newest ones in the file."""
    path = ablation(tmp_path / "results.jsonl")
    alone = read_effects(path)
    row = json.loads(path.read_text().splitlines()[0])
    before = {**row, **other, "settings": {**row["settings"], **other.get("settings", {})}}
    with path.open("a") as file:
        file.write(json.dumps({**before, "test": dict.fromkeys(SHORT, 9.0)}) + "\n")
    assert read_effects(path) == alone


def spoilt(folder: Path, line: str) -> Path:
    """The run with one more line in its log."""
    with (folder / "metrics.jsonl").open("a") as log:
        log.write(line + "\n")
    return folder


def without(folder: Path, name: str) -> Path:
    (folder / name).unlink()
    return folder


def emptied(folder: Path) -> Path:
    (folder / "metrics.jsonl").write_text("")
    return folder


def garbage(path: Path) -> Path:
    path.write_text("no JSON\n")
    return path


def again(folder: Path, **changed: Any) -> str:
    """The last line of the run's log with a change."""
    last = (folder / "metrics.jsonl").read_text().splitlines()[-1]
    return json.dumps({**json.loads(last), **changed})


REFUSED: dict[str, tuple[Callable[[Path, Path], list[Any]], int, str]] = {
    "nothing there": (lambda run, tmp: [tmp / "none"], 65, "none: no such file or folder"),
    "no model": (lambda run, tmp: [without(run, "best.npz")], 65, "best.npz: no such file"),
    "no log": (lambda run, tmp: [without(run, "metrics.jsonl")], 65, "metrics.jsonl: no such file"),
    "an empty log": (lambda run, tmp: [emptied(run)], 65, "metrics.jsonl: no finished epoch"),
    "a log of something else": (
        lambda run, tmp: [spoilt(run, "[1]")],
        65,
        "line 5 is not the record of an epoch",
    ),
    "a log without losses": (
        lambda run, tmp: [spoilt(run, again(run, losses={}))],
        65,
        "(KeyError('category'))",
    ),
    "a log without rates": (
        lambda run, tmp: [spoilt(run, again(run, learning_rate={}))],
        65,
        "line 5 is not the record of an epoch",
    ),
    "a log that is no text": (
        lambda run, tmp: [spoilt(run, "\0")],
        65,
        "line 5 is not the record of an epoch",
    ),
    "results of something else": (
        lambda run, tmp: [garbage(tmp / "x")],
        65,
        "line 1 is not a row of results",
    ),
    "nothing to compare": (
        lambda run, tmp: [ablation(tmp / "x", ("all on",))],
        65,
        "trm lab ablate makes them",
    ),
    "too high an index": (lambda run, tmp: [run, "--scenario", "30"], 2, "there are 30, from 0 on"),
    "a scenario of results": (
        lambda run, tmp: [ablation(tmp / "x"), "--scenario", "1"],
        2,
        "folder of a run",
    ),
    "a folder that is a file": (
        lambda run, tmp: [ablation(tmp / "x"), "--out", run / "best.npz"],
        73,
        "best.npz: cannot be made",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_an_error_is_one_line_and_nothing_is_drawn(kind: str, run_folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "run"
    shutil.copytree(run_folder, source, ignore=lambda *_: ["figures"])
    command, code, told = REFUSED[kind]
    result = trm_command("lab", "plot", *command(source, tmp_path))
    assert (result.exit_code, result.stdout) == (code, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ") and told in line
    assert not list(tmp_path.rglob("figures"))


def without_matplotlib(*args: str | Path) -> "subprocess.CompletedProcess[str]":
    code = "import sys; sys.modules['matplotlib'] = None; from trm_np.cli import trm; trm(sys.argv[1:])"
    return subprocess.run([sys.executable, "-c", code, *map(str, args)], capture_output=True, text=True)


def test_without_matplotlib_one_line_names_the_extra_and_nothing_is_written(tmp_path: Path) -> None:
    result = without_matplotlib("lab", "plot", ablation(tmp_path / "x"))
    assert (result.returncode, result.stdout) == (74, "")
    assert result.stderr == f"Error: {needs_extra('plots need', 'plots')}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


# -------------------------------------------------------------------------------- beside a training run


def test_a_run_draws_its_curves(run_folder: Path, tmp_path: Path) -> None:
    assert trm_command("lab", "plot", run_folder, "--out", tmp_path).exit_code == 0
    assert (run_folder / "curves.svg").read_bytes() == (tmp_path / "curves.svg").read_bytes()


def test_a_new_run_removes_old_curves(run_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(run_folder, tmp_path / "run")
    command = ["train", *SET, "--epochs", "1", "--quiet", "--out", tmp_path / "run"]
    result = without_matplotlib(*command)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", ""), "nothing is said of the curves"
    assert not (tmp_path / "run" / "curves.svg").exists()


def test_a_resumed_run_redraws_its_curves(run_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run_folder, folder)
    command = ["train", *SET, *QUICK, "--quiet", "--resume", "--out", folder]
    assert without_matplotlib(*command).returncode == 0
    assert not (folder / "curves.svg").exists()
    assert trm_command(*command).exit_code == 0
    for name in ("metrics.jsonl", "curves.svg"):
        assert (folder / name).read_bytes() == (run_folder / name).read_bytes()
