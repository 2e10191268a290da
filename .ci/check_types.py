#!/usr/bin/env python3
"""Check the types of the checkout: `.venv/bin/python .ci/check_types.py`; further arguments go to mypy.

mypy does not see through `package_dir` of setup.cfg, where `trm_np.autograd` is the folder `autograd`. It reads a copy
in build/types, laid out as the package is installed; what it says is shown with the paths of the checkout.
"""

import os
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COPY = ROOT / "build" / "types"
LEFT_OUT = shutil.ignore_patterns("__pycache__")


def main() -> None:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    mapping = setup["options"]["package_dir"].strip().splitlines()
    folders = dict(line.replace(" ", "").split("=") for line in mapping)
    shutil.rmtree(COPY, ignore_errors=True)
    for package, folder in folders.items():
        where = COPY / package.replace(".", "/")
        shutil.copytree(ROOT / folder, where, ignore=LEFT_OUT, dirs_exist_ok=True)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(ROOT / ".mypy_cache")]
    command += ["-p", "trm_np", *sys.argv[1:]]
    done = subprocess.run(command, cwd=COPY, stdout=subprocess.PIPE, encoding="utf-8", check=False)
    said = done.stdout.replace(os.sep, "/")
    for package, folder in sorted(folders.items(), reverse=True):  # the longest first
        said = said.replace(f"{package.replace('.', '/')}/", f"{folder}/")
    print(said, end="")
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
