"""Malformed requests end neither the server nor its good answers; tests/serve/abuses.py sends more of them."""

import os

import pytest

from tests.serve.abuses import KINDS, campaign
from tests.serve.asking import model_file
from tests.serve.processes import serving

pytest.importorskip("waitress", reason="the extra [serve] is not installed")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are sent, and memory read from /proc")

OF_EACH_KIND = 10


@pytest.mark.slow
def test_every_abuse_is_refused_in_one_line_and_good_questions_are_answered_meanwhile() -> None:
    with serving(model_file()) as server:
        outcomes, faults, _ = campaign(server, range(OF_EACH_KIND * len(KINDS)))
    assert faults == []
    assert [(each.number, each.kind, each.faults) for each in outcomes if each.faults] == []
    assert len(outcomes) == OF_EACH_KIND * len(KINDS)
