"""Headless Chromium: what it asked for, what is pressed in it, and how well what it shows can be seen."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

import pytest

from tests.waiting import HANG

selenium = pytest.importorskip("selenium.webdriver", reason="needs the extra: pip install -e '.[browser]'")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
if not (CHROMIUM and DRIVER):
    pytest.skip("needs chromium and chromedriver", allow_module_level=True)

HEADLESS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,1000")
SPACE, TAB, ENTER = "\ue00d", "\ue004", "\ue007"


@contextmanager
def started() -> Iterator[Any]:
    """A browser that logs its console and what it asks for."""
    options = selenium.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in HEADLESS:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = selenium.Chrome(options=options, service=selenium.ChromeService(DRIVER))
    driver.set_script_timeout(HANG)
    driver.set_page_load_timeout(HANG)
    try:
        yield driver
    finally:
        driver.quit()


def requested(browser: Any) -> set[str]:
    """The addresses, without what follows #, of all that the network log says was asked for."""
    messages = (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
    return {
        unquote(message["params"]["request"]["url"]).split("#")[0]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    }


def press(browser: Any, *keys: str) -> None:
    selenium.ActionChains(browser).send_keys(*keys).perform()


@contextmanager
def seen_as(browser: Any, width: int, theme: str) -> Iterator[None]:
    """The window so wide, and the theme that the reader's system asks for."""
    window = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", window)
    scheme = [{"name": "prefers-color-scheme", "value": theme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def contrast(one: str, other: str) -> float:
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    """Relative luminance of "#rrggbb" (WCAG 2.2)."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
