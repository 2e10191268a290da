"""`trm` whose server has no limit of time that a busy machine could reach, and which looks often at its model file.

    python -m tests.serve.unhurried waitress serve MODEL

Without waitress, as where it is not installed: `wsgiref`.
"""

import sys
from unittest.mock import patch

from tests.waiting import HANG
from trm_np.cli import trm

EITHER = ("trm_np.serve.wsgi.SECONDS",)
OF_WAITRESS = ("trm_np.serve.on_waitress.DRAIN_SECONDS",)
OF_WSGIREF = ("trm_np.serve.on_wsgiref.Handler.timeout",)


def main(server: str, *arguments: str) -> None:
    if server == "wsgiref":
        sys.modules["waitress"] = None  # type: ignore[assignment]
    for name in EITHER + (OF_WSGIREF if server == "wsgiref" else OF_WAITRESS):
        patch(name, HANG).start()
    patch.dict("trm_np.serve.question.LIMITS", seconds=HANG).start()  # which the page keeps to
    if server == "waitress":
        patch.dict("trm_np.serve.on_waitress.ADJUSTMENTS", channel_timeout=HANG).start()
    patch("trm_np.serve.served.LOOK_EVERY", 0.05).start()
    trm(arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
