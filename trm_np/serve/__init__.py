"""A server of recommendations over HTTP: `application` is WSGI, for any server that runs such.

    TRM_MODEL=best.npz OPENBLAS_NUM_THREADS=1 gunicorn --threads 8 trm_np.serve:application

`trm serve` runs it in waitress. Its options are variables here: TRM_ALLOW_HOST has the host names that requests may
carry, with commas, and TRM_TRUST=1 trusts the model file.
"""

import os
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trm_np.serve.wsgi import Application

    application: Application

TRUST = {"": False, "0": False, "1": True}


def __getattr__(name: str) -> object:
    """`application`, made when it is first asked for: its model is the file that TRM_MODEL names."""
    if name == "application":
        return application_of_environment()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@cache
def application_of_environment() -> "Application":
    """Raises ValueError for a variable that is wrong, or a model that cannot be read.

    Without TRM_ALLOW_HOST requests may carry any host name: who listens, and where, is not known here.
    """
    from trm_np.serve.metrics import Metrics
    from trm_np.serve.served import ServedModel
    from trm_np.serve.wsgi import Application
    from trm_np.text import shown

    path, names, trust = (os.environ.get(f"TRM_{name}", "") for name in ("MODEL", "ALLOW_HOST", "TRUST"))
    if not path:
        raise ValueError("TRM_MODEL: not set; allowed: the name of a model file, such as best.npz")
    if trust not in TRUST:
        raise ValueError(f"TRM_TRUST: found {shown(trust)}; allowed: 1, to trust the model file, or 0")
    metrics = Metrics()
    served = ServedModel(path, None, metrics, TRUST[trust])
    served.watch()
    hosts = {name.strip().lower() for name in names.split(",")} if names else None
    return Application(served, metrics, hosts)
