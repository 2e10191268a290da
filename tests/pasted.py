"""Python blocks, a JSON list on standard input, as a reader pastes them at Python's prompt: line by line, then Enter.

Ends with an exit code of 1 at the first line that raises, and where a block leaves the prompt waiting for more.
"""

import json
import sys
import traceback
from code import InteractiveConsole
from typing import Any


class Prompt(InteractiveConsole):
    """One that gives up instead of showing what went wrong and going on."""

    def showtraceback(self) -> None:
        raise SystemExit(traceback.format_exc())

    def showsyntaxerror(self, *about: Any, **further: Any) -> None:
        raise SystemExit(traceback.format_exc())


def main() -> None:
    prompt = Prompt()
    for block in json.load(sys.stdin):
        for line in (*block.splitlines(), ""):
            waits = prompt.push(line)
        if waits:
            raise SystemExit(f"the prompt waits for more after:\n{block}")


if __name__ == "__main__":
    main()
