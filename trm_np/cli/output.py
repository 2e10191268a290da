"""Where commands write: new files, never over old ones, and one file that may replace its earlier version."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from trm_np.cli.errors import CANNOT_CREATE, Refusal


def refuse_old(folder: str, names: Iterable[str]) -> None:
    """Raise `Refusal` for the first of these files that is in the folder already."""
    for name in names:
        if os.path.lexists(Path(folder, name)):
            raise Refusal(f"{Path(folder, name)} exists and is left as it is", CANNOT_CREATE)


def require_target(path: Path, *inputs: Path) -> None:
    """Raise Refusal, before any work, if no file can be written there.

    A regular file may be replaced, unless it is one of the inputs of the command.
    """
    from trm_np.storage.files import try_to_write

    reason = ""
    try:
        if os.path.exists(path) and any(os.path.exists(each) and path.samefile(each) for each in inputs):
            reason = "is an input of this command, which is left as it is"
        elif os.path.exists(path) and not path.is_file():
            reason = "is not a regular file"
        else:
            try_to_write(Path(os.path.realpath(path)).parent)
    except OSError as error:
        reason = f"cannot be written ({error.strerror})"
    if reason:
        raise Refusal(f"{path}: {reason}; choose another --out", CANNOT_CREATE)


def write_new(folder: str, documents: Mapping[str, bytes]) -> None:
    """Write these files into the folder, all of them or none; one that exists already is refused."""
    from trm_np.storage.files import atomic_write

    refuse_old(folder, documents)
    written: list[Path] = []
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        for name, content in documents.items():
            atomic_write(Path(folder, name), content)
            written.append(Path(folder, name))
    except BaseException as error:
        for path in written:
            path.unlink()
        if isinstance(error, OSError):
            raise Refusal(f"{folder}: cannot write there ({error.strerror})", CANNOT_CREATE) from error
        raise
