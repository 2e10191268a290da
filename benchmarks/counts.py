#!/usr/bin/env python3
"""Count what training, an answer and an update on puzzles cost, in numbers that do not depend on the machine.

python benchmarks/counts.py            print the table; fail if a number has grown by more than 5 % since counts.json
python benchmarks/counts.py --write    print the table, and write its numbers to counts.json

nodes    values that the graph records
calls    calls of NumPy by our code: functions, ufuncs, methods of arrays, and operators on arrays
MB made  bytes of the new arrays that these calls return
MB peak  the most memory allocated at one time, beyond what was allocated before

The modules of this project are rewritten when they are imported, so that every call and every operator goes through a
function that counts it if NumPy does the work.
"""

import ast
import builtins
import json
import sys
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, FileFinder, SourceFileLoader
from itertools import islice
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import click
import numpy as np

FOLDER = Path(__file__).resolve().parent
sys.path.extend(str(folder) for folder in (FOLDER, FOLDER.parent))
FILE = FOLDER / "counts.json"
ALLOWED = 0.05  # growth of a number that is not reported
WARM_UPS = 2
MANY = 32

Table = dict[str, dict[str, float]]


@dataclass
class Made:
    """The counts so far."""

    nodes: int = 0
    calls: int = 0
    bytes: int = 0


made = Made()


# -------------------------------------------------------------------------------------------- counting


class Rewriting(ast.NodeTransformer):
    """Rewrites each operator, index and call as a call of one of the four functions below."""

    def generic_visit(self, node: ast.AST) -> Any:
        super().generic_visit(node)
        match node:
            case ast.BinOp() | ast.UnaryOp() | ast.Compare():
                return called("_computed", node)
            case ast.AugAssign(target=ast.Name() | ast.Attribute() as target):
                return [node, ast.Expr(called("_written", ast.parse(ast.unparse(target), mode="eval").body))]
            case ast.Slice():
                return called(
                    "slice", *(end or ast.Constant(None) for end in (node.lower, node.upper, node.step))
                )
            case ast.Subscript(ctx=ast.Load()):
                return called("_item", node.value, node.slice)
            case ast.Subscript():
                node.value = called("_written", node.value)
            case ast.Call(func=ast.Name(id="super" | "locals" | "vars" | "dir")):
                pass  # which look at the frame that calls them
            case ast.Call():
                return ast.Call(ast.Name("_result", ast.Load()), [node.func, *node.args], node.keywords)
        return node


def called(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


def _computed(value: Any, *operands: Any) -> Any:
    """Count the operator that has this value; `operands` are those that it may share memory with."""
    if isinstance(value, np.ndarray | np.generic):
        made.calls += 1
        made.bytes += new_bytes(value, operands)
    return value


def _item(whole: Any, index: Any) -> Any:
    value = whole[index]
    return _computed(value, whole) if isinstance(whole, np.ndarray) else value


def _written(whole: Any) -> Any:
    """Count the assignment to this array, or to a part of it."""
    made.calls += isinstance(whole, np.ndarray)
    return whole


def _result(function: Any, /, *arguments: Any, **settings: Any) -> Any:
    value = function(*arguments, **settings)
    if is_of_numpy(function):
        made.calls += 1
        given = (getattr(function, "__self__", None), *arguments, *settings.values())
        made.bytes += sum(
            new_bytes(each, given) for each in (value if isinstance(value, tuple | list) else [value])
        )
    return value


def is_of_numpy(function: Any) -> bool:
    """Whether it is a function, ufunc or type of NumPy, or a method of one of its objects."""
    owner = getattr(function, "__self__", None)
    of = function if owner is None or isinstance(owner, ModuleType) else type(owner)
    return isinstance(function, np.ufunc) or str(getattr(of, "__module__", "")).partition(".")[0] == "numpy"


def new_bytes(value: Any, given: Iterable[Any]) -> int:
    """The bytes of an array that shares its memory with none of those given."""
    if not isinstance(value, np.ndarray) or owner(value) in set(map(owner, given)):
        return 0
    return value.nbytes


def owner(value: Any) -> int:
    """The identity of the array whose memory this one uses."""
    while isinstance(getattr(value, "base", None), np.ndarray):
        value = value.base
    return id(value)


class Loader(SourceFileLoader):
    """Imports the modules of this project rewritten, others as they are."""

    def get_code(self, fullname: str) -> CodeType | None:
        if fullname.partition(".")[0] != "trm_np":
            return super().get_code(fullname)
        tree = Rewriting().visit(ast.parse(self.get_data(self.path)))
        return compile(ast.fix_missing_locations(tree), self.path, "exec", dont_inherit=True)


def count_imported() -> None:
    """Count in modules that are imported from here on."""
    for function in (_computed, _item, _written, _result):
        setattr(builtins, function.__name__, function)
    sys.path_hooks.insert(
        0, FileFinder.path_hook((ExtensionFileLoader, EXTENSION_SUFFIXES), (Loader, [".py"]))
    )
    sys.path_importer_cache.clear()


def counted(work: Callable[[], object]) -> dict[str, float]:
    """The counts of the work once it is warm."""
    for _ in range(WARM_UPS):
        work()
    tracemalloc.start()
    before, allocated = replace(made), tracemalloc.get_traced_memory()[0]
    work()
    peak = tracemalloc.get_traced_memory()[1] - allocated
    tracemalloc.stop()
    return {
        "nodes": made.nodes - before.nodes,
        "calls": made.calls - before.calls,
        "MB made": round((made.bytes - before.bytes) / 1e6, 3),
        "MB peak": round(peak / 1e6, 3),
    }


# ------------------------------------------------------------------------------------------------ work


def works() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the work that is counted, by name. Models have random weights, which cost as much as others."""
    from people import people
    from solving import updates
    from training_peak import recommender_of, shipped_trainer

    trainer = shipped_trainer("tiny")
    batch = trainer.draw_batch(trainer.epoch_rows()[: trainer.config.training.batch_size])
    steps = trainer.config.model.supervision_steps
    yield f"tiny: a batch of {len(batch)}, {steps} steps", partial(trainer.learn, batch)
    recommender, given = recommender_of(trainer), list(islice(people(), MANY))
    yield "tiny: a recommendation", partial(recommender.recommend, given[0])
    yield f"tiny: {MANY} recommendations", partial(recommender.recommend_many, given)
    for kind in ("sudoku6", "sudoku9"):
        yield f"{kind}: an update", updates(kind, ())["ours"]


def count_nodes() -> None:
    """Count the nodes of graphs from here on."""
    from trm_np.autograd.graph import Node

    before = Node.__init__

    def counting(self: Node, *arguments: Any) -> None:
        made.nodes += 1
        before(self, *arguments)

    Node.__init__ = counting  # type: ignore[method-assign]


# ------------------------------------------------------------------------------------------------ table


def changes(found: Table, kept: Table) -> tuple[list[str], list[str]]:
    """Sentences on numbers that have grown, are new or are missing; and on those that have fallen."""
    worse, better = [], []
    for name in {**kept, **found}:
        if name not in kept or name not in found:
            worse.append(f"{name}: {'not in' if name in found else 'only in'} {FILE.name}")
            continue
        for column, number in found[name].items():
            before = kept[name][column]
            sentence = f"{name}: {column} from {before:,} to {number:,}"
            if number > before * (1 + ALLOWED):
                worse.append(sentence)
            elif number < before * (1 - ALLOWED):
                better.append(sentence)
    return worse, better


@click.command(help=__doc__)
@click.option("--write", is_flag=True, help="Write the numbers to counts.json.")
def main(write: bool) -> None:
    count_imported()
    count_nodes()
    found: Table = {}
    click.echo(f"{'':<40}{'nodes':>8}{'calls':>8}{'MB made':>10}{'MB peak':>10}")
    for name, work in works():
        found[name] = counted(work)
        click.echo(
            f"{name:<40}" + "{nodes:>8,}{calls:>8,}{MB made:>10.2f}{MB peak:>10.2f}".format(**found[name])
        )
    if write:
        FILE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        return
    worse, better = changes(found, json.loads(FILE.read_text(encoding="utf-8")))
    for sentence in better:
        click.echo(f"fallen: {sentence}; --write keeps it there")
    if worse:
        raise click.ClickException("; ".join([*worse, "--write allows it"]))


if __name__ == "__main__":
    main()
