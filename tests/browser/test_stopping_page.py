"""The page of patience and frequency in a browser: what is said and marked is what early stopping does."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.chromium import requested, seen_as
from tests.lab.made_up_courses import EPOCHS, made_up
from trm_np.lab.stopping import BARS, TESTED, better, end, page

COURSES = [made_up(seed) for seed in range(2)]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "stopping.html"
    path.write_text(page(COURSES, "digest"), encoding="utf-8")
    return path


@pytest.fixture
def browser(chromium: Any, file: Path) -> Iterator[Any]:
    """In the end nothing was complained of, and nothing but the page was asked for."""
    chromium.get("about:blank")
    chromium.get_log("browser"), chromium.get_log("performance")
    chromium.get(file.as_uri())
    yield chromium
    assert chromium.get_log("browser") == []
    assert requested(chromium) <= {file.as_uri(), "data:,", "about:blank"}


def choose(browser: Any, patience: int, **radios: object) -> None:
    browser.execute_script(
        """
        const [patience, radios] = arguments, changed = (input) => input.dispatchEvent(new Event("input"));
        for (const [name, value] of Object.entries(radios)) {
          const input = [...document.querySelectorAll(`#${name} input`)].find((one) => one.value === value);
          input.checked = true; changed(input);
        }
        const range = document.getElementById("patience");
        range.value = patience; changed(range);
        """,
        patience,
        {name: str(value) for name, value in radios.items()},
    )


@pytest.mark.parametrize("bar", BARS)
@pytest.mark.parametrize(
    ("every", "patience", "seed"), [(1, 0, 0), (2, 3, 1), (5, 1, 0), (10, 20, 1), (25, 0, 1)]
)
def test_the_page_says_and_marks_what_early_stopping_does(
    bar: str, every: int, patience: int, seed: int, browser: Any
) -> None:
    choose(browser, patience, every=every, bar=bar, seed=seed)
    qualities, test = COURSES[seed].qualities, COURSES[seed].test
    kept, last = end(qualities, every, BARS[bar], patience)
    found = browser.execute_script(
        """
        const all = (selector) => [...document.querySelectorAll(selector)];
        return { said: document.getElementById("ends").textContent, dots: all("circle.dot").length,
          bad: all("circle.bad").length, cells: all("tbody td").map((one) => one.textContent),
          title: document.querySelector("svg title").textContent };
        """
    )
    ends = "stops after" if kept + (patience + 1) * every <= EPOCHS else "runs to the end,"
    assert found["said"].startswith(f"Keeps epoch {kept}, and {ends} epoch {last}")
    good = [epoch for epoch in better(qualities, every, BARS[bar]) if epoch <= last]
    assert (found["dots"], found["dots"] + found["bad"]) == (len(good), last // every)
    shown = [f"{test[epoch - 1][name]:.3f}" for name in TESTED for epoch in (kept, last, EPOCHS)]
    assert found["cells"] == shown
    assert re.findall(r"epoch (\d+)", found["title"]) == [str(kept), str(last)]


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_wider_than_the_window(width: int, theme: str, browser: Any) -> None:
    with seen_as(browser, width, theme):
        browser.execute_script("dispatchEvent(new Event('resize'))")
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
