"""Parameter groups: a learning rate for each component, and weight decay on matrices only."""

from typing import Any

from trm_np.autograd import nn
from trm_np.config import Config
from trm_np.model.trm import TRM


def parameter_groups(model: TRM, config: Config) -> list[dict[str, Any]]:
    """Groups for AdamW, named "component" and "component, no decay", in the order of the model's parts.

    Biases, norms, embeddings and the gift memory do not decay. Raises ValueError if a parameter is in no group or
    in two.
    """
    tables = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    tables.add(id(model.gift_catalogue.memory))
    groups: list[dict[str, Any]] = []
    for name, part in model.named_children():
        matrices: list[nn.Parameter] = []
        others: list[nn.Parameter] = []
        for parameter in part.parameters():
            (matrices if parameter.ndim > 1 and id(parameter) not in tables else others).append(parameter)
        shared = {"component": name, "lr": getattr(config.learning_rate, name)}
        groups.append(
            {**shared, "name": name, "params": matrices, "weight_decay": config.training.weight_decay}
        )
        groups.append({**shared, "name": f"{name}, no decay", "params": others, "weight_decay": 0.0})
    groups = [group for group in groups if group["params"]]
    check_cover(model, groups)
    return groups


def check_cover(model: TRM, groups: list[dict[str, Any]]) -> None:
    """Raise ValueError with the names of the parameters that are not in exactly one group."""
    grouped = [id(parameter) for group in groups for parameter in group["params"]]
    wrong = [name for name, parameter in model.named_parameters() if grouped.count(id(parameter)) != 1]
    if wrong:
        raise ValueError(f"not in exactly one parameter group: {', '.join(wrong)}")
