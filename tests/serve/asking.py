"""A WSGI application asked directly, as a server would, with wsgiref's validator in between."""

import io
import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, NamedTuple
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

from tests.recommend.stored_models import trained, write_trained
from trm_np.serve.metrics import Metrics
from trm_np.serve.served import ServedModel
from trm_np.serve.wsgi import Application
from trm_np.storage.checkpoint import Checkpoint, save_checkpoint


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@cache
def model_file() -> Path:
    """A model trained for a moment."""
    return write_trained(Path(mkdtemp()) / "best.npz")


@cache
def other_model_file() -> Path:
    """The same model with seed 1, and with an id for each gift that begins with "other"."""
    stored, path = trained(), Path(mkdtemp()) / "other.npz"
    gifts = [replace(gift, id=f"other {gift.id}") for gift in stored.gifts]
    content = Checkpoint(stored.model, stored.config, stored.vocabulary, gifts, stored.scenarios)
    save_checkpoint(path, "model", content, extra={"seed": 1, "metrics": {}})
    return path


def new_application(path: Path | None = None) -> Application:
    metrics = Metrics()
    return Application(ServedModel(str(path or model_file()), None, metrics), metrics)


def ask(
    application: Application, path: str, body: bytes | None = None, method: str = "", **environ: Any
) -> Reply:
    """One request; further variables of the WSGI environment by name, None to leave one out."""
    path, _, query = path.partition("?")
    asked: dict[str, Any] = {
        "REQUEST_METHOD": method or ("GET" if body is None else "POST"),
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "wsgi.input": io.BytesIO(body or b""),
    }
    if body is not None:
        asked |= {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body))}
    asked |= environ
    asked = {name: value for name, value in asked.items() if value is not None}
    setup_testing_defaults(asked)
    told: list[Any] = []
    pieces = validator(application)(asked, lambda status, headers, _=None: told.extend((status, headers)))
    try:
        content = b"".join(pieces)
    finally:
        pieces.close()
    return Reply(int(told[0].split()[0]), dict(told[1]), content)


def recommend(application: Application, value: Any, query: str = "", **environ: Any) -> Reply:
    """POST /recommend with a value as JSON."""
    return ask(application, f"/recommend{query}", json.dumps(value).encode(), **environ)
