"""Arrows between the rooms of the house run one way, and nothing runs data as code: read off the syntax trees."""

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {"trm_np": ROOT / "trm_np", "trm_np.autograd": ROOT / "autograd"}

# What each room may import of this project besides itself, in order: only rooms that stand above it. A room is
# a module or a folder of trm_np.
MAY_IMPORT = {
    "autograd": "",
    "config": "",
    "text": "",
    "html": "",
    "extras": "",
    "process": "",
    "systems": "",
    "deadline": "",
    "data": "text deadline",
    "importing": "config text extras data",
    "world": "text data",
    "model": "autograd config deadline data world",
    "storage": "autograd config text systems data model",
    "evaluation": "autograd config data world model storage",
    "recommend": "autograd text html deadline data world model storage",
    "training": "autograd config text systems extras data world model storage evaluation",
    "executors": "extras systems",
    "puzzles": "autograd config text html data model storage training",
    "lab": "autograd config text html extras data world model storage evaluation training puzzles",
    "exercises": "autograd data puzzles",
    "serve": "text extras systems deadline data world model storage recommend",
    "export": "autograd config extras data world model storage evaluation",
    "cli": "autograd config text extras process systems data importing storage evaluation recommend training "
    "executors puzzles lab exercises serve export",
    "interactive": "config html data storage evaluation recommend training",
    "start": "process cli",
}

# What makes code of data, or hands it to another program that may.
NEVER = {
    *("pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml", "torch"),
    *("subprocess", "multiprocessing", "pty", "runpy", "code", "codeop", "imp", "importlib", "builtins"),
}
ALLOWED = {"importlib.resources"}
# The processes of the executors pickle for each other alone.
OF_PROCESSES = {
    "multiprocessing.active_children",
    "multiprocessing.forkserver",
    "multiprocessing.get_all_start_methods",
    "multiprocessing.get_context",
    "multiprocessing.resource_tracker",
    "multiprocessing.connection.Connection",
}
EXCEPTIONS = {
    # It compiles this package itself, and marshals the result.
    ROOT / "trm_np" / "export" / "program.py": {
        "compile",
        "importlib.util.MAGIC_NUMBER",
        "importlib.util.source_hash",
        "marshal",
        "marshal.dumps",
    },
    ROOT / "trm_np" / "executors" / "processes.py": OF_PROCESSES,
    ROOT / "trm_np" / "exercises" / "running.py": {"runpy", "runpy.run_path"},  # the learner's file, as asked
    ROOT / "trm_np" / "serve" / "trial.py": {f"subprocess{rest}" for rest in ("", ".run", ".TimeoutExpired")},
}
NEVER_CALLED = {"eval", "exec", "compile", "__import__", "breakpoint", "globals", "locals"}
NEVER_OF = {
    "np": {"load", "loads", "save", "savez", "savez_compressed", "fromfile", "memmap", "ctypeslib"},
    "os": {"system", "popen", "fork", "forkpty", "posix_spawn", "posix_spawnp", "startfile"},
    "sys": {"modules", "meta_path", "path_hooks"},
}
PROGRAMS = sorted(path for path in (ROOT / "bin").iterdir() if path.is_file())


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def modules() -> Iterator[tuple[str, Path]]:
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):
            yield ".".join([package, *path.relative_to(folder).with_suffix("").parts]), path


MODULES = dict(modules())


def room(module: str) -> str:
    """`trm_np.data.load` is in the room `data`; the package itself is in none."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] not in ("__init__", "__main__") else ""


def imported(module: str, path: Path) -> Iterator[str]:
    """Every module that the file imports, at its top or within a function."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = module.rsplit(".", node.level)[0] if node.level else ""
            base = ".".join(filter(None, (package, node.module)))
            yield from (f"{base}.{alias.name}" for alias in node.names)


def forbidden(module: str, path: Path) -> set[str]:
    """The rooms that the file of a module imports, and may not."""
    here = room(module)
    allowed = {here, *MAY_IMPORT[here].split()} if here else {"recommend", "interactive", "start"}
    ours = {room(name) for name in imported(module, path) if name.split(".")[0] == "trm_np"}
    return ours - {"", "__version__"} - allowed


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_rooms_that_its_own_may_import(module: str) -> None:
    assert forbidden(module, MODULES[module]) == set()


def test_a_room_may_import_only_rooms_above_it() -> None:
    order = list(MAY_IMPORT)
    upward = [
        (here, there)
        for place, here in enumerate(order)
        for there in MAY_IMPORT[here].split()
        if there not in order[:place]
    ]
    assert upward == []


@pytest.mark.parametrize(
    ("module", "planted", "found"),
    [
        ("trm_np.model.x", "from trm_np.training.trainer import Trainer", {"training"}),
        ("trm_np.model.x", "def late():\n    from trm_np.training.trainer import Trainer", {"training"}),
        ("trm_np.evaluation.x", "import trm_np.training.run", {"training"}),
        ("trm_np.recommend.x", "from trm_np import lab", {"lab"}),
        ("trm_np.data.x", "from trm_np.world.reward import reward\nfrom trm_np.text import shown", {"world"}),
        ("trm_np.autograd.x", "from trm_np.config import Config\nfrom .ops import Array", {"config"}),
        ("trm_np.training.x", "from trm_np.evaluation.predict import predict", set()),
    ],
)
def test_an_import_that_runs_upward_is_found(
    module: str, planted: str, found: set[str], tmp_path: Path
) -> None:
    (tmp_path / "x.py").write_text(planted)
    assert forbidden(module, tmp_path / "x.py") == found


def imported_at_once(module: str) -> Iterator[str]:
    """Imports at the top of the module; those within a function may never be needed."""
    for node in parsed(MODULES[module]).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = module.rsplit(".", node.level)[0] if node.level else ""
            base = ".".join(filter(None, (package, node.module)))
            yield from (f"{base}.{alias.name}" for alias in node.names)


def loaded_with(modules: Iterable[str]) -> set[str]:
    """All that is imported before the first of them can be used: ours by module, others by package."""
    waiting, loaded = list(modules), set()
    while waiting:
        name = waiting.pop()
        parts = name.split(".")
        ours = next((m for m in (name, f"{name}.__init__", ".".join(parts[:-1])) if m in MODULES), None)
        found = ours or parts[0]
        if found not in loaded:
            loaded.add(found)
            waiting += imported_at_once(found) if ours else []
    return loaded


def test_a_recommendation_needs_neither_training_nor_scipy() -> None:
    loaded = loaded_with(module for module in MODULES if room(module) == "recommend")
    assert {"numpy", "trm_np.model.core", "trm_np.storage.checkpoint"} <= loaded
    assert {"training", "evaluation", "lab"} & {room(name) for name in loaded if name in MODULES} == set()
    assert "scipy" not in loaded


def test_what_is_loaded_with_training_is_seen() -> None:
    """The check of the test above sees what is far away."""
    loaded = loaded_with(["trm_np.training.run"])
    assert {"trm_np.data.records", "trm_np.evaluation.compare", "trm_np.autograd.ops", "numpy"} <= loaded


def test_the_map_shows_every_room() -> None:
    picture = (ROOT / "docs" / "figures" / "architecture.svg").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    shown = {name for text in re.findall(r">([^<>]+)</text>", picture) for name in text.split(" · ")}
    assert set(MAY_IMPORT) - shown == set()
    named = set(re.findall(r"`(\w+)(?:/|\.py)`", page))
    assert set(MAY_IMPORT) - named == set()


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
    assert users == {"trm_np.training.ranks"}


def test_the_check_sees_every_kind_of_import(tmp_path: Path) -> None:
    source = "import pickle\nfrom .graph import Node\nfrom trm_np.training.trainer import Trainer\n"
    source += "def f():\n  import torch.nn\n"
    (tmp_path / "x.py").write_text(source)
    found = list(imported("trm_np.autograd.x", tmp_path / "x.py"))
    assert found == ["pickle", "trm_np.autograd.graph.Node", "trm_np.training.trainer.Trainer", "torch.nn"]


def test_no_room_is_forgotten_and_none_is_made_up() -> None:
    assert {room(module) for module in MODULES} - {""} == set(MAY_IMPORT)
