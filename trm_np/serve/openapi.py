"""The OpenAPI 3.1 document of the server: what requests may hold, and what answers do hold."""

from typing import Any

from trm_np.data.vocabulary import Vocabulary


def document(vocabulary: Vocabulary) -> dict[str, Any]:
    return {"openapi": "3.1.0"}
