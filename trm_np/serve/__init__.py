"""A server of recommendations over HTTP: `application` is WSGI, for any server that runs such.

    TRM_MODEL=best.npz OPENBLAS_NUM_THREADS=1 gunicorn --threads 8 trm_np.serve:application

`trm serve` runs it in waitress.
"""

import os
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trm_np.serve.wsgi import Application

    application: Application

MODEL_VARIABLE = "TRM_MODEL"


def __getattr__(name: str) -> object:
    """`application`, made when it is first asked for: its model is the file that TRM_MODEL names."""
    if name == "application":
        return application_of_environment()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@cache
def application_of_environment() -> "Application":
    """Raises ValueError if TRM_MODEL names no model that can be read."""
    from trm_np.serve.metrics import Metrics
    from trm_np.serve.served import ServedModel
    from trm_np.serve.wsgi import Application

    path = os.environ.get(MODEL_VARIABLE)
    if not path:
        raise ValueError(f"{MODEL_VARIABLE}: not set; allowed: the name of a model file, such as best.npz")
    metrics = Metrics()
    served = ServedModel(path, None, metrics)
    served.watch()
    return Application(served, metrics)
