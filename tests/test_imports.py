"""Arrows between the rooms of the house run one way, nothing is pickled: read off the import statements."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {"trm_np": ROOT / "trm_np", "trm_np.autograd": ROOT / "autograd"}

# What each room may import of this project besides itself. A room is a module or a folder of trm_np.
LEARNING = {"autograd", "config", "data", "world", "model", "losses"}
MAY_IMPORT: dict[str, set[str]] = {
    "autograd": set(),
    "config": set(),
    "data": {"config"},
    "files": {"data"},
    "npz": {"autograd", "files"},
    "conditions": set(),
    "world": {"config", "data"},
    "model": {"autograd", "config", "data"},
    "checkpoint": {"autograd", "config", "data", "files", "model", "npz"},
    "reasons": {"data", "world"},
    "recommend": {"autograd", "checkpoint", "data", "model", "reasons", "world"},
    "simulation": {"data", "world"},
    "examples": set(),
    "memory": set(),
    "profiling": {"autograd"},
    "losses": LEARNING - {"losses"},
    "groups": {"autograd", "config", "model"},
    "evaluate": LEARNING,
    "stopping": {"autograd"},
    "parallel": {"config"},
    "train": LEARNING | {"groups", "evaluate", "stopping", "checkpoint", "parallel"},
    "summary": {"config"},
    "examining": LEARNING | {"evaluate"},
    "examining_text": {"summary"},
    "judging": LEARNING | {"evaluate", "checkpoint", "examining", "train"},
    "cross_validation": LEARNING | {"evaluate", "checkpoint", "judging", "train"},
    "run": LEARNING
    | {"conditions", "evaluate", "checkpoint", "files", "judging", "parallel", "summary", "train"},
    "inspection": {"autograd", "config", "data", "groups", "model", "checkpoint", "summary"},
    "gradient_checks": LEARNING,
    "cli": LEARNING
    | {
        "cross_validation",
        "examining_text",
        "judging",
        "examples",
        "files",
        "memory",
        "profiling",
        "parallel",
        "reasons",
        "recommend",
        "simulation",
    }
    | {"checkpoint", "gradient_checks", "inspection", "run", "summary", "train"},
}
NEVER = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "torch"}


def modules() -> Iterator[tuple[str, Path]]:
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):
            yield ".".join([package, *path.relative_to(folder).with_suffix("").parts]), path


MODULES = dict(modules())


def room(module: str) -> str:
    """`trm_np.data.load` is in the room `data`; the package itself is in none."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] != "__init__" else ""


def imported(module: str, path: Path) -> Iterator[str]:
    """Every module that the file imports, at its top or within a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = module.rsplit(".", node.level)[0] if node.level else ""
            base = ".".join(filter(None, (package, node.module)))
            yield from (f"{base}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("module", MODULES)
def test_no_arrow_runs_back(module: str) -> None:
    here = room(module)
    allowed = MAY_IMPORT[here] | {here} if here else {"recommend"}
    ours = {room(name) for name in imported(module, MODULES[module]) if name.split(".")[0] == "trm_np"}
    assert ours - {"", "__version__"} - allowed == set()


@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_pickled(module: str) -> None:
    assert {name.split(".")[0] for name in imported(module, MODULES[module])} & NEVER == set()
    assert "allow_pickle=True" not in MODULES[module].read_text(encoding="utf-8")


def test_mpi_is_one_modules_business() -> None:
    users = {
        module
        for module, path in MODULES.items()
        if "mpi4py" in {name.split(".")[0] for name in imported(module, path)}
    }
    assert users == {"trm_np.parallel"}


def test_the_check_sees_every_kind_of_import(tmp_path: Path) -> None:
    source = "import pickle\nfrom .graph import Node\nfrom trm_np.train import Trainer\n"
    source += "def f():\n  import torch.nn\n"
    (tmp_path / "x.py").write_text(source)
    found = list(imported("trm_np.autograd.x", tmp_path / "x.py"))
    assert found == ["pickle", "trm_np.autograd.graph.Node", "trm_np.train.Trainer", "torch.nn"]


def test_no_room_is_forgotten_and_none_is_made_up() -> None:
    assert {room(module) for module in MODULES} - {""} == set(MAY_IMPORT)
