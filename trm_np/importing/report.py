"""Report of an import, in lines to print: what it used, assumed, dropped and made."""

from dataclasses import dataclass, field
from typing import Any

from trm_np.text import printable


@dataclass
class Report:
    """Lines of what was used, assumed and made; counts of what was dropped, each with its first example."""

    used: list[str] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)

    def drop(self, reason: str, example: str = "", count: int = 1) -> None:
        """Count a dropped row or cell under a reason."""
        if count:
            self.dropped[reason] = self.dropped.get(reason, 0) + count
            self.examples.setdefault(reason, example)

    def lines_of_dropped(self) -> list[str]:
        """A line for each reason."""
        return [
            f"{reason}: {count:,}" + (f" (first: {self.examples[reason]})" if self.examples[reason] else "")
            for reason, count in self.dropped.items()
        ]

    def document(self) -> dict[str, Any]:
        """The same as values of JSON."""
        dropped = [
            {"reason": reason, "count": count, "example": self.examples[reason]}
            for reason, count in self.dropped.items()
        ]
        return {"used": self.used, "assumed": self.assumed, "dropped": dropped, "made": self.made}

    def text(self) -> str:
        """The same as lines under headings."""
        parts = {
            "used": self.used,
            "assumed": self.assumed,
            "dropped": self.lines_of_dropped(),
            "made": self.made,
        }
        return "\n".join(
            f"{heading}:\n" + "\n".join(f"  {printable(line)}" for line in lines)
            for heading, lines in parts.items()
            if lines
        )
