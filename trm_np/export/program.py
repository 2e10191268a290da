"""A model as a program of one file, which any Python runs that has NumPy.

the first line   by which a shell starts it
the model        byte for byte as in its own file, and read where it stands (`npz.open_archive`): nothing is unpacked
the code         this package and click as a zip file, from which Python imports; cli/program.py is its `__main__.py`

Beside its source each module is compiled for the Python that exports it, so that the program starts in half the time.
Another Python finds a magic number that is not its own, and takes the source.

Equal models give equal bytes: the zip file has sorted names, and the date of every file is its first one. Python 3.10
compiles the same source to other bytes in another process.
"""

import io
import marshal
import sys
import zipfile
from collections.abc import Iterator, Mapping
from importlib import resources
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path
from typing import Any, Protocol

from trm_np.storage.files import atomic_write
from trm_np.storage.npz import open_archive

FIRST_LINE = b"#!/usr/bin/env python3\n"
PACKAGES = ("click", "trm_np", "trm_np.autograd", "trm_np.scenarios")
KEPT = (".py", ".html", ".json")
LEFT_OUT = "example"  # for `trm init`, which the program does not have
MAIN = "trm_np/cli/program.py"
UNCHECKED = (1).to_bytes(
    4, "little"
)  # as PEP 552 has it: a hash of the source follows, which need not be compared
FIRST_DATE = (1980, 1, 1, 0, 0, 0)
READABLE, EXECUTABLE = 0o644, 0o777  # the latter before the umask
UNIX = 3


class Folder(Protocol):
    """File or folder as `importlib.resources` gives it: on a disk or in an archive."""

    @property
    def name(self) -> str: ...
    def is_dir(self) -> bool: ...
    def iterdir(self) -> Iterator[Any]: ...
    def read_bytes(self) -> bytes: ...


def export_program(model: Path, path: Path) -> dict[str, Any]:
    """Write the program; returns how many bytes of it are the model, and how many the code. Raises WriteError."""
    with open_archive(model) as file:
        stored = file.read()
    code = zipped(program_files())
    atomic_write(path, FIRST_LINE, stored, code, mode=EXECUTABLE)
    return {"model_bytes": len(stored), "code_bytes": len(code)}


def program_files() -> dict[str, bytes]:
    """Files of the archive by name."""
    files = {name: content for package in PACKAGES for name, content in package_files(package)}
    files["__main__.py"] = files[MAIN]
    code = {f"{name}c": compiled(name, source) for name, source in files.items() if name.endswith(".py")}
    return {**files, **code, **licence_of_click()}


def package_files(package: str) -> Iterator[tuple[str, bytes]]:
    yield from files_in(resources.files(package), package.replace(".", "/"))


def files_in(folder: Folder, at: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        name = f"{at}/{entry.name}"
        if entry.is_dir() and entry.name != LEFT_OUT:
            yield from files_in(entry, name)
        elif entry.name.endswith(KEPT):
            yield name, entry.read_bytes()


def compiled(name: str, source: bytes) -> bytes:
    """The module as a `.pyc` of this Python."""
    code = compile(source, name, "exec", dont_inherit=True, optimize=0)
    return MAGIC_NUMBER + UNCHECKED + source_hash(source) + marshal.dumps(code)


def licence_of_click() -> dict[str, bytes]:
    """Licence of click, which must be copied with it."""
    installed = Path(str(resources.files("click"))).parent
    return {
        f"click/{file.name}": file.read_bytes() for file in installed.glob("click-*.dist-info/**/LICENSE*")
    }


def zipped(files: Mapping[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, FIRST_DATE)
            entry.create_system, entry.external_attr = UNIX, READABLE << 16
            zipped.writestr(entry, files[name], zipfile.ZIP_DEFLATED, compresslevel=9)
    return archive.getvalue()


def program_text(path: Path) -> str:
    """Instructions for running the program."""
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return (
        f"compiled for Python {python}, with which it starts fastest\n"
        f"run it with Python 3.10 or later and NumPy 2 or later: python {path} recommend --age 34"
    )
