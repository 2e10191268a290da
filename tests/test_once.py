"""The memory of the tests: each gets copies, and its generators go on as if all was computed."""

import numpy as np

from tests.once import once


def test_later_calls_get_copies_and_generators_go_on_where_they_would() -> None:
    calls = []

    def drawn(name: str, rng: np.random.Generator) -> np.ndarray:
        calls.append(name)
        return rng.random(3)

    remembered, expected = once(drawn), np.random.default_rng(0)
    first, then = expected.random(3), expected.random()
    for _ in range(2):
        rng = np.random.default_rng(0)
        found = remembered("a", rng)
        assert np.array_equal(found, first) and rng.random() == then
        found[:] = 0
    assert calls == ["a"]
    remembered("b", np.random.default_rng(0))
    remembered("a", np.random.default_rng(1))
    assert calls == ["a", "b", "a"]
