"""Names that Tab completes, in the shell, as values of options and arguments."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

from trm_np.config import Config, flatten

if TYPE_CHECKING:
    from trm_np.data.vocabulary import Vocabulary

Complete = Callable[[click.Context, click.Parameter, str], Any]


def among(names: Callable[[click.Context], Iterable[str]], listed: bool = False) -> Complete:
    """Complete one of these names; if they are `listed`, also after a comma."""

    def complete(context: click.Context, _: click.Parameter, typed: str) -> list[str]:
        before, comma, begun = typed.rpartition(",") if listed else ("", "", typed)
        return [before + comma + name for name in names(context) if name.startswith(begun)]

    return complete


def of_vocabulary(field: str) -> Complete:
    """Complete a name of this list of the vocabulary: that of MODEL, or the shipped one if it cannot be read."""
    return among(lambda context: getattr(vocabulary(context), field))


def vocabulary(context: click.Context) -> "Vocabulary":
    from trm_np.data.load import load_dataset
    from trm_np.storage.checkpoint import CheckpointError, load_model

    # Before an option without its value click gives up assigning words to arguments.
    words = (context.params.get("model"), *context.args, "")
    try:
        return load_model(next(word for word in words if word is not None)).vocabulary
    except (CheckpointError, OSError):
        return load_dataset().vocabulary


def settings_of(context: click.Context) -> Iterable[str]:
    """The settings of a run, or of the puzzle that the command names, each up to its equals sign."""
    config: object = Config()
    if "kind" in context.params:
        from trm_np.puzzles.config import PRESETS

        config = PRESETS.get(context.params["kind"], next(iter(PRESETS.values())))
    return (f"{key}=" for key in flatten(config) if "." in key)


def puzzles(_: click.Context) -> Iterable[str]:
    from trm_np.puzzles.config import PRESETS

    return PRESETS
