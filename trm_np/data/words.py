"""Names in people's own words: as they stand in a vocabulary, in another spelling, or by a synonym."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from trm_np.data.spelling import close_names, composed, letters, singular

SPELLINGS = (str, composed, letters, singular)  # the later, the more words are alike


class Meaning(NamedTuple):
    """The name that a word stands for, None if it is unknown, and the synonym of that name that the word is."""

    name: str | None
    synonym: str | None = None


class Words:
    """The words for the names of one list, made into tables once."""

    def __init__(self, names: tuple[str, ...], synonyms: Mapping[str, str]) -> None:
        self.spellings = [(alike, by_form(alike, names)) for alike in SPELLINGS]
        self.synonyms = {
            form: Meaning(synonyms[word], word) for form, word in by_form(singular, synonyms).items()
        }
        self.all = (*names, *synonyms)

    def meaning(self, word: str) -> Meaning:
        """The very name, else the only name that this is another spelling or the plural of, else by a synonym."""
        for alike, names in self.spellings:
            if (form := alike(word)) in names:
                return Meaning(names[form])
        return self.synonyms.get(singular(word), Meaning(None))

    def close(self, word: str) -> tuple[str, ...]:
        """Names and synonyms that an unknown word may misspell."""
        return close_names(word, self.all)


def by_form(alike: Callable[[str], str], words: Iterable[str]) -> dict[str, str]:
    """The words by their forms; none for a form that two of them have."""
    forms = {word: alike(word) for word in words}
    count = Counter(forms.values())
    return {form: word for word, form in forms.items() if count[form] == 1}
