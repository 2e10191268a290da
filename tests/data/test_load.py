"""Loading valid files, and the defaults for what a file leaves out."""

import json
from dataclasses import fields
from pathlib import Path

import pytest

from tests.data import sample_files
from tests.data.sample_files import profile_from_json
from trm_np.data.load import (
    as_json,
    gift_from,
    gifts_from_json,
    load_catalogue,
    load_dataset,
    load_held_out,
    load_scenarios,
    scenario_from,
)
from trm_np.data.problems import DataError
from trm_np.data.records import Gift, Offer, Profile, Scenario
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


def test_chosen_gifts_are_read_with_their_weights(tmp_path: Path) -> None:
    document = sample_files.training()
    listed, weighed, labelled = document["scenarios"]
    listed |= {"chosen": ["seeds", "trowel"], "rejected": ["pan"]}
    weighed |= {"chosen": {"pan": 2.5, "seeds": 1}}
    weighed["profile"]["history"] = ["first_edition", "trowel"]
    for scenario in (listed, weighed):
        del scenario["expected_categories"], scenario["expected_tools"]
    paths = write_all(tmp_path) | sample_files.write(tmp_path, scenarios=document)
    first, second, third = load_dataset(**paths).train
    assert first.chosen == (("seeds", 1.0), ("trowel", 1.0)) and first.rejected == ("pan",)
    assert second.chosen == (("pan", 2.5), ("seeds", 1.0)) and second.rejected == ()
    assert second.profile.history == ("first_edition", "trowel") and first.profile.history == ()
    assert first.expected_categories == first.expected_tools == third.chosen == third.rejected == ()
    assert third.expected_tools == tuple(labelled["expected_tools"])


@pytest.mark.parametrize("form", ["absent", "null"])
def test_a_gift_needs_only_id_name_and_category(form: str) -> None:
    least = {"id": "pan", "name": "Pan", "category": "kitchen"}
    unknown = {field: None for field in sample_files.gift("pan", "kitchen", 1, []) if field not in least}
    (pan,) = gifts_from_json([least | (unknown if form == "null" else {})], VOCABULARY, "gifts")
    assert pan == Gift("pan", "Pan", "kitchen") and all(getattr(pan, field) is None for field in unknown)
    for field in least:
        with pytest.raises(DataError, match=f'found no key "{field}"'):
            gifts_from_json([{key: least[key] for key in least if key != field}], VOCABULARY, "gifts")


@pytest.mark.parametrize("ids", ["readable", "unreadable"])
def test_ids_are_checked_if_the_catalogue_can_be_read(ids: str, tmp_path: Path) -> None:
    document, gifts = sample_files.training(), sample_files.catalogue()
    document["scenarios"][0]["chosen"] = ["seed"]
    if ids == "unreadable":
        gifts["gifts"][2]["id"] = 7
    paths = write_all(tmp_path) | sample_files.write(tmp_path, scenarios=document, catalogue=gifts)
    with pytest.raises(DataError) as refused:
        load_dataset(**paths)
    (problem,) = refused.value.problems
    found = (problem.place, problem.suggestion)
    assert (
        found
        == {
            "readable": ("scenarios[0].chosen[0]", "seeds"),
            "unreadable": ("gifts[2].id", ""),
        }[ids]
    )


def test_a_record_survives_a_round_trip_through_json(tmp_path: Path) -> None:
    data = load_dataset(**write_all(tmp_path))
    whole = Scenario(
        "a", data.train[0].profile, ("garden",), ("trend",), (("pan", 2.5), ("seeds", 1.0)), ("trowel",)
    )
    chosen_only = Scenario("b", Profile(history=("pan",)), chosen=(("trowel", 1.0),))
    for scenario in (*data.train, *data.test, whole, chosen_only):
        assert scenario_from(json.loads(json.dumps(as_json(scenario)))) == scenario
    for gift in (
        *data.gifts,
        Gift("pan", "Pan", "kitchen"),
        Gift("pan", "Pan", "kitchen", 3.0, stock=0, tags=()),
    ):
        assert gift_from(json.loads(json.dumps(as_json(gift)))) == gift


@pytest.mark.parametrize("field", [field.name for field in fields(Profile) if field.name != "history"])
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


def test_problems_of_a_single_profile_name_its_source_and_place() -> None:
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


def test_missing_vocabulary_lists_come_from_the_given_vocabulary(
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
    assert len(load_catalogue(path, VOCABULARY)[0]) == 4


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


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize("beside", ["", "1234567890"])
def test_an_integer_of_more_than_400_characters_is_infinite(sign: str, beside: str) -> None:
    """A text with few digits is read by a quicker reader; the value is the same."""
    for digits in (399, 400, 401, 5000):
        number = sign + "9" * digits
        expected = int(number) if len(number) <= 400 else float(number)
        assert parse_json(f'[{number}, "{beside}"]'.encode(), "f") == [expected, beside]
