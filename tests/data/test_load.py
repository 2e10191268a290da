"""What a valid file becomes, and where names that it does not bring come from."""

import json
from pathlib import Path

import pytest

from tests.data import sample_files
from trm_np.data.load import load_catalogue, load_dataset, load_held_out, load_scenarios, profile_from_json
from trm_np.data.problems import DataError
from trm_np.data.records import Offer, Profile
from trm_np.data.strict_json import parse_json

VOCABULARY = sample_files.VOCABULARY


def write_all(folder: Path) -> dict[str, Path]:
    return sample_files.write(
        folder,
        scenarios=sample_files.training(),
        held_out=sample_files.held_out(),
        catalogue=sample_files.catalogue(),
    )


def test_a_dataset_joins_the_three_files(tmp_path: Path) -> None:
    data = load_dataset(**write_all(tmp_path))
    assert data.vocabulary == VOCABULARY
    assert [scenario.name for scenario in data.train] == [
        "mother in the garden",
        "friend at the stove",
        "friend, barely known",
    ]
    assert len(data.validation) == 1
    assert len(data.test) == 2
    assert not data.shares_held_out
    assert [gift.id for gift in data.gifts] == ["trowel", "pan", "first_edition", "seeds"]


def test_a_scenario_is_read_field_by_field(tmp_path: Path) -> None:
    first = load_dataset(**write_all(tmp_path)).train[0]
    assert first.profile == Profile(61.0, ("garden", "reading"), "mother", 120.5, "birthday", ("practical",))
    assert first.expected_categories == ("garden", "library")
    assert first.expected_tools == ("compare", "review")


def test_a_gift_is_read_field_by_field(tmp_path: Path) -> None:
    pan = load_dataset(**write_all(tmp_path)).gifts[1]
    assert (pan.id, pan.name, pan.category, pan.price, pan.rating) == ("pan", "Pan", "kitchen", 80.5, 4.5)
    assert pan.tags == ("cooking",)
    assert pan.age_range == (18, 90)
    assert pan.occasions == ("birthday",)
    assert pan.offers == (Offer("Corner Shop", 80.5, 2),)
    assert (pan.stock, pan.reviews, sum(pan.weekly_sales)) == (3, (0, 1, 2, 3, 4), 78)


@pytest.mark.parametrize("field", ["age", "hobbies", "relationship", "budget", "occasion", "preferences"])
def test_a_field_may_be_absent_null_or_an_empty_list(field: str) -> None:
    whole = sample_files.scenario("anyone")["profile"]
    missing = getattr(Profile(), field)
    forms = [{k: v for k, v in whole.items() if k != field}, whole | {field: None}]
    if missing == ():
        forms.append(whole | {field: []})
    for form in forms:
        profile = profile_from_json(parse_json(json.dumps(form).encode(), "p.json"), VOCABULARY, "p.json")
        assert getattr(profile, field) == missing
        assert sum(getattr(profile, other) == getattr(Profile(), other) for other in whole) == 1


def test_a_profile_alone_names_its_file_and_place() -> None:
    with pytest.raises(
        DataError, match=r'^people\.jsonl: line 3\.age: found "old"; allowed: a number from 0 to 120$'
    ):
        profile_from_json(parse_json(b'{"age": "old"}', "people.jsonl"), VOCABULARY, "people.jsonl", "line 3")


def test_a_profile_may_be_a_plain_dictionary() -> None:
    assert profile_from_json({"age": 40, "hobbies": ["cooking"]}, VOCABULARY, "profile") == Profile(
        40.0, ("cooking",)
    )
    with pytest.raises(DataError, match=r'^profile: hobbies: found "\{\d+\}"; allowed: a list$'):
        profile_from_json({"hobbies": {7}}, VOCABULARY, "profile")


def test_one_held_out_list_serves_as_both(tmp_path: Path) -> None:
    paths = write_all(tmp_path)
    sample_files.write(tmp_path, held_out={"scenarios": sample_files.held_out()["test"]})
    data = load_dataset(**paths)
    assert data.shares_held_out
    assert len(data.validation) == len(data.test) == 2


def test_lists_of_names_that_a_file_does_not_bring_are_taken_from_the_given_vocabulary(
    tmp_path: Path,
) -> None:
    document = sample_files.training()
    document["vocabulary"] = {"tools": ["trend", "review", "compare"]}
    path = sample_files.write(tmp_path, scenarios=document)["scenarios"]
    vocabulary, _ = load_scenarios(path, VOCABULARY)
    assert vocabulary.tools == ("trend", "review", "compare")
    assert vocabulary.hobbies == VOCABULARY.hobbies


def test_a_file_without_vocabulary_is_checked_against_the_given_one(tmp_path: Path) -> None:
    document = sample_files.training()
    del document["vocabulary"]
    document["scenarios"][1]["profile"]["hobbies"] = ["knitting"]
    path = sample_files.write(tmp_path, scenarios=document)["scenarios"]
    with pytest.raises(DataError, match=r'scenarios\[1\]\.profile\.hobbies\[0\]: found "knitting"'):
        load_scenarios(path, VOCABULARY)


def test_the_order_of_names_is_the_order_of_the_file(tmp_path: Path) -> None:
    document = sample_files.training()
    document["vocabulary"]["hobbies"].reverse()
    path = sample_files.write(tmp_path, scenarios=document)["scenarios"]
    assert load_scenarios(path)[0].hobbies == VOCABULARY.hobbies[::-1]


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "gifts.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(sample_files.catalogue()).encode())
    assert len(load_catalogue(path, VOCABULARY)) == 4


def without_kitchen(folder: Path) -> dict[str, Path]:
    document = sample_files.catalogue()
    document["gifts"][1]["category"] = "garden"
    return write_all(folder) | sample_files.write(folder, catalogue=document)


def test_only_categories_with_a_gift_may_be_expected_in_training(tmp_path: Path) -> None:
    document = sample_files.training()
    document["scenarios"][2]["expected_categories"] = ["garden", "kitchen"]
    paths = without_kitchen(tmp_path) | sample_files.write(tmp_path, scenarios=document)
    with pytest.raises(
        DataError, match="a category with a gift in the catalogue: garden, library"
    ) as refused:
        load_dataset(**paths)
    assert [problem.place for problem in refused.value.problems] == ["scenarios[2].expected_categories[1]"]


def test_only_categories_with_a_gift_may_be_expected_in_held_out_scenarios(tmp_path: Path) -> None:
    document = sample_files.held_out()
    document["test"][1]["expected_categories"] = ["kitchen"]
    paths = without_kitchen(tmp_path) | sample_files.write(tmp_path, held_out=document)
    with pytest.raises(
        DataError, match="a category with a gift in the catalogue: garden, library"
    ) as refused:
        load_dataset(**paths)
    assert [problem.place for problem in refused.value.problems] == ["test[1].expected_categories[0]"]


def test_the_shipped_files_are_the_default() -> None:
    data = load_dataset()
    assert (len(data.train), len(data.validation), len(data.test), len(data.gifts)) == (25, 30, 30, 45)
    assert load_held_out(None, data.vocabulary) == (data.validation, data.test)
    assert [len(names) for names in data.vocabulary.lists.values()] == [13, 5, 18, 20, 9, 9]
