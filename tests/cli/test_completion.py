"""Tab completes commands, options, files, and the names that options take; -h describes every command."""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner

from tests.recommend.stored_models import write_trained
from trm_np.cli import trm
from trm_np.cli.options import FILE
from trm_np.config import SWITCHES
from trm_np.data.load import load_dataset

SHIPPED = load_dataset().vocabulary


def completed(line: str) -> list[tuple[str, str]]:
    """Kind and text of each completion of the last word."""
    *words, typed = line.split(" ")
    found = BashComplete(trm, {}, "trm", "_TRM_COMPLETE").get_completions(words, typed)
    return [(each.type, each.value) for each in found]


def commands(
    group: click.Group = trm, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command, with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("rec", ["recommend"]),
        ("lab sw", ["sweep"]),
        ("recommend m --relat", ["--relationship"]),
        ("recommend m --hobby coo", ["cooking"]),
        ("recommend m --relationship ", list(SHIPPED.relationships)),
        ("recommend m --occasion w", ["wedding"]),
        ("recommend m --preference ", list(SHIPPED.preferences)),
        ("recommend m --age 3 --allow sold_out,la", ["sold_out,late"]),
        ("train --preset ", ["tiny", "report"]),
        ("train --recipe m", ["measured"]),
        ("train --without ", list(SWITCHES)),
        ("lab sweep --set training.batch", ["training.batch_size="]),
        ("puzzle make ", ["sudoku6", "sudoku9", "maze5"]),
        ("puzzle train maze5 --set model.answer", ["model.answer_steps="]),
        ("train --set model.answer", []),
    ],
)
def test_names_are_completed(line: str, found: list[str]) -> None:
    assert completed(line) == [("plain", name) for name in found]


@pytest.mark.parametrize("path", [path for path, _ in commands()], ids=" ".join)
def test_files_are_completed_and_h_helps(path: tuple[str, ...]) -> None:
    command = dict(commands())[path]
    for parameter in command.params:
        if parameter.type is FILE and isinstance(parameter, click.Option):
            assert completed(f"{' '.join(path)} {parameter.opts[0]} some") == [("file", "some")]
    found = CliRunner().invoke(trm, [*path, "-h"])
    assert found.exit_code == 0 and found.output.startswith(f"Usage: trm {' '.join(path)} ")
    assert found.output == CliRunner().invoke(trm, [*path, "--help"]).output


def test_the_first_word_after_recommend_is_a_file() -> None:
    assert completed("recommend checkp") == [("file", "checkp")]


def test_names_are_those_of_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = write_trained(tmp_path / "best.npz")
    monkeypatch.setattr("trm_np.data.load.load_dataset", None)  # not asked
    assert completed(f"recommend {model} --occasion w") == [("plain", "wedding")]
