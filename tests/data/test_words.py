"""Words for vocabulary names: spellings, plurals, misspellings and synonyms."""

import json
from dataclasses import asdict, replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data import sample_files
from trm_np.data.lenient import CheckedProfile, read_profile
from trm_np.data.load import load_dataset, load_scenarios
from trm_np.data.problems import DataError, Place
from trm_np.data.records import Profile
from trm_np.data.schema import MOST_SYNONYMS, synonyms
from trm_np.data.spelling import close_names, edits, singular
from trm_np.data.vocabulary import PROFILE_LISTS
from trm_np.data.words import Meaning, Words

SHIPPED, _ = load_scenarios()
QUESTIONS = json.loads(Path(__file__).with_name("questions.json").read_text(encoding="utf-8"))["questions"]
GUIDE = resources.files("trm_np.scenarios").joinpath("README.md").read_text("utf-8")
KIND = {"relationship": "relationships", "occasion": "occasions"}  # the others are named as their field
SAYINGS = [
    (kind, word, name) for kind, meanings in SHIPPED.synonyms.items() for word, name in meanings.items()
]
UNKNOWN = {
    *("cats", "coffee", "tea", "whisky", "wine", "eating out", "her garden", "fashion", "TikTok", "Netflix"),
    *("radio", "quiz shows", "theatre", "antiques", "classic cars", "DIY", "Lego", "dinosaurs", "knitting"),
    *("sewing", "woodworking"),
    *("housewarming", "starting university", "passed her exams", "just because", "retirement", "farewell"),
    *("baby shower", "thank you", "cute", "local", "funny", "romantic", "minimalist", "personal", "vegan"),
    *("no gadgets", "thoughtful", "scandinavian"),
}
WORDS = st.text("abeghinosy -'", max_size=9)
TEXTS = st.text("abcdes", max_size=9)


def distance(one: str, other: str) -> int:
    """The edit distance by the textbook's table."""
    table = [[i + j for j in range(len(other) + 1)] for i in range(len(one) + 1)]
    for i, a in enumerate(one, 1):
        for j, b in enumerate(other, 1):
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (a != b))
            if i > 1 and j > 1 and (a, one[i - 2]) == (other[j - 2], b):
                table[i][j] = min(table[i][j], table[i - 2][j - 2] + 1)
    return table[-1][-1]


def plural(word: str) -> str:
    """The plural of an English word."""
    if word.endswith("y") and word[-2] not in "aeiou":
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(("s", "x", "z", "ch", "sh")) else f"{word}s"


# ------------------------------------------------------------------------------- one list of names


@settings(deadline=None)
@given(st.lists(WORDS, unique=True, max_size=4), st.dictionaries(WORDS, st.just("fitness"), max_size=4))
def test_a_name_means_itself_whatever_the_other_words(names: list[str], meanings: dict[str, str]) -> None:
    words = Words((*names, "fitness"), meanings)
    for name in (*names, "fitness"):
        assert words.meaning(name) == Meaning(name)


@settings(deadline=None)
@given(st.sampled_from(SAYINGS), st.data())
def test_case_spaces_and_plurals_do_not_matter(saying: tuple[str, str, str], data: st.DataObject) -> None:
    kind, word, name = saying
    words = SHIPPED.words[kind]
    assert words.meaning(word) == Meaning(name, word)
    for known in (word, name):
        # Few singulars end in a single s. "fiancée" and "fiancee" are two words.
        several = known if known.endswith("s") and not known.endswith("ss") else plural(known)
        spelt = "".join(data.draw(st.sampled_from([c, c.upper(), f" {c}", f"-{c}"])) for c in several)
        assert words.meaning(spelt).name == name, spelt


@pytest.mark.parametrize(
    "word", ["dog", "hobby", "box", "class", "watch", "brush", "toe", "movie", "day", "spa"]
)
def test_a_word_and_its_plural_are_one(word: str) -> None:
    assert singular(word) == singular(plural(word)) == singular(plural(word).upper())


@pytest.mark.parametrize(
    ("one", "other"), [("hikes", "hiking"), ("walker", "walks"), ("boss", "bo"), ("as", "a"), ("pas", "pass")]
)
def test_words_that_only_look_like_plurals_are_kept(one: str, other: str) -> None:
    assert singular(one) != singular(other)


def test_a_name_comes_before_a_synonym_in_each_spelling() -> None:
    words = Words(
        ("walks", "reading"), {"walk": "reading", "stroll": "walks"}
    )  # the first is invalid in a file
    assert words.meaning("walk") == words.meaning("Walks") == Meaning("walks")
    assert words.meaning("Strolls") == Meaning("walks", "stroll")
    assert words.meaning("hike") == Meaning(None)


# ------------------------------------------------------------------------------------- misspelt words


@settings(deadline=None)
@given(TEXTS, TEXTS, st.integers(0, 3))
def test_edits_agree_with_the_textbook_up_to_the_limit(one: str, other: str, most: int) -> None:
    least, counted = distance(one, other), edits(one, other, most)
    assert counted == least if least <= most else counted > most


@settings(deadline=None)
@given(TEXTS, st.lists(TEXTS, unique=True, max_size=30))
def test_suggestions_are_within_one_edit_or_two_in_a_long_word(word: str, names: list[str]) -> None:
    form = singular(word)
    most = 0 if len(form) < 3 else 1 if len(form) < 8 else 2
    near = [name for name in names if distance(form, singular(name)) <= most]
    found = close_names(word, tuple(names))
    assert set(found) <= set(near) and len(found) == min(3, len(near))
    far = [distance(form, singular(name)) for name in found]
    assert far == sorted(distance(form, singular(name)) for name in near)[:3]


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        *(
            ("gardenign", "gardening"),
            ("fotography", "photography"),
            ("joging", "jogging"),
            ("skiiing", "skiing"),
        ),
        *(("racing", ""), ("stamp collecting", ""), ("cats", ""), ("hunting", ""), ("cheese", ""), ("", "")),
    ],
)
def test_a_misspelt_word_gets_a_suggestion_and_another_word_none(word: str, hint: str) -> None:
    assert SHIPPED.words["hobbies"].close(word) == ((hint,) if hint else ())
    assert SHIPPED.words["relationships"].close(word) == ()


# ---------------------------------------------------------------------------------------- in a profile


def test_one_note_lists_all_synonyms() -> None:
    value = {"hobbies": ["Running", "yoga", "fitness", "jogging", "Yoga"], "relationship": "Mums"}
    assert read_profile(value, SHIPPED, "p") == CheckedProfile(
        Profile(hobbies=("fitness", "wellness"), relationship="mother"),
        notes=("running counts as fitness, yoga as wellness, jogging as fitness, mum as mother",),
    )
    assert read_profile(value, SHIPPED, "p", strict=True) == read_profile(value, SHIPPED, "p")


def test_a_synonym_counts_only_in_its_own_list() -> None:
    found = read_profile({"hobbies": ["wife"], "preferences": ["yoga"], "occasion": "dogs"}, SHIPPED, "p")
    assert found.profile == Profile() and found.notes == ()
    assert found.warnings[0].startswith('p: "wife", "yoga", "dogs" are not known')


# ---------------------------------------------------------------------------------------- the shipped ones


def test_the_shipped_synonyms_are_valid() -> None:
    stored = json.loads(resources.files("trm_np.scenarios").joinpath("synonyms.json").read_text("utf-8"))
    assert stored == SHIPPED.synonyms and list(stored) == list(PROFILE_LISTS)
    assert list(synonyms(SHIPPED)(stored, Place("synonyms.json"))) == []
    assert f"{len(SAYINGS)} everyday words" in GUIDE and len(SAYINGS) >= 250


def test_no_shipped_synonym_is_a_name_and_every_name_of_a_profile_has_one() -> None:
    names = {singular(name) for field in PROFILE_LISTS for name in getattr(SHIPPED, field)}
    assert [word for _, word, _ in SAYINGS if singular(word) in names] == []
    for kind in PROFILE_LISTS:
        assert set(SHIPPED.synonyms[kind].values()) == set(getattr(SHIPPED, kind))


def test_three_quarters_of_the_words_of_thirty_questions_are_understood() -> None:
    assert len(QUESTIONS) == 30
    said = [
        (KIND.get(field, field), word)
        for question in QUESTIONS
        for field, value in question["profile"].items()
        for word in (value if isinstance(value, list) else [value])
        if isinstance(word, str)
    ]
    unknown = [word for kind, word in said if SHIPPED.words[kind].meaning(word).name is None]
    assert set(unknown) == UNKNOWN and len(unknown) <= len(said) / 4
    assert f"of their {len(said)} words {len(said) - len(unknown)} are understood" in GUIDE


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question["said"][:40])
def test_a_profile_has_at_most_one_line_of_notes_and_one_warning(question: dict[str, Any]) -> None:
    found = read_profile(question["profile"], SHIPPED, "question")
    # Something is understood.
    assert found.profile != Profile(age=found.profile.age, budget=found.profile.budget)
    assert len(found.notes) <= 1 and len(found.warnings) <= 1


# ------------------------------------------------------------------------------------------ one's own


def own(folder: Path, vocabulary: dict[str, Any]) -> Path:
    file = folder / "mine.json"
    file.write_text(json.dumps(sample_files.training() | {"vocabulary": vocabulary}), encoding="utf-8")
    return file


def test_an_own_vocabulary_has_its_own_synonyms_or_none(tmp_path: Path) -> None:
    lists = sample_files.training()["vocabulary"]
    assert not any(load_scenarios(own(tmp_path, lists))[0].synonyms.values())
    mine = {"hobbies": {"plants": "garden"}}
    vocabulary, _ = load_scenarios(own(tmp_path, lists | {"synonyms": mine}))
    assert vocabulary.synonyms == {kind: mine.get(kind, {}) for kind in PROFILE_LISTS}
    assert read_profile({"hobbies": ["Plant"]}, vocabulary, "p").profile.hobbies == ("garden",)


def test_the_shipped_synonyms_are_of_the_shipped_names_and_may_be_replaced(tmp_path: Path) -> None:
    shipped = Path(str(resources.files("trm_np.scenarios").joinpath("realistic_user_scenarios.json")))
    document = json.loads(shipped.read_text(encoding="utf-8"))
    for change, left in (
        ({}, set(PROFILE_LISTS)),
        ({"synonyms": {"hobbies": {}, "occasions": {"bash": "birthday"}}}, {"preferences", "relationships"}),
        ({"hobbies": document["vocabulary"]["hobbies"] + ["chess"]}, set(PROFILE_LISTS) - {"hobbies"}),
    ):
        file = tmp_path / "changed.json"
        file.write_text(json.dumps({**document, "vocabulary": document["vocabulary"] | change}), "utf-8")
        found, _ = load_scenarios(file)
        assert {kind for kind in PROFILE_LISTS if found.synonyms[kind] == SHIPPED.synonyms[kind]} == left


def test_too_many_synonyms_are_refused() -> None:
    many = {"hobbies": {f"odd {number}": "music" for number in range(MOST_SYNONYMS + 1)}}
    (problem,) = synonyms(SHIPPED)(many, Place("mine.json"))
    assert str(problem) == "mine.json: hobbies: found 1001 synonyms; allowed: at most 1000"


def test_training_does_not_depend_on_synonyms() -> None:
    dataset = load_dataset()
    plain = replace(dataset.vocabulary, synonyms={})
    assert plain == dataset.vocabulary and hash(plain) == hash(dataset.vocabulary)
    assert "synonyms" not in plain.lists and asdict(plain) | {
        "synonyms": dataset.vocabulary.synonyms
    } == asdict(dataset.vocabulary)


def test_a_synonym_in_a_file_of_scenarios_is_an_unknown_name(tmp_path: Path) -> None:
    document = sample_files.training()
    document["vocabulary"]["synonyms"] = {"hobbies": {"plants": "garden"}}
    document["scenarios"][0]["profile"]["hobbies"] = ["plants"]
    (tmp_path / "mine.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(DataError, match='found "plants"; allowed: one of garden'):
        load_scenarios(tmp_path / "mine.json")
