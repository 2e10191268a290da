"""Report of `trm inspect` on a configuration with its data, or on a stored model; nothing is trained."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from textwrap import wrap
from typing import Any

from trm_np.autograd import nn
from trm_np.config import Config, flatten, switches
from trm_np.data.load import FilePath, load_dataset
from trm_np.data.records import Gift, Scenario
from trm_np.data.tables import AGE_GROUPS, age_group, budget_tier
from trm_np.data.vocabulary import Vocabulary
from trm_np.evaluation.summary import figure, table, title
from trm_np.model.build import build_model
from trm_np.model.groups import parameter_groups
from trm_np.model.trm import TRM
from trm_np.storage.checkpoint import load_model

WIDTH = 96  # characters of a line of "made of"

PARTS = {
    "core": "recursive core",
    "decision_heads": "state and decision heads",
    "user_profiling": "1 user profiling",
    "category_matching": "2 category matching",
    "tool_selection": "3 tool selection",
    "reward_prediction": "4 reward prediction",
    "gift_catalogue": "gift catalogue",
    "cross_modal_fusion": "5 cross-modal fusion",
}


def inspect_new(
    config: Config, scenarios: FilePath | None, held_out: FilePath | None, catalogue: FilePath | None
) -> dict[str, Any]:
    """Report on the run that this configuration and these files would train; raises ConfigError and DataError."""
    data = load_dataset(scenarios, held_out, catalogue)
    train = data.first(config.training.scenario_limit).train
    return findings(build_model(config, data.vocabulary), config, data.vocabulary, train, data.gifts, {})


def inspect_stored(path: FilePath, trust: bool = False) -> dict[str, Any]:
    """Report on a model file, with its metrics; raises CheckpointError, as `load_model` does."""
    stored = load_model(path, trust=trust)
    metrics = stored.header["metrics"]
    return findings(stored.model, stored.config, stored.vocabulary, stored.scenarios, stored.gifts, metrics)


def findings(
    model: TRM,
    config: Config,
    vocabulary: Vocabulary,
    scenarios: Sequence[Scenario],
    gifts: Sequence[Gift],
    metrics: dict[str, dict[str, float]],
) -> dict[str, Any]:
    """Coverage of the training data, parameters, parameter groups, settings; `metrics` of a stored model."""
    return {
        "preset": config.preset,
        "parameters": count(model),
        "coverage": coverage(scenarios, gifts, vocabulary),
        "parts": [
            {"part": PARTS[name], "component": name, "parameters": count(part), "made_of": made_of(part)}
            for name, part in model.named_children()
        ],
        "groups": [
            {
                "name": group["name"],
                "component": group["component"],
                "learning_rate": group["lr"],
                "weight_decay": group["weight_decay"],
                "tensors": len(group["params"]),
                "parameters": sum(parameter.size for parameter in group["params"]),
            }
            for group in parameter_groups(model, config)
        ],
        "switches": switches(config),
        "settings": flatten(config),
        "metrics": metrics,
    }


def count(module: nn.Module) -> int:
    return sum(parameter.size for parameter in module.parameters())


# ----------------------------------------------------------------------------------------- the data


def coverage(scenarios: Sequence[Scenario], gifts: Sequence[Gift], vocabulary: Vocabulary) -> dict[str, Any]:
    """Counts of each name in the training scenarios, in the order of the vocabulary."""
    profiles = [scenario.profile for scenario in scenarios]
    ages = [profile.age for profile in profiles if profile.age is not None]
    budgets = [profile.budget for profile in profiles if profile.budget is not None]
    groups = [f"{youngest}-{oldest}" for youngest, oldest in AGE_GROUPS]
    money = vocabulary.money
    lower, upper = (f"{top:.10g}" for top in money.tiers)
    tiers = [f"up to {lower}", f"up to {upper}", f"above {upper}"]

    def used(names: Sequence[str], values: Iterable[str | None]) -> dict[str, int]:
        times = Counter(values)
        return {name: times[name] for name in names}

    return {
        "scenarios": len(scenarios),
        "gifts": len(gifts),
        "ages": [min(ages), max(ages)] if ages else [],
        "age groups": used(groups, (groups[index] for index in age_group(ages))),
        "currency": money.currency,
        "usual budget": money.middle,
        "budgets": [min(budgets), max(budgets)] if budgets else [],
        "budget tiers": used(tiers, (tiers[index] for index in budget_tier(budgets, money))),
        "relationships": used(vocabulary.relationships, (profile.relationship for profile in profiles)),
        "occasions": used(vocabulary.occasions, (profile.occasion for profile in profiles)),
        "categories": used(
            vocabulary.categories, (name for s in scenarios for name in s.expected_categories)
        ),
        "tools": used(vocabulary.tools, (name for s in scenarios for name in s.expected_tools)),
        "hobbies": used(vocabulary.hobbies, (name for profile in profiles for name in profile.hobbies)),
        "preferences": used(
            vocabulary.preferences, (name for profile in profiles for name in profile.preferences)
        ),
        "gifts by category": used(vocabulary.categories, (gift.category for gift in gifts)),
    }


# --------------------------------------------------------------------------------------- the modules


def _linear(layer: nn.Linear) -> str:
    outputs, inputs = layer.weight.shape
    return f"{inputs}→{outputs}" + ("" if layer.bias is not None else " nb")


def _attention(layer: nn.MultiheadAttention) -> str:
    packed = f"qkv {layer.embed_dim}→{3 * layer.embed_dim}" + (
        "" if layer.in_proj_bias is not None else " nb"
    )
    return f"{packed}, out {_linear(layer.out_proj)}, {layer.num_heads} heads"


# Text of each kind of layer; "nb" means without bias. The first match counts.
LAYERS: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (nn.Linear, _linear),
    (nn.Embedding, lambda layer: "{}x{}".format(*layer.weight.shape)),
    (nn.MultiheadAttention, _attention),
    (nn.SwiGLU, lambda layer: f"gate+up {_linear(layer.gate_up)}, down {_linear(layer.down)}"),
    (nn.Dropout, lambda layer: f"dropout {layer.p}"),
    (nn.Sequential, lambda layer: ", ".join(made_of(inner) for inner in layer)),
    (nn.ModuleList, lambda layer: repeated([made_of(inner) for inner in layer])),
)


def made_of(module: nn.Module) -> str:
    """Text of the layers of a module, in order."""
    for kind, describe in LAYERS:
        if isinstance(module, kind):
            return describe(module)
    parts = []
    for name, value in vars(module).items():
        words = name.replace("_", " ")
        if isinstance(value, nn.Module):
            parts.append(f"{words}: {made_of(value)}")
        elif isinstance(value, nn.Parameter) and not isinstance(module, nn.LayerNorm):
            parts.append(f"{words}: " + "x".join(map(str, value.shape)))
    return "; ".join(parts) or type(module).__name__


def repeated(texts: list[str]) -> str:
    """Join the texts; equal ones appear once, with their number."""
    if len(set(texts)) == 1 and len(texts) > 1:
        return f"{len(texts)} times ({texts[0]})"
    return " | ".join(texts)


# ------------------------------------------------------------------------------------------ the text


def inspection_text(found: dict[str, Any]) -> str:
    """The findings as text of at most 100 columns."""
    sections = {
        "Data (the training scenarios)": coverage_text(found["coverage"]),
        "Parameters": parts_text(found),
        "Parameter groups": groups_text(found["groups"]),
        "Optimizations": table([(name, "on" if on else "off") for name, on in found["switches"].items()]),
        "Settings": table([(key, str(value)) for key, value in found["settings"].items()]),
    }
    for split, metrics in found["metrics"].items():
        sections[f"Metrics on the {split} scenarios"] = table(
            [(title(name), figure(metrics, name)) for name in metrics]
        )
    return "\n\n".join(f"{name}\n{'-' * len(name)}\n{text}" for name, text in sections.items())


def coverage_text(found: dict[str, Any]) -> str:
    lines = []
    for name, value in found.items():
        if isinstance(value, dict):
            used = sum(times > 0 for times in value.values())
            each = ", ".join(f"{key} {times}" for key, times in value.items())
            lines += wrapped(f"{name} ({used} of {len(value)}): {each}")
        elif isinstance(value, list):
            lines.append(f"{name}: {value[0]:g} to {value[1]:g}" if value else f"{name}: none given")
        else:
            lines.append(f"{name}: {value:.10g}" if isinstance(value, float) else f"{name}: {value}")
    return "\n".join(lines)


def parts_text(found: dict[str, Any]) -> str:
    rows = [(part["part"], f"{part['parameters']:,}") for part in found["parts"]]
    sums = table([*rows, ("in all", f"{found['parameters']:,}")])
    layers = [line for part in found["parts"] for line in wrapped(f"{part['part']}: {part['made_of']}")]
    return "\n".join([sums, "", "Made of (nb: without bias)", *layers])


def groups_text(groups: Sequence[dict[str, Any]]) -> str:
    head = ("group", "learning rate", "weight decay", "tensors", "parameters")
    rows = [
        (
            group["name"],
            f"{group['learning_rate']:g}",
            f"{group['weight_decay']:g}",
            str(group["tensors"]),
            f"{group['parameters']:,}",
        )
        for group in groups
    ]
    tensors = sum(group["tensors"] for group in groups)
    parameters = sum(group["parameters"] for group in groups)
    return table([head, *rows, ("in all", "", "", str(tensors), f"{parameters:,}")])


def wrapped(text: str) -> list[str]:
    """Lines of at most WIDTH characters, all but the first indented."""
    return wrap(text, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
