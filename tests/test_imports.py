"""Arrows between the rooms of the house run one way, and nothing runs data as code: read off the syntax trees."""

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
    "data": {"config", "deadline"},
    "files": {"data"},
    "npz": {"autograd", "files"},
    "conditions": set(),
    "world": {"config", "data"},
    "model": {"autograd", "config", "data", "deadline"},
    "precision": {"autograd"},
    "deadline": set(),
    "cost": {"config", "data", "model"},
    "checkpoint": {"autograd", "config", "cost", "data", "files", "model", "npz", "precision"},
    "reasons": {"data", "world"},
    "terms": {"data"},
    "common_sense": {"data", "terms", "world"},
    "answers": {"common_sense", "data", "reasons", "terms", "world"},
    "recommend": {"autograd", "data", "deadline", "model", "world"}
    | {"answers", "checkpoint", "common_sense", "cost", "reasons", "terms"},
    "line_answers": {"data", "recommend", "terms"},
    "serve": {"data", "deadline", "extras", "npz", "process", "world"}
    | {"answers", "checkpoint", "cost", "recommend", "terms"},
    "simulation": {"data", "world"},
    "importing": {"config", "data", "extras"},
    "examples": set(),
    "memory": set(),
    "extras": set(),
    "process": set(),
    "start": {"cli", "process"},
    "profiling": {"autograd"},
    "losses": LEARNING - {"losses"},
    "groups": {"autograd", "config", "model"},
    "evaluate": LEARNING,
    "stopping": {"autograd", "data"},
    "sizes": set(),
    "practice": {"data", "sizes", "world"},
    "start_choices": {"autograd", "data", "model", "sizes", "world"},
    "parallel": {"config", "extras"},
    "train": LEARNING
    | {"groups", "evaluate", "stopping", "checkpoint", "parallel", "practice", "sizes", "start_choices"},
    "summary": {"config"},
    "examining": LEARNING | {"evaluate"},
    "examining_text": {"summary"},
    "ranking": LEARNING | {"evaluate", "stopping"},
    "choice_judging": LEARNING | {"evaluate", "examining"},
    "judging": LEARNING | {"evaluate", "checkpoint", "choice_judging", "examining", "ranking", "train"},
    "cross_validation": LEARNING | {"evaluate", "checkpoint", "judging", "train"},
    "run": LEARNING
    | {"conditions", "evaluate", "checkpoint", "files", "judging", "parallel", "ranking", "stopping", "summary"}
    | {"train"},
    "puzzles": {"autograd", "checkpoint", "config", "cost", "data", "files", "model", "npz"}
    | {"run", "stopping", "train"},
    "export": LEARNING | {"checkpoint", "evaluate", "extras", "files", "judging", "npz", "precision", "summary"},
    "inspection": {"autograd", "config", "data", "groups", "model", "checkpoint", "summary"},
    "gradient_checks": LEARNING | {"puzzles"},
    "lab": LEARNING
    | {"checkpoint", "evaluate", "extras", "files", "memory", "run", "simulation", "stopping", "summary", "train"}
    | {"puzzles"},
    "cli": LEARNING
    | {
        "line_answers",
        "answers",
        "lab",
        "cross_validation",
        "examining_text",
        "judging",
        "examples",
        "export",
        "extras",
        "files",
        "importing",
        "memory",
        "profiling",
        "parallel",
        "process",
        "puzzles",
        "reasons",
        "recommend",
        "serve",
        "simulation",
        "terms",
    }
    | {"checkpoint", "gradient_checks", "inspection", "run", "summary", "train"},
}

# What makes code of data, or hands it to another program that may.
NEVER = {
    *("pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml", "torch"),
    *("subprocess", "multiprocessing", "pty", "runpy", "code", "codeop", "imp", "importlib", "builtins"),
}
ALLOWED = {"importlib.resources"}
# The lab's processes pickle for each other alone.
OF_PROCESSES = {
    "multiprocessing.active_children",
    "multiprocessing.forkserver",
    "multiprocessing.get_context",
    "multiprocessing.resource_tracker",
    "multiprocessing.connection.Connection",
}
EXCEPTIONS = {
    ROOT / "trm_np" / "lab" / "processes.py": OF_PROCESSES,
    ROOT / "trm_np" / "serve" / "trial.py": {f"subprocess{rest}" for rest in ("", ".run", ".TimeoutExpired")},
}
NEVER_CALLED = {"eval", "exec", "compile", "__import__", "breakpoint", "globals", "locals"}
NEVER_OF = {
    "np": {"load", "loads", "save", "savez", "savez_compressed", "fromfile", "memmap", "ctypeslib"},
    "os": {"system", "popen", "fork", "forkpty", "posix_spawn", "posix_spawnp", "startfile"},
    "sys": {"modules", "meta_path", "path_hooks"},
}
PROGRAMS = sorted(path for path in (ROOT / "bin").iterdir() if path.is_file())


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


def dangers(source: str) -> Iterator[str]:
    """All in the source that could make code of data."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if is_danger(name.name))
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name for name in names if is_danger(name))
        elif isinstance(node, ast.Name) and node.id in NEVER_CALLED:
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            name = f"{node.value.id}.{node.attr}"
            yield from [name] if is_danger(name) else []
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            yield node.arg


def is_danger(name: str) -> bool:
    """Whether a dotted name is of a module that is never used, or of a part of one."""
    first, _, rest = name.replace("numpy", "np").partition(".")
    of_os = first == "os" and rest.startswith(("exec", "spawn"))
    return (first in NEVER and name not in ALLOWED) or rest in NEVER_OF.get(first, ()) or of_os


@pytest.mark.parametrize("path", [*MODULES.values(), *PROGRAMS], ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_runs_data_as_code(path: Path) -> None:
    assert set(dangers(path.read_text(encoding="utf-8"))) == EXCEPTIONS.get(path, set())


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import pickle as p",
        "def f():\n  from pickle import loads",
        "from torch.serialization import load",
        "import importlib",
        "from os import system",
        "from numpy import load",
        "f = eval",
        "exec(text)",
        "compile(text, name, 'exec')",
        "__import__(name)",
        "np.load(path)",
        "numpy.load(path)",
        "np.memmap(path)",
        "np.lib.format.read_array(file, allow_pickle=True)",
        "os.system(text)",
        "os.execv(path, words)",
        "sys.modules[name]",
        "yaml.load(text)",
        "subprocess.run(words)",
    ],
)
def test_the_check_sees_what_could(source: str) -> None:
    assert len(list(dangers(source))) == 1


def test_the_check_lets_pass_what_could_not() -> None:
    source = "from importlib import resources\nre.compile(text)\nmodel.eval()\njson.loads(text)\nos.open(path, 0)\n"
    assert list(dangers(source)) == []


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
