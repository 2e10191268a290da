"""Settings: what a run resolves to, what a model file says of it, and what is refused."""

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trm_np.config import PRESETS, SWITCHES, Config, ConfigError, flatten, from_flat, resolve
from trm_np.data.load import load_dataset
from trm_np.model.build import build_model

SOME_OFF = st.lists(st.sampled_from(list(SWITCHES)), unique=True)


def test_the_tiny_preset_has_a_few_hundred_thousand_parameters() -> None:
    model = build_model(resolve("tiny"), load_dataset().vocabulary)
    assert 200_000 < sum(parameter.size for parameter in model.parameters()) < 400_000


def test_the_presets_differ_in_the_model_alone() -> None:
    tiny, report = PRESETS["tiny"], PRESETS["report"]
    assert replace(tiny, preset="report", model=report.model) == report
    assert {name: config.preset for name, config in PRESETS.items()} == {"tiny": "tiny", "report": "report"}


def test_the_recipe_measured_differs_in_dropout_and_practice() -> None:
    report, measured = flatten(resolve("tiny")), flatten(resolve("tiny", recipe="measured"))
    found = {key: (report[key], value) for key, value in measured.items() if report[key] != value}
    dropouts = {key: (value, 0.0) for key, value in report.items() if key.startswith("dropout.")}
    assert found == dropouts | {
        "recipe": ("report", "measured"),
        "training.batch_size": (32, 64),
        "training.repeats": (2, 4),
    }


def test_all_settings_can_be_read_off_by_name_in_the_order_of_definition() -> None:
    flat = flatten(resolve("report"))
    assert list(flat)[:2] == ["preset", "recipe"]
    assert flat["model.core_width"] == 512
    assert flat["training.scenario_limit"] is None
    sections = [key.split(".")[0] for key in flat]
    assert sections == sorted(sections, key=list(vars(Config())).index)


# ------------------------------------------------------------------------------------------ switches


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_turned_off_changes_its_settings_and_no_others(name: str, preset: str) -> None:
    on, off = flatten(resolve(preset)), flatten(resolve(preset, [name]))
    assert {key: value for key, value in off.items() if value != on[key]} == SWITCHES[name]


def test_no_setting_belongs_to_two_switches() -> None:
    keys = [key for settings in SWITCHES.values() for key in settings]
    assert len(set(keys)) == len(keys)


def test_there_are_the_eight_optimizations_of_the_report() -> None:
    assert list(SWITCHES) == [
        *("data_diversity", "learning_rates", "lr_scheduler", "loss_weights"),
        *("dropout", "early_stopping", "frequent_evaluation", "data_augmentation"),
    ]


def test_a_setting_given_has_the_last_word() -> None:
    config = resolve("tiny", ["dropout"], {"dropout.gift_encoder": "0.5", "training.patience": "none"})
    assert (config.dropout.gift_encoder, config.dropout.profile_encoder) == (0.5, 0.1)
    assert config.training.patience is None


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("loss.tool", "0.3", 0.3),
        ("loss.tool", "1", 1.0),
        ("training.epochs", "7", 7),
        ("training.augment", "false", False),
        ("training.scenario_limit", "none", None),
        ("training.scenario_limit", "3", 3),
        ("model.tool_head", "softmax", "softmax"),
    ],
)
def test_a_setting_is_read_by_its_type(key: str, text: str, value: Any) -> None:
    found = flatten(resolve("tiny", settings={key: text}))[key]
    assert (found, type(found)) == (value, type(value))


# ----------------------------------------------------------------------------------- stored with a model


@settings(max_examples=25)
@given(st.sampled_from(list(PRESETS)), SOME_OFF, st.floats(0, 10), st.none() | st.integers(0, 99))
def test_a_configuration_comes_back_from_its_settings(
    preset: str, off: list[str], weight: float, patience: int | None
) -> None:
    given_settings = {"loss.tool": repr(weight), "training.patience": str(patience).lower()}
    config = resolve(preset, off, given_settings)
    assert from_flat(flatten(config)) == config
    assert from_flat(json.loads(json.dumps(flatten(config)))) == config


# -------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("key", "suggestion"),
    [
        ("loss.tol", "loss.tool"),
        ("model.core_widht", "model.core_width"),
        ("training.epoch", "training.epochs"),
        ("loss", "loss."),
        ("tool", "loss.tool"),
    ],
)
def test_an_unknown_setting_is_refused_with_the_names_like_it(key: str, suggestion: str) -> None:
    with pytest.raises(
        ConfigError, match=f"no setting named '{re.escape(key)}'; did you mean .*{suggestion}"
    ):
        resolve("tiny", settings={key: "1"})
    with pytest.raises(
        ConfigError, match=f"no setting named '{re.escape(key)}'; did you mean .*{suggestion}"
    ):
        from_flat(flatten(resolve("tiny")) | {key: 1})


def test_an_unknown_preset_or_optimization_is_refused_with_the_names_like_it() -> None:
    with pytest.raises(ConfigError, match=r"no preset named 'tinny'; did you mean tiny\?"):
        resolve("tinny")
    with pytest.raises(ConfigError, match=r"no optimization named 'droput'; did you mean dropout\?"):
        resolve("tiny", ["droput"])
    with pytest.raises(ConfigError, match=r"no preset named 'x'; allowed: tiny, report$"):
        resolve("x")


@pytest.mark.parametrize(
    ("key", "text"),
    [
        *(("training.epochs", text) for text in ("many", "1.5", "", "none", "true")),
        *(("loss.tool", text) for text in ("much", "", "none", "0,3")),
        *(("training.augment", text) for text in ("1", "True", "", "none")),
        ("training.patience", "None"),
    ],
)
def test_text_of_the_wrong_type_is_refused(key: str, text: str) -> None:
    with pytest.raises(
        ConfigError, match=f"{re.escape(key)}={text}: must be (true or false|an integer|a number)"
    ):
        resolve("tiny", settings={key: text})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("training.epochs", value) for value in (1.0, "1", True, None, [1])),
        *(("loss.tool", value) for value in ("0.25", False, None, {})),
        *(("training.augment", value) for value in (1, "true", None)),
        *(("training.patience", value) for value in (1.5, "none", True)),
        *(("model.tool_head", value) for value in (1, None)),
    ],
)
def test_a_stored_value_of_the_wrong_type_is_refused(key: str, value: Any) -> None:
    with pytest.raises(
        ConfigError, match=f"{re.escape(key)}=.*: must be (true or false|an integer|a number|a name)"
    ):
        from_flat(flatten(resolve("tiny")) | {key: value})


MAY_BE_ZERO = ("tool_head", "experienced_gifts")  # a name; none without choices
OUT_OF_RANGE: list[tuple[str, Any]] = [
    *(("loss.tool", value) for value in (-1, -0.1, float("nan"), float("inf"))),
    *(("learning_rate.core", value) for value in (-1, -1e-4, float("nan"), float("inf"))),
    *(("dropout.gift_encoder", value) for value in (-1, -0.1, 1, 1.0, 1.5, float("nan"))),
    *(("training.mask_probability", value) for value in (-1, 1, 1.0, float("nan"))),
    *(("training.plateau_factor", value) for value in (-1, 0, 0.0, 1, 1.0)),
    *(("loss.temperature", value) for value in (-1, 0, 0.0)),
    *(("loss.smoothing", value) for value in (-0.1, 1.1)),
    *(("training.epochs", value) for value in (0, -1)),
    *(("training.batch_size", value) for value in (0, -1)),
    *(("training.evaluate_every", value) for value in (0, -1)),
    *(("training.scenario_limit", value) for value in (0, -1)),
    *(("training.patience", value) for value in (-1,)),
    *(("training.plateau_patience", value) for value in (-1,)),
    *((f"model.{name}", 0) for name in vars(PRESETS["tiny"].model) if name not in MAY_BE_ZERO),
    *(("model.core_heads", value) for value in (3, 64)),  # does not divide; leaves an odd width for rotation
    ("model.fusion_heads", 3),
    ("model.category_heads", 3),
    ("model.tool_heads", 3),
    ("model.user_width", 48),
    ("model.user_width", 128),  # wider than the core
    ("model.tool_head", "argmax"),
]


@pytest.mark.parametrize(("key", "value"), OUT_OF_RANGE, ids=str)
def test_a_value_that_no_run_could_use_is_refused_by_name(key: str, value: Any) -> None:
    # Of heads that do not divide a width, the width is named, and the heads as what it must be a multiple of.
    named = rf"^(?=.*\b{re.escape(key)}\b).*: must "
    with pytest.raises(ConfigError, match=named):
        from_flat(flatten(resolve("tiny")) | {key: value})
    with pytest.raises(ConfigError, match=named):
        resolve("tiny", settings={key: str(value)})


def test_a_setting_given_in_python_is_of_its_type_or_refused() -> None:
    given = {"training.epochs": np.int64(7), "loss.tool": np.float64(0.5), "training.plateau": np.False_}
    config = resolve("tiny", settings=given | {"training.patience": None, "learning_rate.core": 1})
    assert (config.training.epochs, config.loss.tool, config.training.plateau) == (7, 0.5, False)
    assert config.training.patience is None and json.loads(json.dumps(flatten(config))) == flatten(config)
    assert from_flat(flatten(config) | given) == config
    for key, value in (
        ("training.epochs", 7.5),
        ("training.epochs", True),
        ("loss.tool", np.True_),
        ("loss.tool", None),
    ):
        with pytest.raises(ConfigError, match=f"^{key}="):
            resolve("tiny", settings={key: value})
