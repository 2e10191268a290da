"""A request may take as long as it does: how long that is depends on who else uses the machine."""

import pytest

from tests.waiting import HANG


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trm_np.serve.wsgi.SECONDS", HANG)
