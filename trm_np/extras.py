"""Optional extras of setup.cfg: what each brings, and how to install it from wherever this program runs."""

import shlex
import sys

BRINGS = {
    "plots": ("matplotlib>=3.8.4",),
    "safetensors": ("safetensors>=0.4",),
    "parquet": ("pyarrow>=16",),
    "onnx": ("onnx>=1.16", "onnxruntime>=1.19"),
    "cluster": ("distributed>=2024.1",),
    "serve": ("waitress>=3.0.1,<4",),
    "mpi": ("mpi4py>=4.1", *(("mpich>=4.1.3",) if sys.platform != "win32" else ())),
}


class ExtraMissing(OSError):
    """A package that an extra brings is not there."""


def needs_extra(what: str, extra: str) -> str:
    """The line that says of `what` which extra it needs, and how to install that."""
    return f"{what} the extra [{extra}]: {pip_install(*BRINGS[extra])}"


def pip_install(*requirements: str) -> str:
    """The command that installs packages for the Python that runs this: in a checkout, of a wheel or in a .pyz."""
    return shlex.join([sys.executable or "python", "-m", "pip", "install", *requirements])
