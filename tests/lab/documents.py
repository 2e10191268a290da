"""Pages of the lab as their readers get them."""

import json
import re
from typing import Any


def embedded(document: str) -> Any:
    """The results that a page embeds."""
    (text,) = re.findall(r'<script type="application/json" id="results">(.*?)</script>', document, re.DOTALL)
    return json.loads(text)
