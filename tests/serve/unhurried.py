"""`trm` whose server has no limit of time that a busy machine could reach, and which looks often at its model file.

python -m tests.serve.unhurried serve MODEL
"""

import sys
from unittest.mock import patch

from tests.waiting import HANG
from trm_np.cli import trm


def main(*arguments: str) -> None:
    names = (
        "wsgi.SECONDS",
        "batching.MOST_SECONDS",
        "on_waitress.DRAIN_SECONDS",
        "on_waitress.LONGEST_QUEUED",
        "on_waitress.LONGEST_WITH_SMALL",
        "on_waitress.LINGER_SECONDS",
    )
    for name in names:
        patch(f"trm_np.serve.{name}", HANG).start()
    patch.dict("trm_np.serve.question.LIMITS", seconds=HANG).start()  # which the page keeps to
    patch.dict("trm_np.serve.on_waitress.ADJUSTMENTS", channel_timeout=HANG).start()
    patch("trm_np.serve.served.LOOK_EVERY", 0.05).start()
    trm(arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
