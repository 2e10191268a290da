"""Problems in a file: the place of each, what was found there, and what is allowed."""

from collections.abc import Iterable
from typing import NamedTuple

from trm_np.data.spelling import closest
from trm_np.text import printable, shown


class Problem(NamedTuple):
    """One fault at one place of a file; `found` and `allowed` are text.

    If a name was found, `name` holds it, and `names` holds those that it may misspell.
    """

    file: str
    place: str
    found: str
    allowed: str
    name: str = ""
    names: tuple[str, ...] = ()

    @property
    def suggestion(self) -> str:
        """The closest of `names`, or an empty string. The search is slow, so it runs only on access."""
        return closest(self.name, self.names)

    def __str__(self) -> str:
        place = f"{self.place}: " if self.place else ""
        suggestion = self.suggestion
        hint = f"; did you mean {shown(suggestion)}?" if suggestion else ""
        return printable(f"{self.file}: {place}found {self.found}; allowed: {self.allowed}{hint}")


class DataError(ValueError):
    """Raised for a file that is refused. `problems` holds its faults in file order; `listed_by` says what
    lists all of them."""

    def __init__(self, problems: Iterable[Problem], listed_by: str = "") -> None:
        self.problems = tuple(problems)
        where = f"; {listed_by} lists them" if listed_by else ""
        more = f" (and {len(self.problems) - 1} more{where})" if len(self.problems) > 1 else ""
        super().__init__(f"{self.problems[0]}{more}")


class Place(NamedTuple):
    """A place in a file, such as `scenarios[3].profile.age`. An empty path is the whole file."""

    file: str
    path: str = ""

    def key(self, name: str) -> "Place":
        return Place(self.file, f"{self.path}.{name}" if self.path else name)

    def item(self, index: int) -> "Place":
        return Place(self.file, f"{self.path}[{index}]")

    def problem(self, found: str, allowed: str, name: str = "", names: tuple[str, ...] = ()) -> Problem:
        return Problem(self.file, self.path, found, allowed, name, names)

    def error(self, found: str, allowed: str, name: str = "", names: tuple[str, ...] = ()) -> DataError:
        """The error of a file with this problem alone."""
        return DataError([self.problem(found, allowed, name, names)])
