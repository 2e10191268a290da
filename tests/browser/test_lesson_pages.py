"""The pages of learning rates and dropout in a browser: what is said and tabled are the figures of the data."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.browser.chromium import contrast, luminance, press, requested, seen_as
from tests.lab.made_up_descents import made_up
from trm_np.lab.page import filled
from trm_np.lab.rates import DESCENT, RATES, page

UPDATES, MASKS = 20, 5
RIGHT = "\ue014"
RUNS = made_up(UPDATES)
NAMES = ("books", "budget_optimizer")
PROBABILITIES = (0.0, 0.2, 0.4)


def dropout_data() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, 1000, (2, len(NAMES), len(PROBABILITIES), MASKS)).tolist()
    return {
        **{"version": "0", "data": "digest", "trained": 0, "seed": 0, "masks": MASKS, "tested": 30},
        "rates": PROBABILITIES,
        "losses": rng.uniform(0.1, 0.3, (len(PROBABILITIES), MASKS)).round(4).tolist(),
        "spreads": {"categories": [0.0, 0.05, 0.08], "tools": [0.0, 0.004, 0.005]},
        "scenarios": [
            [{"name": name, "thousandths": values} for name, values in zip(NAMES, scenario, strict=True)]
            for scenario in drawn
        ],
    }


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    documents = {
        "rates": page(RUNS, UPDATES, 0, "digest"),
        "dropout": filled("dropout.html", dropout_data()),
    }
    folder = tmp_path_factory.mktemp("pages")
    for name, document in documents.items():
        (folder / f"{name}.html").write_text(document, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in documents}


@pytest.fixture(params=["rates", "dropout"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def browser(chromium: Any, files: dict[str, Path], name: str) -> Iterator[Any]:
    """In the end nothing was complained of, and nothing but the page was asked for."""
    chromium.get("about:blank")
    chromium.get_log("browser"), chromium.get_log("performance")
    chromium.get(files[name].as_uri())
    yield chromium
    assert chromium.get_log("browser") == []
    assert requested(chromium) <= {files[name].as_uri(), "data:,", "about:blank"}


def choose(browser: Any, at: int, **radios: object) -> None:
    browser.execute_script(
        """
        const [at, radios] = arguments, changed = (input) => input.dispatchEvent(new Event("input"));
        for (const [name, value] of Object.entries(radios)) {
          const input = [...document.querySelectorAll(`#${name} input`)].find((one) => one.value === value);
          input.checked = true; changed(input);
        }
        const range = document.getElementById("rate");
        range.value = at; changed(range);
        """,
        at,
        {name: str(value) for name, value in radios.items()},
    )


def seen(browser: Any) -> dict[str, Any]:
    found: dict[str, Any] = browser.execute_script(
        """
        const all = (selector) => [...document.querySelectorAll(selector)];
        return { said: all(".says p").map((one) => one.textContent),
          rows: all("tbody tr").map((row) => [...row.cells].map((one) => one.textContent)),
          titles: all("svg[role=img] > title").map((one) => one.textContent),
          axes: all("svg[role=img] > text").map((one) => one.textContent),
          value: document.getElementById("rate").getAttribute("aria-valuetext") };
        """
    )
    return found


@pytest.mark.parametrize("name", ["rates"], indirect=True)
def test_the_page_says_what_each_run_did(browser: Any) -> None:
    for run in RUNS:
        choose(browser, RATES.index(run.rate), optimizer=run.optimizer)
        found = seen(browser)
        assert float(found["value"]) == run.rate
        first, second = found["said"]
        assert first.lower().startswith(f"{run.optimizer.lower()} at the rate ")
        if len(run.factors) < UPDATES:
            assert f"after {len(run.losses)} updates no longer a finite number" in first
            continue
        falls = "falls" if run.losses[-1] < run.losses[0] else "rises"
        assert f"the loss {falls} from {run.losses[0]:.3f} to {run.losses[-1]:.3f} in {UPDATES}" in first
        left = float(np.median(run.factors[-10:]))
        (said,) = re.findall(r"1 − η·c ≈ (−?[\d.]+)\. |leaves (−?[\d.]+) of", second)
        assert float("".join(said).replace("−", "-")) == pytest.approx(left, abs=0.006)
        assert (left < 0) == ("changes its sign" in second)
        place = 2 if run.optimizer == DESCENT else 4
        row = found["rows"][RATES.index(run.rate)]
        assert [float(text.replace("−", "-")) for text in row[place - 1 : place + 1]] == pytest.approx(
            [run.losses[-1], left], abs=0.006
        )


@pytest.mark.parametrize("name", ["dropout"], indirect=True)
def test_the_page_says_how_far_the_probabilities_spread(browser: Any) -> None:
    data = dropout_data()
    for at, rate in enumerate(PROBABILITIES):
        for place, scenario in enumerate(data["scenarios"]):
            choose(browser, at, scenario=place + 1)
            found = seen(browser)
            shares = [np.array(one["thousandths"]) / 1000 for one in scenario]
            for row, one, values in zip(found["rows"], scenario, shares, strict=True):
                assert row[0] == one["name"]
                figures = [values[0][0], values[at].mean(), values[at].std()]
                assert [float(text) for text in row[1:]] == pytest.approx(figures, abs=0.006)
            dots = browser.execute_script("return document.querySelectorAll('circle.mask').length")
            assert dots == MASKS * len(NAMES)
        losses = np.array(data["losses"][at])
        if rate:
            assert f"{losses.mean():.3f} ± {losses.std():.3f} over {MASKS} masks" in found["said"][0]
        assert found["said"][1].endswith(
            f" = {rate / (1 - rate):.2f}: the variance that it gives to a number of one."
        )


def test_an_arrow_key_moves_the_rate_and_every_picture_has_a_name_and_axes(browser: Any) -> None:
    choose(browser, 0)
    before = seen(browser)
    browser.execute_script("document.getElementById('rate').focus()")
    press(browser, RIGHT)
    after = seen(browser)
    assert float(after["value"]) > float(before["value"])
    assert after["said"] != before["said"]
    assert len(after["titles"]) == 3 and all(after["titles"])
    assert {"loss"} < set(after["axes"])


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_wider_than_the_window_and_text_stands_out(width: int, theme: str, browser: Any) -> None:
    with seen_as(browser, width, theme):
        browser.execute_script("dispatchEvent(new Event('resize'))")
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        ink, card = browser.execute_script(
            "const style = getComputedStyle(document.documentElement);"
            "return ['ink', 'card'].map((name) => style.getPropertyValue('--' + name).trim());"
        )
        assert (luminance(card) > 0.5) == (theme == "light")
        assert contrast(ink, card) >= 7
