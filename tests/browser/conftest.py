"""One browser for the tests of a page."""

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from tests.browser.chromium import started  # late: where there is no browser the tests are skipped

    with started() as driver:
        yield driver
