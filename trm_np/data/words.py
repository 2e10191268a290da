"""Find the vocabulary name for a word: the name itself, another spelling of it, or a synonym."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from trm_np.data.spelling import close_names, composed, letters, singular

SPELLINGS = (str, composed, letters, singular)  # from the strictest comparison to the loosest


class Meaning(NamedTuple):
    """The name that a word stands for, or None if it is unknown, and the synonym that was used, if any."""

    name: str | None
    synonym: str | None = None


class Words:
    """Lookup tables for the names of one vocabulary list and their synonyms."""

    def __init__(self, names: tuple[str, ...], synonyms: Mapping[str, str]) -> None:
        self.spellings = [(alike, by_form(alike, names)) for alike in SPELLINGS]
        self.synonyms = {
            form: Meaning(synonyms[word], word) for form, word in by_form(singular, synonyms).items()
        }
        self.all = (*names, *synonyms)

    def meaning(self, word: str) -> Meaning:
        """Look up a word: first as a name, then as a spelling or plural of exactly one name, then as a synonym."""
        for alike, names in self.spellings:
            if (form := alike(word)) in names:
                return Meaning(names[form])
        return self.synonyms.get(singular(word), Meaning(None))

    def close(self, word: str) -> tuple[str, ...]:
        """Names and synonyms that an unknown word may misspell, the closest first."""
        return close_names(word, self.all)


def by_form(alike: Callable[[str], str], words: Iterable[str]) -> dict[str, str]:
    """The words by their forms. A form that several words share is left out."""
    forms = {word: alike(word) for word in words}
    count = Counter(forms.values())
    return {form: word for word, form in forms.items() if count[form] == 1}
