"""Cost of an answer: known from settings and sizes, refused beyond a limit, and never more than was worked out."""

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from tests.hostile import content
from tests.hostile.forging import content_of, forged, smallest, smallest_config, untrained
from tests.world.small_world import VOCABULARY, gift
from trm_np.cli import trm
from trm_np.config import Config, flatten, from_flat, resolve
from trm_np.data.load import as_json, load_dataset
from trm_np.data.vocabulary import Vocabulary
from trm_np.deadline import TooLate, until
from trm_np.model.cost import MEMORY_OF_A_BYTE, MOST_MEMORY, MOST_WORK, cost_of
from trm_np.recommend.outputs import ModelError
from trm_np.recommend.recommender import Recommender
from trm_np.serve.metrics import Metrics
from trm_np.serve.served import ServedModel
from trm_np.storage.checkpoint import CheckpointError, load_model
from trm_np.world.tools import TOOLS

MEGABYTE = 2**20


def config_with(**settings: int) -> Config:
    return from_flat(flatten(smallest_config()) | {f"model.{name}": size for name, size in settings.items()})


def vocabulary_with(**more: int) -> Vocabulary:
    """The small vocabulary with so many more names in some of its lists."""
    lists = {
        name: (*getattr(VOCABULARY, name), *(f"{name}{index}" for index in range(number)))
        for name, number in more.items()
    }
    return replace(VOCABULARY, **{"tools": tuple(TOOLS), **lists})


def model_file(folder: Path, config: Config, vocabulary: Vocabulary, gifts: int = 3) -> Path:
    path = folder / "model.npz"
    kinds = vocabulary.categories
    catalogue = [gift(id=f"gift{index}", category=kinds[index % len(kinds)]) for index in range(gifts)]
    path.write_bytes(untrained(config, vocabulary, catalogue))
    return path


ENDLESS = [
    {"latent_steps": 100_000},
    {"cycles": 100_000},
    {"supervision_steps": 100_000},
    {"latent_steps": 100, "cycles": 100, "supervision_steps": 100},
]


@pytest.mark.parametrize("settings", ENDLESS, ids=str)
def test_settings_that_make_an_answer_endless_are_refused_unless_trusted(
    tmp_path: Path, settings: dict[str, int]
) -> None:
    path = model_file(tmp_path, config_with(**settings), vocabulary_with())
    with pytest.raises(CheckpointError, match=r"multiply-adds; allowed: 25,000,000,000; .*--trust"):
        load_model(path)
    assert load_model(path, trust=True).config.model.core_blocks == 1


LARGE = [
    ({"categories": 10_000}, {}, 3),
    ({"hobbies": 3_000}, {"gift_features": 100_000}, 100),
    ({}, {"reward_hidden": 100_000}, 50),
]


@pytest.mark.parametrize(("more", "settings", "gifts"), LARGE, ids=["categories", "features", "hidden"])
def test_a_small_file_that_needs_large_memory_is_refused(
    tmp_path: Path, more: dict[str, int], settings: dict[str, int], gifts: int
) -> None:
    path = model_file(tmp_path, config_with(**settings), vocabulary_with(**more), gifts)
    with pytest.raises(CheckpointError, match="bytes of memory; allowed: "):
        load_model(path)


def test_a_catalogue_beside_the_model_counts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.npz").write_bytes(smallest())
    gifts = [as_json(gift(id=f"gift{index}")) for index in range(3)]
    (tmp_path / "gifts.json").write_text(json.dumps({"gifts": gifts}))
    both = tmp_path / "model.npz", tmp_path / "gifts.json"
    cost = cost_of(config_with().model, VOCABULARY, 10**9)
    monkeypatch.setattr("trm_np.recommend.recommender.cost_of", lambda *_: cost)
    with pytest.raises(CheckpointError, match=r"gifts\.json: by its settings and sizes"):
        Recommender.load(*both)


@pytest.mark.parametrize("preset", ["tiny", "report"])
def test_the_presets_are_far_from_the_limits(preset: str) -> None:
    data = load_dataset()
    cost = cost_of(resolve(preset).model, data.vocabulary, len(data.gifts))
    assert 5 * cost.work < MOST_WORK and 5 * (cost.shared + cost.each) < MOST_MEMORY


SHAPES: list[tuple[dict[str, int], dict[str, int], int]] = [
    ({}, {}, 3),
    ({"categories": 1_000}, {}, 3),
    ({"categories": 500}, {"category_heads": 8, "category_width": 64}, 3),
    ({"categories": 1_000}, {"category_hidden": 4_000}, 3),
    ({}, {"gift_slots": 3_000, "policy_hidden": 3_000, "reward_fusion_hidden": 3_000}, 1_000),
    ({}, {"fusion_hidden": 3_000, "tool_width": 1_000, "value_hidden": 3_000}, 1_000),
    ({"tools": 3_000}, {}, 3),
    ({"hobbies": 3_000, "preferences": 1_000}, {}, 300),
    ({}, {"reward_hidden": 500, "user_width": 2}, 1_000),
    ({}, {"gift_features": 3_000}, 300),
    ({}, {"core_width": 512, "core_hidden": 2_000, "core_heads": 8, "user_width": 512}, 300),
]


@pytest.mark.parametrize(("more", "settings", "gifts"), SHAPES, ids=str)
def test_an_answer_takes_no_more_memory_than_was_worked_out(
    tmp_path: Path, more: dict[str, int], settings: dict[str, int], gifts: int
) -> None:
    config, vocabulary = config_with(**settings), vocabulary_with(**more)
    stored = load_model(model_file(tmp_path, config, vocabulary, gifts), trust=True)
    tracemalloc.start()
    try:
        Recommender(stored).recommend({"age": 30, "hobbies": [vocabulary.hobbies[-1]]})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    cost = cost_of(config.model, vocabulary, gifts)
    laid_out = sum(parameter.data.nbytes for parameter in stored.model.core.blocks.parameters())  # once more
    assert peak < cost.shared + cost.each + laid_out + 2 * MEGABYTE + 2_000 * gifts


def test_a_long_name_costs_what_it_is_long(tmp_path: Path) -> None:
    long = "x" * 300_000
    vocabulary = vocabulary_with(hobbies=1_000)
    vocabulary = replace(vocabulary, hobbies=(*vocabulary.hobbies, long))
    stored = load_model(model_file(tmp_path, smallest_config(), vocabulary))
    tracemalloc.start()
    try:
        Recommender(stored)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * MEGABYTE


def test_people_are_looked_at_together_only_as_far_as_memory_goes(tmp_path: Path) -> None:
    def portion(**more: int) -> int:
        path = model_file(tmp_path, smallest_config(), vocabulary_with(**more))
        recommender, sizes = Recommender(load_model(path)), list[Any]()
        recommender._recommend = lambda asked, _: sizes.append(len(asked)) or iter(())  # type: ignore
        recommender.recommend_many([{"age": 30}] * 2_000)
        return max(sizes)

    assert portion() > 4 * portion(categories=1_500) > 0


def test_the_deadline_is_looked_at_within_the_recursion(tmp_path: Path) -> None:
    path = model_file(tmp_path, config_with(latent_steps=100_000, cycles=100_000), vocabulary_with())
    endless = Recommender.load(path, trust=True)
    with pytest.raises(TooLate), until(0.0):
        endless.recommend({"age": 30})


@pytest.fixture(scope="module")
def useless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose weights are all finite, and so large that nothing is that comes of them."""
    header, content = content_of(smallest(vocabulary_with()))
    huge: dict[str, Any] = {
        name: np.full_like(array, 1e38) if name.startswith("weights.") else array
        for name, array in content.items()
    }
    path = tmp_path_factory.mktemp("useless") / "model.npz"
    path.write_bytes(forged(header, huge))
    return path


def test_an_answer_that_is_no_number_is_an_error_that_says_of_what(useless: Path) -> None:
    recommender = Recommender.load(useless)
    for ask in (recommender.try_out, lambda: recommender.recommend({"age": 30})):
        with pytest.raises(ModelError, match=r"^the model's reward is not a finite number"):
            ask()


@pytest.mark.parametrize("command", ["recommend", "evaluate", "export"])
def test_every_command_refuses_a_model_without_numbers_in_one_line(
    useless: Path, tmp_path: Path, command: str
) -> None:
    more = {"recommend": ["--age", "30"], "export": ["--half", "--out", str(tmp_path / "half.npz")]}
    found = CliRunner().invoke(trm, [command, str(useless), *more.get(command, [])])
    assert (found.exit_code, found.stdout) == (65, "")
    assert found.stderr.startswith("Error: the model's reward is not a finite number: ")
    assert list(tmp_path.iterdir()) == []


def test_a_server_neither_begins_nor_goes_on_with_such_a_model(useless: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is not a finite number"):
        ServedModel(str(useless), None, Metrics())
    path = tmp_path / "best.npz"
    path.write_bytes(smallest(vocabulary_with()))
    served = ServedModel(str(path), None, Metrics())
    before = served.now
    path.write_bytes(useless.read_bytes())
    served.look(requested=True)
    assert served.now is before and "is not a finite number" in served.refused


@pytest.mark.slow
def test_well_formed_files_with_hostile_content_cost_little_or_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    with np.errstate(over="ignore"):
        for data in content.files(6, np.random.default_rng(1)):
            path.write_bytes(data)
            assert content.cost_of_using(path).bytes < MOST_MEMORY + MEMORY_OF_A_BYTE * len(data)
