"""Have `watched_load.py` load the kinds."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.hostile.forging import smallest

ROOT = Path(__file__).resolve().parents[2]
MOST_MEMORY = 64 * 2**20  # bytes above what there was


def loads(
    paths: Mapping[str, Path], folder: Path, kind: str = "gifts", valid_bytes: bytes | None = None
) -> Iterator[dict[str, Any]]:
    """Results of loading each file, as `watched_load.py` reports them; `folder` is for a file that loads."""
    valid = folder / "valid.npz"
    valid.write_bytes(smallest() if valid_bytes is None else valid_bytes)
    text = json.dumps({name: str(path) for name, path in paths.items()})
    found = run([str(ROOT / "tests/hostile/watched_load.py"), kind, str(valid)], text)
    yield from map(json.loads, found.splitlines())


def run(arguments: list[str], text: str = "") -> str:
    """Output of Python with these arguments and this text as input."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, input=text, capture_output=True, text=True, check=True, env=environment
    ).stdout
