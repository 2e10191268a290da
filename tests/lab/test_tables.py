"""The tables of the lab agree with the rows."""

from tests.lab.small_trials import row
from trm_np.lab.grid import ALL_OFF, ALL_ON, only, without
from trm_np.lab.tables import SHORT, ablation_text, failures_text, sweep_text

ON = dict.fromkeys(SHORT, 0.5)
OFF = {**ON, "reward_spearman": 0.25, "generalization_gap": 0.25}


def test_effects_have_their_sign_interval_and_verdict() -> None:
    rows = [
        *(row(name, seed, ON) for name in (ALL_ON, only("dropout")) for seed in (0, 1)),
        *(row(name, seed, OFF) for name in (ALL_OFF, without("dropout")) for seed in (0, 1)),
    ]
    first, second = ablation_text(rows).split("switched on alone")
    for part in (first, second):
        (line,) = [line for line in part.splitlines() if line.startswith("dropout")]
        assert line.split() == ["dropout", *["+0.0000"] * 4, "helps", "+0.2500", "hurts", "+0.2500"]
    assert "Of 12 intervals 1 would by chance" in second


def test_the_number_of_intervals_is_that_of_the_shown_ones() -> None:
    figures = {**ON, "categories_in_use": 13.0}
    rows = [row(name, 0, figures) for name in (ALL_ON, without("dropout"))]
    assert "Of 6 intervals 0 would by chance" in ablation_text(rows)
    assert "Of 7 intervals 0 would by chance" in ablation_text(rows, whole=True)


def test_a_sweep_has_a_line_for_each_configuration_in_order() -> None:
    rows = [row("b", 0, {**ON, "reward_spearman": 0.4}), row("a", 0, ON), row("b", 1, OFF)]
    table = sweep_text(rows, ["reward_spearman"]).splitlines()
    assert table[0].split() == ["test", "seeds", "last", "epoch", "epoch", "kept", "reward", "spearman"]
    assert table[1].split()[:5] == ["b", "2", "2.0", "1.0", "0.325"]  # ± t(0.975, 1) · 0.075
    assert table[1].split()[5:] == ["±", "0.953"]
    assert table[2].split() == ["a", "1", "2.0", "1.0", "0.500"]


def test_a_configuration_with_only_failed_runs_has_no_figures() -> None:
    rows = [{"name": "broken", "seed": 0, "error": "Diverged: training diverged"}]
    assert sweep_text(rows, ["reward_spearman"]).splitlines()[1].split() == ["broken", "0", "-", "-", "-"]
    assert failures_text(rows) == "failed: broken, seed 0: Diverged: training diverged"
