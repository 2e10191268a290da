"""Run the code cells of a notebook, named on the command line, in order; prints a JSON list of what each prints."""

import io
import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any


def main() -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    printed = []
    for cell in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            with redirect_stdout(io.StringIO()) as found:
                exec(compile(cell["source"], cell["id"], "exec"), names)
            printed.append(found.getvalue())
    print(json.dumps(printed))


if __name__ == "__main__":
    main()
