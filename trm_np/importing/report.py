"""Report of an import: what it used, assumed, dropped and made."""

from dataclasses import dataclass, field
from typing import Any

from trm_np.text import printable


@dataclass
class Report:
    """Lines about what was used, assumed and made, and counts of what was dropped, each with its first example."""

    used: list[str] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)

    def drop(self, reason: str, example: str = "", count: int = 1) -> None:
        """Count dropped rows or cells under a reason."""
        if count:
            self.dropped[reason] = self.dropped.get(reason, 0) + count
            self.examples.setdefault(reason, example)

    def dropped_lines(self) -> list[str]:
        """One line for each reason."""
        return [
            f"{reason}: {count:,}" + (f" (first: {self.examples[reason]})" if self.examples[reason] else "")
            for reason, count in self.dropped.items()
        ]

    def document(self) -> dict[str, Any]:
        """The report as a JSON value."""
        dropped = [
            {"reason": reason, "count": count, "example": self.examples[reason]}
            for reason, count in self.dropped.items()
        ]
        return {"used": self.used, "assumed": self.assumed, "dropped": dropped, "made": self.made}

    def text(self) -> str:
        """The report as lines under headings."""
        parts = {
            "used": self.used,
            "assumed": self.assumed,
            "dropped": self.dropped_lines(),
            "made": self.made,
        }
        return "\n".join(
            f"{heading}:\n" + "\n".join(f"  {printable(line)}" for line in lines)
            for heading, lines in parts.items()
            if lines
        )
