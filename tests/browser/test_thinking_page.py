"""The page of a model that thinks, in a browser: what the reader drags, sees and hears, and that nothing is fetched."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.browser.chromium import SPACE, TAB, contrast, luminance, press, requested, seen_as
from tests.lab.recursion_rows import made_up
from tests.puzzles.small_puzzles import TASK, new_run, small
from tests.waiting import wait_until
from trm_np.lab.recursion import STEPS
from trm_np.lab.thinking import page
from trm_np.puzzles.model import Prediction, predictions
from trm_np.puzzles.sets import Puzzles, make_test
from trm_np.puzzles.stored import StoredPuzzleModel, load_puzzle_model

RIGHT, END = "\ue014", "\ue010"  # keys
Seen = dict[str, Any]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> StoredPuzzleModel:
    """One that has learnt a little, so that some cells are right and some change."""
    folder = tmp_path_factory.mktemp("run")
    new_run(folder, small(training__epochs=6, training__updates=20)).train()
    return load_puzzle_model(folder / "best.npz", tasks={TASK.name: TASK})


@pytest.fixture(scope="module")
def held_out() -> Puzzles:
    return make_test(TASK, 0, 0, 20)


@pytest.fixture(scope="module")
def file(stored: StoredPuzzleModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "thinking.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trm_np.puzzles.sets.TEST", 20)
        path.write_text(page(stored, made_up(3)), encoding="utf-8")
    return path


@pytest.fixture
def browser(chromium: Any, file: Path) -> Iterator[Any]:
    """At the first puzzle, before any step; in the end nothing but the page was asked for."""
    chromium.get("about:blank")
    chromium.get_log("browser"), chromium.get_log("performance")
    chromium.get(f"{file.as_uri()}#puzzle=1&step=0")
    wait_until(lambda: seen(chromium)["says"])
    yield chromium
    assert chromium.get_log("browser") == []
    assert chromium.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert requested(chromium) <= {file.as_uri(), "data:,", "about:blank"}


def seen(browser: Any) -> Seen:
    """Contents of the page; for each cell the text that is heard, and each digit's size."""
    found: Seen = browser.execute_script(
        """
        const all = (selector) => [...document.querySelectorAll(selector)];
        const size = (digit) => Number(/scale\\((.*)\\)/.exec(digit.style.transform)[1]);
        const sizes = (cell) => [...cell.querySelectorAll("i")].map(size);
        const those = (kind) => all("#board td").flatMap(
          (cell, at) => cell.querySelector(kind) || cell.matches(kind) ? [at] : []);
        return {
          heard: all("#board .heard").map((one) => one.textContent), sizes: all("#board td").map(sizes),
          wrong: those(".wrong"), changed: those(".changed"), given: those(".given"),
          says: document.getElementById("says").textContent, step: document.getElementById("step").value,
          spoken: document.getElementById("step").getAttribute("aria-valuetext"), hash: location.hash,
          chosen: all("#choices input").findIndex((one) => one.checked), puzzles: all("#choices input").length,
          upright: all(".upright").map((one) => one.getAttribute("x1")),
          play: document.getElementById("play").textContent,
          lines: all("#curves .line").map((one) => one.getAttribute("d")),
          descriptions: all("figure svg desc").map((one) => one.textContent),
          figures: all("#figures tr").map((row) => [...row.cells].map((cell) => cell.textContent)),
        };
        """
    )
    return found


def drag_to(browser: Any, step: int) -> None:
    browser.execute_script(
        "const dial = document.getElementById('step'); dial.value = arguments[0];"
        "dial.dispatchEvent(new Event('input'));",
        step,
    )


def thought_of(stored: StoredPuzzleModel, question: np.ndarray, step: int) -> Prediction:
    return list(predictions(stored.model, question[None], step))[-1]


def shown_question(found: Seen) -> np.ndarray:
    return np.array([int(heard[0]) if heard.endswith("given") else 0 for heard in found["heard"]], np.uint8)


def test_before_the_first_step_only_what_is_given_stands_there(browser: Any, held_out: Puzzles) -> None:
    found = seen(browser)
    question = shown_question(found)
    assert any((question == each).all() for each in held_out.questions)
    assert found["given"] == np.flatnonzero(question).tolist()
    assert {heard for heard in found["heard"] if not heard.endswith("given")} == {"blank"}
    assert found["says"].endswith("No step has been taken yet.")


@pytest.mark.parametrize("step", [1, 2, STEPS])
def test_after_a_step_each_digit_is_as_large_as_it_is_likely(
    step: int, browser: Any, stored: StoredPuzzleModel, held_out: Puzzles
) -> None:
    question = shown_question(seen(browser))
    drag_to(browser, step)
    found, thought = seen(browser), thought_of(stored, question, step)
    (answer,) = (
        a for q, a in zip(held_out.questions, held_out.answers, strict=True) if (q == question).all()
    )
    blank = question == 0
    likely = np.clip(np.round(thought.probabilities[0, :, 1:], 2), 0, 0.99)[blank]
    sizes = np.array(found["sizes"])[blank]
    sure = np.abs(likely - 0.02) > 0.011  # which side of the least that is shown
    np.testing.assert_allclose(sizes[sure], np.where(likely < 0.02, 0, 0.2 + 0.8 * likely)[sure], atol=0.01)
    order = np.sort(likely, axis=1)
    clear = np.zeros(16, bool)
    clear[blank] = order[:, -1] - order[:, -2] > 0.011
    best = thought.probabilities[0, :, 1:].argmax(axis=1) + 1
    wrong = np.flatnonzero(blank & (best != answer))
    assert set(found["wrong"]) - set(np.flatnonzero(~clear)) == set(wrong) - set(np.flatnonzero(~clear))
    for cell in np.flatnonzero(clear):
        assert found["heard"][cell].startswith(f"{best[cell]} ")
        assert found["heard"][cell].endswith(", wrong") == (cell in wrong)
    count = int(blank.sum())
    if clear[blank].all():
        assert f"{count - len(wrong)} of {count} blanks are right" in found["says"]
    (said,) = re.findall(r"a probability of ([\d.]+) of being right", found["says"])
    # Rounded once in the page, and once when it is shown.
    assert float(said) == pytest.approx(thought.right[0], abs=0.01)


def test_a_cell_is_marked_when_its_likeliest_digit_changes(browser: Any) -> None:
    drag_to(browser, 1)
    before = seen(browser)
    assert before["changed"] == []
    drag_to(browser, 2)
    after = seen(browser)
    changed = [
        at
        for at, (one, two) in enumerate(zip(before["heard"], after["heard"], strict=True))
        if one[0] != two[0]
    ]
    assert after["changed"] == changed


def test_the_keyboard_alone_chooses_and_drags(browser: Any) -> None:
    press(browser, TAB, TAB)  # past the link to the puzzles, of which one is stopped at
    press(browser, RIGHT)
    assert (seen(browser)["chosen"], seen(browser)["step"]) == (1, "0")
    press(browser, TAB, RIGHT, RIGHT)
    found = seen(browser)
    assert (found["step"], found["spoken"]) == ("2", f"2 of {STEPS} steps")
    assert found["hash"] == "#puzzle=2&step=2"
    press(browser, END)
    assert seen(browser)["step"] == str(STEPS)


def test_play_goes_through_all_steps_and_stops(browser: Any) -> None:
    drag_to(browser, STEPS - 2)
    button = browser.find_element("id", "play")
    button.click()
    assert seen(browser)["play"] == "Pause"
    wait_until(lambda: seen(browser)["step"] == str(STEPS))
    assert seen(browser)["play"] == "Play"
    button.click()  # from the start again
    assert seen(browser)["step"] == "1"
    press(browser, SPACE)
    assert seen(browser)["play"] == "Play"


def test_the_address_holds_puzzle_and_step(browser: Any, file: Path) -> None:
    drag_to(browser, 3)
    before = seen(browser)
    browser.refresh()
    wait_until(lambda: seen(browser)["says"])
    assert seen(browser) == before
    for nonsense in ("#puzzle=99&step=99", "#puzzle=0&step=0", "#what"):
        browser.get("about:blank")
        browser.get(f"{file.as_uri()}{nonsense}")
        wait_until(lambda: seen(browser)["says"])
        assert re.fullmatch(r"#puzzle=\d+&step=(0|16)", seen(browser)["hash"])


def test_the_curves_rise_as_the_rows_do_and_the_figures_are_theirs(browser: Any) -> None:
    found = seen(browser)
    assert len(found["lines"]) == len(found["figures"][0]) - 1 == 3
    for at, path in enumerate(found["lines"]):
        y = [float(point.split(",")[1]) for point in path.removeprefix("M").split("L")]
        means = [float(row[1 + at].split()[0]) for row in found["figures"]]
        slope, offset = np.polyfit(means, y, 1)
        assert slope < 0
        np.testing.assert_allclose(y, slope * np.array(means) + offset, atol=0.6)  # pixels; 3 digits
    drag_to(browser, 8)
    assert seen(browser)["upright"] != found["upright"]


def test_everything_has_a_name_and_the_step_is_said(browser: Any) -> None:
    for box in browser.find_elements("css selector", "#choices input"):
        box.click()
        unsolved = ", not solved" if "not solved" in browser.find_element("id", "about").text else ""
        assert re.fullmatch(rf"\d+ rounds?{unsolved}", box.accessible_name)
    assert browser.find_element("id", "step").accessible_name == "Step"
    for picture in browser.find_elements("css selector", "figure [role=img]"):
        assert picture.accessible_name
    (live,) = browser.find_elements("css selector", "[aria-live=polite]")
    assert live.get_attribute("id") == "says"
    assert browser.find_elements("css selector", "#board i:not([aria-hidden=true])") == []


def test_the_policy_forbids_what_would_be_fetched(browser: Any) -> None:
    tried = browser.execute_async_script(
        "fetch(location.href).then(() => arguments[0]('fetched'), () => arguments[0]('refused'));"
    )
    assert tried == "refused"
    assert any("Content Security Policy" in entry["message"] for entry in browser.get_log("browser"))


def test_on_a_phone_board_and_dial_are_on_one_screen(browser: Any) -> None:
    with seen_as(browser, 390, "light"):
        top, end, height = browser.execute_script(
            "document.getElementById('board').scrollIntoView();"
            "const of = (id) => document.getElementById(id).getBoundingClientRect();"
            "return [of('board').top, of('says').top, innerHeight];"
        )
        assert -1 <= top < end <= height


@pytest.mark.parametrize("width", [1280, 390, 320])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_wider_than_the_window_and_text_stands_out(browser: Any, width: int, theme: str) -> None:
    with seen_as(browser, width, theme):
        drag_to(browser, 2)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        colours = browser.execute_script(
            "const style = getComputedStyle(document.documentElement);"
            "return Object.fromEntries(['paper', 'card', 'ink', 'soft', 'first', 'second'].map("
            "(name) => [name, style.getPropertyValue('--' + name).trim()]));"
        )
        assert (luminance(colours["paper"]) > 0.5) == (theme == "light")
        for ground in ("paper", "card"):
            for name, least in (("ink", 7), ("soft", 4.5), ("first", 4.5), ("second", 4.5)):
                assert contrast(colours[name], colours[ground]) >= least, (name, ground)
