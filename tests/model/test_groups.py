"""Parameter groups: what decays, how fast each component learns, and that none is forgotten."""

from typing import Any

import pytest

from tests.training.small_run import dataset, small
from trm_np.config import Config, resolve
from trm_np.model.build import build_model
from trm_np.model.groups import check_cover, parameter_groups
from trm_np.model.trm import TRM

# The report's table: learning rates after the optimizations, and before.
AFTER = {
    **{"core": 1e-4, "decision_heads": 1e-4, "user_profiling": 1e-4, "category_matching": 1e-4},
    **{
        "tool_selection": 1.5e-4,
        "reward_prediction": 1e-4,
        "gift_catalogue": 1e-4,
        "cross_modal_fusion": 1e-4,
    },
}
BEFORE = AFTER | {"category_matching": 3e-4, "user_profiling": 2e-4}


def model_of(config: Config) -> TRM:
    return build_model(config, dataset().vocabulary)


def names_in(groups: list[dict[str, Any]], model: TRM) -> dict[str, list[str]]:
    """The names of the parameters in each group."""
    name = {id(parameter): name for name, parameter in model.named_parameters()}
    return {group["name"]: [name[id(parameter)] for parameter in group["params"]] for group in groups}


@pytest.mark.parametrize(("off", "rates"), [([], AFTER), (["learning_rates"], BEFORE)])
def test_each_component_learns_at_the_rate_of_the_table(off: list[str], rates: dict[str, float]) -> None:
    config = small(*off)
    groups = parameter_groups(model_of(config), config)
    assert [group["component"] for group in groups] == [name for name in rates for _ in range(2)]
    assert [group["lr"] for group in groups] == [rate for rate in rates.values() for _ in range(2)]


def test_a_group_holds_parameters_of_its_component_only() -> None:
    config = small()
    model = model_of(config)
    for group in parameter_groups(model, config):
        assert {name.split(".")[0] for name in names_in([group], model)[group["name"]]} == {
            group["component"]
        }


@pytest.mark.parametrize("config", [small(), resolve("report")], ids=["small", "report"])
def test_matrices_decay_and_nothing_else(config: Config) -> None:
    model = model_of(config)
    groups = parameter_groups(model, config)
    decays = {
        name: group["weight_decay"] for group in groups for name in names_in([group], model)[group["name"]]
    }
    # Told by name and shape: tables are called embedding or memory, norms and biases have one axis.
    for name, parameter in model.named_parameters():
        is_table = "embedding" in name or name.endswith("memory")
        assert decays[name] == (0.0 if is_table or parameter.ndim == 1 else 0.01), name
    assert set(decays.values()) == {0.0, 0.01}
    for group in groups:
        assert group["name"].endswith(", no decay") == (group["weight_decay"] == 0.0)


def test_the_decay_is_the_one_set() -> None:
    config = small(training__weight_decay=0.3)
    assert {group["weight_decay"] for group in parameter_groups(model_of(config), config)} == {0.0, 0.3}


def test_a_parameter_in_no_group_or_in_two_is_named() -> None:
    config = small()
    model = model_of(config)
    groups = parameter_groups(model, config)
    forgotten, twice = names_in(groups, model)["core"][:2]
    parameter = dict(model.named_parameters())
    groups[0]["params"].remove(parameter[forgotten])
    groups[-1]["params"].append(parameter[twice])
    with pytest.raises(ValueError) as caught:
        check_cover(model, groups)
    assert str(caught.value) == f"not in exactly one parameter group: {forgotten}, {twice}"
