"""Every setting in one place: frozen dataclasses, two presets (sizes), two recipes (how to train), and the report's
eight optimizations as switches.

A switch is a name for the settings it had *before*; the defaults below are the settings *after* (the report's
table). `resolve` starts from a preset, applies a recipe, turns switches off, then applies `--set key=value`.
"""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

LARGEST_SIZE = 100_000  # of any width or depth: beyond it a model would not fit into memory
MOST_NAMES = 12  # that an error lists
FEWEST_CANDIDATES = 3  # a recommendation is three gifts
ALLOWED = {
    "bool": "true or false",
    "int": "an integer",
    "float": "a number",
    "str": "a name",
    "int | None": "an integer or none",
    "float | None": "a number or none",
}

Settings = TypeVar("Settings", bound="DataclassInstance")  # a configuration: its sections are dataclasses too


class ConfigError(ValueError):
    """A setting that does not exist, or a value it may not take."""


@dataclass(frozen=True)
class ModelConfig:
    """Widths and depths. The defaults are those of the `report` preset."""

    core_width: int = 512
    core_blocks: int = 3
    core_heads: int = 8
    core_hidden: int = 768
    core_tokens: int = 1000  # rows of the token table, or more where the vocabulary needs more
    latent_steps: int = 3  # n: z ← f(x + y + z) this many times, then y ← f(y + z)
    cycles: int = 2  # T: this many times in all, only the last with gradient
    supervision_steps: int = 3  # N_sup: at most this many with the carry handed on
    policy_hidden: int = 256
    value_hidden: int = 256
    outcome_hidden: int = 128
    hobby_width: int = 64
    preference_width: int = 32
    occasion_width: int = 32
    scalar_width: int = 16
    user_width: int = 256
    category_width: int = 128
    category_heads: int = 8
    category_hidden: int = 64
    tool_width: int = 128
    tool_heads: int = 4
    tool_vote: float = 3.0  # a word's whole vote adds this to a tool's logit
    tool_head: str = "sigmoid"  # "softmax" is the report's head, kept to show where its loss gets stuck
    reward_hidden: int = 64
    reward_fusion_hidden: int = 3
    gift_features: int = 128
    gift_slots: int = 50
    fusion_layers: int = 4
    fusion_heads: int = 8
    fusion_hidden: int = 256
    experienced_gifts: int = 0  # gifts of which choices teach; set by the data, none without choices


@dataclass(frozen=True)
class DropoutConfig:
    """Drop probabilities."""

    profile_encoder: float = 0.2
    semantic_matcher: float = 0.2
    gift_encoder: float = 0.2
    recommendation_head: float = 0.3


@dataclass(frozen=True)
class LearningRateConfig:
    """One learning rate for each component."""

    core: float = 1e-4
    decision_heads: float = 1e-4
    user_profiling: float = 1e-4
    category_matching: float = 1e-4
    tool_selection: float = 1.5e-4
    reward_prediction: float = 1e-4
    gift_catalogue: float = 1e-4
    cross_modal_fusion: float = 1e-4
    experience: float = 0.0  # it is solved, not learned (docs/choices.md)


@dataclass(frozen=True)
class LossConfig:
    """The weight of each loss term in the total, the last six of them auxiliary; then how gifts are compared."""

    category: float = 0.25
    tool: float = 0.25
    reward: float = 0.25
    semantic: float = 0.20
    embedding: float = 1e-5
    masked_tokens: float = 0.02
    halting: float = 0.02
    policy: float = 0.02
    value: float = 0.02
    outcome: float = 0.02
    gift_scorer: float = 0.02
    choice: float = 0.25  # only where choices are given
    # In training a label is believed this much less, and the other names of its kind as much more; none: by the number
    # of scenarios (sizes.py).
    smoothing: float | None = None
    temperature: float = 0.2  # τ of the listwise divergence, in units of reward
    candidates: int = 64  # gifts that the terms are taken over, at most: a part of a larger catalogue
    choice_candidates: int = 4096  # the same for the term of choices


@dataclass(frozen=True)
class TrainingConfig:
    """Length of training, batches, and when to stop."""

    epochs: int = 150
    batch_size: int = 32
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    scenario_limit: int | None = None  # train on this many of the scenarios, the first ones; None: on all
    augment: bool = True
    # Where scenarios are few (practice.py): how likely an imagined profile takes a scenario's place in a batch, and how
    # often an epoch has a place for each scenario.
    imagined: float = 0.9
    repeats: int = 2
    mask_probability: float = 0.15  # of each profile token, for the auxiliary reconstruction
    word_start: bool = True  # start as a matcher of words (model/start.py); False: at random, to compare
    evaluate_every: int = 5  # epochs
    patience: int | None = 15  # evaluations without improvement that are allowed; None: keep the newest
    # By what share quality must rise to count; none: by more than its standard error (stopping.py).
    improvement: float | None = None
    plateau: bool = True  # ReduceLROnPlateau on the validation loss
    plateau_factor: float = 0.5
    plateau_patience: int = 5  # evaluations
    plateau_min_lr: float = 1e-6


@dataclass(frozen=True)
class Config:
    """A run, resolved. It is stored with the weights."""

    preset: str = "report"
    recipe: str = "report"
    model: ModelConfig = field(default_factory=ModelConfig)
    dropout: DropoutConfig = field(default_factory=DropoutConfig)
    learning_rate: LearningRateConfig = field(default_factory=LearningRateConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)


TINY = ModelConfig(
    core_width=64,
    core_blocks=2,
    core_heads=4,
    core_hidden=128,
    core_tokens=72,
    policy_hidden=64,
    value_hidden=32,
    outcome_hidden=32,
    hobby_width=20,
    preference_width=20,
    occasion_width=10,
    scalar_width=7,
    user_width=64,
    category_width=64,
    category_heads=4,
    category_hidden=64,
    tool_width=64,
    tool_heads=4,
    reward_hidden=64,
    gift_features=96,
    fusion_layers=2,
    fusion_heads=4,
    fusion_hidden=64,
)

PRESETS: dict[str, Config] = {"tiny": Config(preset="tiny", model=TINY), "report": Config(preset="report")}

# How to train, as settings over a preset: as the report has it, or as measured here (docs/quality.md).
RECIPES: dict[str, dict[str, Any]] = {
    "report": {},
    "measured": {
        "training.batch_size": 64,
        "training.repeats": 4,
        "dropout.profile_encoder": 0.0,
        "dropout.semantic_matcher": 0.0,
        "dropout.gift_encoder": 0.0,
        "dropout.recommendation_head": 0.0,
    },
}

# Settings that files of earlier versions lack, and what those versions did.
ADDED: dict[str, Any] = {
    "recipe": "report",
    "model.tool_vote": 1.0,
    "model.experienced_gifts": 0,
    "learning_rate.experience": 0.0,
    "loss.choice": 0.25,
    "loss.choice_candidates": 4096,
    "training.imagined": 0.0,
    "training.repeats": 1,
}

# The report's table: each optimization, by the settings it had before.
SWITCHES: dict[str, dict[str, Any]] = {
    "data_diversity": {"training.scenario_limit": 2},
    "learning_rates": {"learning_rate.category_matching": 3e-4, "learning_rate.user_profiling": 2e-4},
    "lr_scheduler": {"training.plateau": False},
    "loss_weights": {"loss.category": 0.35, "loss.tool": 0.15},
    "dropout": {
        "dropout.profile_encoder": 0.1,
        "dropout.semantic_matcher": 0.1,
        "dropout.gift_encoder": 0.1,
        "dropout.recommendation_head": 0.1,
    },
    "early_stopping": {"training.patience": None},
    "frequent_evaluation": {"training.evaluate_every": 10},
    "data_augmentation": {"training.augment": False},
}


def resolve(
    preset: str,
    off: Iterable[str] = (),
    settings: Mapping[str, Any] | None = None,
    recipe: str = "report",
) -> Config:
    """The preset by a recipe, with the switches in `off` turned off, then each setting applied: "loss.tool": 0.3, or
    "0.3"."""
    config = replace(PRESETS[one_of(preset, PRESETS, "preset")], recipe=one_of(recipe, RECIPES, "recipe"))
    for key, value in RECIPES[recipe].items():
        config = _with(config, key, value)
    for name in off:
        for key, value in SWITCHES[one_of(name, SWITCHES, "optimization")].items():
            config = _with(config, key, value)
    config = with_settings(config, settings or {})
    _check(config)
    return config


def with_settings(config: Settings, settings: Mapping[str, Any]) -> Settings:
    """The configuration with each of these values, or texts of them, in place of its own; raises ConfigError."""
    for key, given in settings.items():
        kind = _kind(config, key)
        config = _with(
            config, key, _parse(key, kind, given) if isinstance(given, str) else _of_type(key, kind, given)
        )
    return config


def one_of(name: str, known: Iterable[str], kind: str) -> str:
    """`name` if it is known; otherwise ConfigError with the closest names, or the first if none is close."""
    known = list(known)
    if name in known:
        return name
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=3) or get_close_matches(name, known, n=3, cutoff=0.5)
    more = ", ..." if len(known) > MOST_NAMES else ""
    hint = (
        f"did you mean {' or '.join(close)}?" if close else f"allowed: {', '.join(known[:MOST_NAMES])}{more}"
    )
    raise ConfigError(f"no {kind} named {name!r}; {hint}")


def flatten(config: Any) -> dict[str, Any]:
    """Every setting of a configuration by its dotted key, in definition order."""
    flat: dict[str, Any] = {}
    for name, value in asdict(config).items():
        if isinstance(value, dict):
            flat.update({f"{name}.{key}": inner for key, inner in value.items()})
        else:
            flat[name] = value
    return flat


def completed(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The flat settings of a file, which an earlier version may have written, with those that it lacks."""
    return {**ADDED, **settings}


def from_flat(settings: Mapping[str, Any]) -> Config:
    """The inverse of `flatten`; raises ConfigError on an unknown key or a value of the wrong type."""
    config = Config(preset=str(settings.get("preset", "")), recipe=str(settings.get("recipe", "")))
    config = with_stored(config, {key: settings[key] for key in settings if key not in ("preset", "recipe")})
    _check(config)
    return config


def with_stored(config: Settings, settings: Mapping[str, Any]) -> Settings:
    """The configuration with these values, as a file has them; raises ConfigError."""
    for key, value in settings.items():
        config = _with(config, key, _of_type(key, _kind(config, key), value))
    return config


@cache
def _types(of: type) -> dict[str, str]:
    """The type of every setting, as it is written above, by its dotted key."""
    sections = {name: kind for name, kind in get_type_hints(of).items() if is_dataclass(kind)}
    return {
        f"{name}.{f.name}": f.type.__name__ if isinstance(f.type, type) else str(f.type)
        for name, kind in sections.items()
        for f in fields(kind)
    }


def _kind(config: Settings, key: str) -> str:
    types = _types(type(config))
    return types[one_of(key, types, "setting")]


def _with(config: Settings, key: str, value: Any) -> Settings:
    _kind(config, key)
    section, name = key.split(".")
    return replace(config, **{section: replace(getattr(config, section), **{name: value})})


def _parse(key: str, kind: str, text: str) -> Any:
    try:
        if text == "none" and "None" in kind:
            return None
        if kind == "bool":
            return {"true": True, "false": False}[text]
        if kind == "str":
            return text
        return float(text) if kind.startswith("float") else int(text)
    except (KeyError, ValueError):
        raise ConfigError(f"{key}={text}: must be {ALLOWED[kind]}") from None


def _of_type(key: str, kind: str, given: Any) -> Any:
    """The value, of NumPy as Python has it; raises ConfigError if the setting may not have it."""
    value = given.tolist() if hasattr(given, "tolist") else given
    allowed = {"int": (int,), "float": (int, float), "bool": (bool,), "str": (str,)}[kind.split(" ")[0]]
    is_number_in_disguise = isinstance(value, bool) and kind != "bool"
    if not (value is None and "None" in kind) and (not isinstance(value, allowed) or is_number_in_disguise):
        raise ConfigError(f"{key}={value!r}: must be {ALLOWED[kind]}")
    return value


def _check(config: Config) -> None:
    """Raise ConfigError on the first value that no run could use."""
    model = config.model
    for key, value in flatten(config).items():
        section, _, name = key.partition(".")
        if section == "dropout" and value >= 1:
            raise ConfigError(f"{key}={value}: must be below 1")
        least = 0 if name == "experienced_gifts" else 1
        if section == "model" and isinstance(value, int) and not least <= value <= LARGEST_SIZE:
            raise ConfigError(f"{key}={value}: must be from {least} to {LARGEST_SIZE}")
        if (
            name in ("epochs", "batch_size", "evaluate_every", "scenario_limit", "repeats")
            and value is not None
            and value < 1
        ):
            raise ConfigError(f"{key}={value}: must be at least 1")
        if isinstance(value, (int, float)) and not 0 <= value <= sys.float_info.max:
            raise ConfigError(f"{key}={value}: must be finite and not negative")
    for width, heads in (
        ("core_width", "core_heads"),
        ("category_width", "category_heads"),
        ("tool_width", "tool_heads"),
    ):
        if getattr(model, width) % getattr(model, heads):
            raise ConfigError(f"model.{width}={getattr(model, width)}: must be a multiple of model.{heads}")
    if model.core_width % model.fusion_heads or model.core_width // model.core_heads % 2:
        raise ConfigError(
            f"model.core_width={model.core_width}: must be a multiple of model.fusion_heads and of 2·model.core_heads"
        )
    if model.core_width % model.user_width:
        raise ConfigError(
            f"model.user_width={model.user_width}: must divide model.core_width, which folds into it"
        )
    if model.tool_vote == 0:
        raise ConfigError("model.tool_vote=0: must be positive, or no tool would be learnt")
    if model.tool_head not in ("sigmoid", "softmax"):
        raise ConfigError(f"model.tool_head={model.tool_head}: must be sigmoid or softmax")
    if not 0 < config.training.plateau_factor < 1:
        raise ConfigError(
            f"training.plateau_factor={config.training.plateau_factor}: must lie between 0 and 1"
        )
    if config.training.clip_norm == 0:
        raise ConfigError("training.clip_norm=0: must be positive, or nothing would be learnt")
    if config.training.mask_probability >= 1:
        raise ConfigError(f"training.mask_probability={config.training.mask_probability}: must be below 1")
    if config.training.imagined > 1:
        raise ConfigError(f"training.imagined={config.training.imagined}: must be at most 1")
    if (config.loss.smoothing or 0) > 1:
        raise ConfigError(f"loss.smoothing={config.loss.smoothing}: must be at most 1")
    if config.loss.temperature == 0:
        raise ConfigError("loss.temperature=0: must be positive")
    if config.loss.candidates < FEWEST_CANDIDATES:
        raise ConfigError(f"loss.candidates={config.loss.candidates}: must be at least {FEWEST_CANDIDATES}")


def switches(config: Config) -> dict[str, bool]:
    return switches_in(flatten(config))


def switches_in(settings: Mapping[str, Any]) -> dict[str, bool]:
    """Whether each of the report's optimizations is on: not all of its settings have their values for off."""
    return {
        name: any(settings[key] != value for key, value in before.items())
        for name, before in SWITCHES.items()
    }
