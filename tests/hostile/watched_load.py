"""Load model files, each in a process of its own that is watched; run as a program.

Its arguments are what loads, "gifts" or "puzzles", and a file that it loads; stdin: a JSON object of paths by name.
stdout, for each: a line of JSON with `name`, `path`, the `error` that refused the file and its `message`, the
`seconds` it took, the `bytes` of memory that it took at most above what there was, and `events`: all that the
interpreter's audit hook saw but files opened for reading and calls of `id`.
"""

import difflib  # noqa: F401  a message that names the nearest setting imports it
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from tests.waiting import HANG
from trm_np.puzzles.stored import load_puzzle_model
from trm_np.storage.checkpoint import CheckpointError, load_model

LOADS: dict[str, Callable[[str], object]] = {"gifts": load_model, "puzzles": load_puzzle_model}


class Watch:
    """An audit hook, of which there is no way to be rid: it looks away unless it is `on`."""

    def __init__(self) -> None:
        self.on = False
        self.events: list[str] = []
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.on and event != "builtins.id" and not (event == "open" and is_reading(*arguments)):
            self.events.append(event)


def is_reading(_: object, mode: str | None, flags: int) -> bool:
    changing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    return not flags & changing and not set(mode or "r") & set("wxa+")


def watched(watch: Watch, do: Callable[[], object]) -> dict[str, Any]:
    """Call `do` in this process and return what came of it."""
    before, started = peak_memory(), time.perf_counter()
    error: BaseException | None = None
    watch.on = True
    try:
        do()
    except BaseException as caught:
        error = caught
    watch.on = False
    return {
        "error": None if error is None else type(error).__name__,
        "message": str(error),
        "seconds": time.perf_counter() - started,
        "bytes": peak_memory() - before,
        "events": watch.events,
    }


def peak_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def in_a_child(watch: Watch, do: Callable[[], object]) -> dict[str, Any]:
    """The same of a child of this process, which hands it back; how it ended, if it came to nothing."""
    receiving, sending = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(HANG)
        os.write(sending, json.dumps(watched(watch, do)).encode())
        os._exit(0)
    os.close(sending)
    with open(receiving, "rb") as file:
        data = file.read()
    status = os.waitpid(child, 0)[1]
    found: dict[str, Any] = json.loads(data) if data else {"error": f"ended with status {status}"}
    return found


def main(kind: str, valid: str) -> None:
    watch, load = Watch(), LOADS[kind]
    for path in (valid, "\0"):  # what is imported late is imported now, for an error message too
        with suppress(CheckpointError):
            load(path)
    "".encode("utf-8-sig")
    for name, path in json.load(sys.stdin).items():
        print(
            json.dumps({"name": name, "path": path, **in_a_child(watch, partial(load, path))}),
            flush=True,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
