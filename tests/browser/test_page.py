"""The page of a full ablation in a browser: what the reader turns, sees and hears, and that nothing is fetched."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.browser.chromium import SPACE, TAB, contrast, luminance, press, requested, seen_as
from tests.lab.full_grid import full_grid
from tests.waiting import wait_until
from trm_np.config import SWITCHES
from trm_np.lab.page import page
from trm_np.lab.trial import Row

CHARTS = ("quality", "loss", "gap", "rate")
Seen = dict[str, Any]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return full_grid(seeds=2)


@pytest.fixture(scope="module")
def file(rows: list[Row], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "ablation.html"
    path.write_text(page(rows), encoding="utf-8")
    return path


@pytest.fixture
def browser(chromium: Any, file: Path) -> Iterator[Any]:
    """At the page with all on; in the end the console is empty, and nothing but the page was asked for."""
    chromium.get("about:blank")
    chromium.get_log("browser"), chromium.get_log("performance")
    chromium.get(file.as_uri())
    wait_until(lambda: seen(chromium)["table"])
    yield chromium
    assert chromium.get_log("browser") == []
    assert chromium.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert requested(chromium) <= {file.as_uri(), "data:,", "about:blank"}


def seen(browser: Any) -> Seen:
    """Contents of the page, by the names that a reader would use."""
    found: Seen = browser.execute_script(
        """
        const text = (id) => document.getElementById(id).textContent;
        const all = (selector) => [...document.querySelectorAll(selector)];
        const paths = (id) => all(`#${id} path[data-series]`).map((one) => one.getAttribute("d"));
        return {
          off: all("fieldset input:not(:checked)").map((box) => box.value),
          curves: Object.fromEntries(arguments[0].map((id) => [id, paths(id)])),
          descriptions: all("#charts svg desc").map((one) => one.textContent),
          table: all("#metrics tr.figures").map((row) => [...row.cells].map((cell) => cell.textContent)),
          measured: text("measured"), explained: text("explained"), runs: text("runs"), hash: location.hash,
        };
        """,
        CHARTS,
    )
    return found


def click(browser: Any, name: str) -> None:
    """Click as a reader does: scroll to the switch first, which a phone's screen may cover with the sentence."""
    switch = browser.find_element("css selector", f"input[value={name}]")
    browser.execute_script("arguments[0].scrollIntoView({block: 'nearest'});", switch)
    switch.click()


def by_keyboard(browser: Any, name: str) -> None:
    """Tab from the top of the page to the switch, past a link above and one beside each switch, and press Space."""
    for _ in range(2 + 2 * list(SWITCHES).index(name)):
        press(browser, TAB)
    assert browser.switch_to.active_element.get_attribute("value") == name
    press(browser, SPACE)


@pytest.mark.parametrize("turn", [click, by_keyboard])
def test_a_switch_changes_curves_table_sentences_and_address(
    turn: Callable[[Any, str], None], browser: Any
) -> None:
    before = seen(browser)
    turn(browser, "early_stopping")
    after = seen(browser)
    assert (before["off"], after["off"]) == ([], ["early_stopping"])
    for chart in CHARTS:
        assert before["curves"][chart] != after["curves"][chart]
    for what in ("table", "measured", "explained", "runs", "descriptions"):
        assert before[what] != after[what]
    assert after["measured"].startswith("Early stopping off: reward Spearman ")
    assert after["hash"] == "#off=early_stopping"


def test_what_is_said_are_the_figures_of_the_table(browser: Any) -> None:
    before = {row[0]: row[1] for row in seen(browser)["table"]}
    click(browser, "data_diversity")
    after = seen(browser)
    now = {row[0]: row for row in after["table"]}
    gap = now["generalization gap"]
    assert f"gap from {before['generalization gap'][:5]} to {gap[1][:5]}" in after["measured"]
    assert gap[2] == before["generalization gap"]  # all on, for comparison
    difference = float(gap[1][:5]) - float(gap[2][:5])
    assert gap[3] == f"+{difference:.3f}"


def test_no_difference_of_a_few_seeds_is_marked_as_certain(browser: Any) -> None:
    for switch in SWITCHES:
        browser.find_element("id", "all-on").click()
        click(browser, switch)
        after = seen(browser)
        assert all(re.fullmatch(r"[+−]?[\d.]+", row[3]) for row in after["table"])
        assert after["measured"].endswith(" (means of 2 seeds).")


def test_what_is_drawn_are_the_means_on_even_scales(browser: Any, rows: list[Row]) -> None:
    """Higher values are higher up and later epochs further right, each by the same for the same difference."""
    click(browser, "frequent_evaluation")
    runs = [row for row in rows if row["name"] == "without frequent_evaluation"]
    values: dict[int, list[float]] = {}
    for record in (record for run in runs for record in run["curve"]):
        values.setdefault(record["epoch"], []).append(record["validation"]["recommendation_quality"])
    (path,) = seen(browser)["curves"]["quality"]
    x, y = np.array([point.split(",") for point in path.removeprefix("M").split("L")], float).T
    for drawn, meant, upward in (
        (x, list(values), 1),
        (y, [np.mean(found) for found in values.values()], -1),
    ):
        slope, offset = np.polyfit(meant, drawn, 1)
        assert slope * upward > 0
        np.testing.assert_allclose(drawn, slope * np.array(meant) + offset, atol=0.6)  # pixels; 3 digits


def test_turned_back_all_is_as_before_but_what_is_said(browser: Any) -> None:
    before = seen(browser)
    click(browser, "dropout")
    click(browser, "dropout")
    after = seen(browser)
    same = ("off", "curves", "table", "runs", "descriptions", "hash")
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert after["measured"].startswith("Dropout on: ")


def test_all_off_and_all_on(browser: Any) -> None:
    before = seen(browser)
    browser.find_element("id", "all-off").click()
    off = seen(browser)
    assert off["off"] == list(SWITCHES)
    assert off["hash"] == f"#off={','.join(SWITCHES)}"
    assert off["curves"] != before["curves"]
    browser.find_element("id", "all-on").click()
    assert seen(browser)["curves"] == before["curves"]
    assert seen(browser)["hash"] == ""


def test_the_address_holds_the_combination(browser: Any, file: Path) -> None:
    click(browser, "dropout")
    click(browser, "data_diversity")
    before = seen(browser)
    browser.refresh()
    wait_until(lambda: seen(browser)["table"])
    after = seen(browser)
    same = ("off", "curves", "table", "hash")
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert after["measured"].startswith("Without data diversity and dropout, against all on: ")
    browser.get(f"{file.as_uri()}#off=nonsense,lr_scheduler")
    wait_until(lambda: seen(browser)["off"] == ["lr_scheduler"])


def test_a_change_without_effect_is_said_to_be_one(
    browser: Any, rows: list[Row], file: Path, tmp_path: Path
) -> None:
    """Rows of one combination can equal those of another, as with a scheduler that never acted."""
    alike = {row["seed"]: row for row in rows if row["name"] == "all on"}
    told = ("best_epoch", "epochs_run", "test", "curve")
    same = [
        {**row, **{key: alike[row["seed"]][key] for key in told}}
        if row["name"] == "without lr_scheduler"
        else row
        for row in rows
    ]
    changed = tmp_path / "same.html"
    changed.write_text(page(same), encoding="utf-8")
    browser.get(changed.as_uri())
    wait_until(lambda: seen(browser)["table"])
    click(browser, "lr_scheduler")
    assert seen(browser)["measured"] == (
        "Learning rate scheduler off: the epoch kept and all test figures stay the same."
    )
    assert requested(browser) <= {file.as_uri(), changed.as_uri(), "data:,", "about:blank"}


def test_the_policy_forbids_what_would_be_fetched(browser: Any, file: Path) -> None:
    tried = browser.execute_async_script(
        "fetch(location.href).then(() => arguments[0]('fetched'), () => arguments[0]('refused'));"
    )
    assert tried == "refused"
    assert any("Content Security Policy" in entry["message"] for entry in browser.get_log("browser"))


def test_every_picture_and_every_switch_has_a_name(browser: Any) -> None:
    names = [box.accessible_name for box in browser.find_elements("css selector", "fieldset input")]
    assert len(set(names)) == len(SWITCHES)
    assert all(": " in name for name in names)  # what off and on mean
    pictures = browser.find_elements("css selector", ".charts [role=img]")
    assert len(pictures) == len(CHARTS)
    headings = ("Recommendation quality", "Loss", "Generalization gap", "Learning rate")
    for picture, heading in zip(pictures, headings, strict=True):
        assert picture.accessible_name.startswith(f"{heading} over epochs all on: ")
    (live,) = browser.find_elements("css selector", "[aria-live=polite]")
    assert len(live.find_elements("css selector", "p")) == 2


@pytest.mark.parametrize("turn", [click, by_keyboard])
@pytest.mark.parametrize("name", SWITCHES)
def test_on_a_phone_a_switch_and_what_it_says_are_on_one_screen(
    name: str, turn: Callable[[Any, str], None], browser: Any
) -> None:
    with seen_as(browser, 390, "light"):
        turn(browser, name)
        top, end, first, last, height = browser.execute_script(
            "const of = (selector) => document.querySelector(selector).getBoundingClientRect();"
            "const at = of(`input[value=${arguments[0]}]`), said = of('#measured'), why = of('#explained');"
            "return [at.top, at.bottom, said.top, why.bottom, innerHeight];",
            name,
        )
        assert 0 <= top < end <= first < last <= height


@pytest.mark.parametrize("width", [1280, 390, 320])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_wider_than_the_window_and_text_stands_out(browser: Any, width: int, theme: str) -> None:
    """Contrast as WCAG 2 defines it, of what is written and drawn, against the paper and against the cards."""
    with seen_as(browser, width, theme):
        click(browser, "dropout")
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        names = ("paper", "card", "ink", "soft", "first", "second", "other")
        colours = browser.execute_script(
            "const style = getComputedStyle(document.documentElement);"
            "const colour = (name) => style.getPropertyValue('--' + name).trim();"
            "return Object.fromEntries(arguments[0].map((name) => [name, colour(name)]));",
            names,
        )
        assert (luminance(colours["paper"]) > 0.5) == (theme == "light")
        for ground in ("paper", "card"):
            for name, least in (("ink", 7), ("soft", 4.5), ("first", 4.5), ("second", 4.5), ("other", 3)):
                assert contrast(colours[name], colours[ground]) >= least, (name, ground)
