"""HTTP responses: headers that all of them have, and errors of one line."""

import json
from http import HTTPStatus
from typing import Any, NamedTuple

from trm_np.text import printable

JSON = "application/json"
Headers = tuple[tuple[str, str], ...]


class Response(NamedTuple):
    """Status, the bytes of the body in pieces, what they are, and further headers."""

    status: int
    body: list[bytes]
    content_type: str = JSON
    headers: Headers = ()

    @property
    def status_line(self) -> str:
        return f"{self.status} {HTTPStatus(self.status).phrase}"

    def all_headers(self) -> list[tuple[str, str]]:
        return [
            ("Content-Type", self.content_type),
            ("Content-Length", str(sum(map(len, self.body)))),
            ("X-Content-Type-Options", "nosniff"),
            *self.headers,
        ]


class HTTPError(Exception):
    """A request that is refused: its status, and one line that says why."""

    def __init__(self, status: int, message: str, headers: Headers = ()) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers

    def response(self) -> Response:
        body = to_json({"error": printable(str(self))})
        return Response(self.status, [body], headers=self.headers)


def to_json(value: Any) -> bytes:
    """JSON in ASCII; raises ValueError for a number that JSON does not have."""
    return json.dumps(value, allow_nan=False).encode("ascii")
