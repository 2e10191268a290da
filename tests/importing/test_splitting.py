"""Splitting of people and orders, compared with the orders themselves."""

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.importing.sample_tables import ITEMS, ORDERS, PEOPLE, write_tables
from trm_np.data.load import load_dataset
from trm_np.data.problems import DataError
from trm_np.importing.convert import convert
from trm_np.importing.documents import CATALOGUE, HELD_OUT, SCENARIOS, favourites
from trm_np.importing.reading import Reading
from trm_np.importing.report import Report
from trm_np.importing.splitting import Rules

Order = tuple[str, str, int, int]  # person, item, second, rating or pieces
START = 1_700_000_000
NAMES = ["ann", "bob", "cy", "dora", "eve", "fay"]


def files_of(
    folder: Path,
    rules: Rules | None = None,
    mapped: dict[str, list[str]] | None = None,
    most_items: int = 100,
) -> tuple[dict[str, Any], Report]:
    paths = [str(folder / name) for name in ("orders.csv", "items.csv", "people.csv")]
    fields = {"item.tags": ["theme"]} | (mapped or {})
    contents, report = convert(*paths, mapped=fields, rules=rules or Rules(), most_items=most_items)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    load_dataset(*(folder / name for name in (SCENARIOS, HELD_OUT, CATALOGUE)))
    return {name: json.loads(content) for name, content in contents.items()}, report


def parts_of(files: dict[str, Any]) -> list[list[dict[str, Any]]]:
    return [files[SCENARIOS]["scenarios"], files[HELD_OUT]["validation"], files[HELD_OUT]["test"]]


orders_of_people = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.sampled_from(["kite", "lamp", "soap", "tent"]),
        st.integers(START, START + 9),
        st.integers(1, 5),
    ),
    min_size=8,
    max_size=60,
)


@given(orders_of_people, st.sampled_from([0.0, 0.5, 0.6, 0.9]), st.booleans())
def test_orders_of_every_person_are_split_by_time(
    tmp_path_factory: pytest.TempPathFactory, orders: list[Order], share: float, rated: bool
) -> None:
    folder = tmp_path_factory.mktemp("orders")
    last = "rating" if rated else "quantity"
    lines = [f"{person},{item},{second},{number}" for person, item, second, number in orders]
    write_tables(folder, "\n".join([f"user,item,time,{last}", *lines]))
    try:
        files, report = files_of(folder, Rules(history_share=share))
    except DataError as error:
        assert "with later choices" in str(error)
        assume(False)
    by_person = defaultdict(list)
    for order in sorted(orders, key=lambda order: order[2]):
        by_person[order[0]].append(order)
    ends = []
    for part in parts_of(files):
        for scenario in part:
            mine = by_person.pop(scenario["name"])
            cut = int(share * len(mine))
            had = list(dict.fromkeys(item for _, item, _, _ in mine[:cut]))
            assert scenario["profile"].get("history", []) == had
            later = [(item, number) for _, item, _, number in mine[cut:] if item not in had]
            if rated:
                assert scenario["chosen"] == [item for item, rating in dict(later).items() if rating >= 4]
                assert scenario.get("rejected", []) == [
                    item for item, rating in dict(later).items() if rating < 2.5
                ]
            else:
                pieces: Counter[str] = Counter()
                for item, number in later:
                    pieces[item] += number
                found = scenario["chosen"]
                assert (dict.fromkeys(found, 1) if isinstance(found, list) else found) == pieces
            ends.append(mine[-1][2])
    assert ends == sorted(ends)  # no training order is later than the last one of a held-out person
    assert sum(report.dropped.get(reason, 0) for reason in report.dropped if "people who" in reason) == len(
        by_person
    )


@given(st.integers(4, 300))
def test_a_fifth_of_people_is_for_the_test_and_a_fifth_for_validation(people: int) -> None:
    from trm_np.importing.splitting import by_last_order

    everyone = [(float(number % 7), number, [number]) for number in range(people)]
    parts = by_last_order(everyone, Rules(), "orders", True, Report())  # type: ignore[arg-type]
    sizes = [len(part) for part in parts]
    assert sum(sizes) == people
    assert sizes[1:] == [max(1, round(people / 5))] * 2
    assert [number for part in parts for number in part] == sorted(  # type: ignore[misc]
        range(people), key=lambda number: (number % 7, number)
    )


def test_the_sample_tables_give_the_expected_files(tmp_path: Path) -> None:
    write_tables(tmp_path)
    files, _ = files_of(tmp_path)
    assert files[SCENARIOS]["vocabulary"] == {
        "categories": ["bath", "home", "outdoor", "toys"],
        "hobbies": ["books", "outdoor", "travel", "wind"],
        "preferences": ["baker", "student", "teacher", "sex F", "sex M"],
    }
    assert files[SCENARIOS]["scenarios"] == [
        {
            "name": "ann",
            "profile": {
                "age": 34,
                "hobbies": ["outdoor", "wind"],
                "preferences": ["sex F", "teacher"],
                "history": ["kite"],
            },
            "expected_categories": ["home"],
            "chosen": ["lamp"],
            "rejected": ["tent"],
        },
        {
            "name": "bob",
            "profile": {
                "age": 51,
                "hobbies": ["books"],
                "preferences": ["sex M", "baker"],
                "history": ["lamp"],
            },
            "expected_categories": ["toys"],
            "chosen": ["kite"],
        },
        {
            "name": "cy",
            "profile": {"age": 27, "preferences": ["sex M", "student"], "history": ["soap"]},
            "expected_categories": ["outdoor"],
            "chosen": ["tent"],
        },
    ]
    assert files[CATALOGUE]["gifts"][1:3] == [
        {"id": "lamp", "name": "Reading Lamp", "category": "home", "price": 45, "tags": ["books"]},
        {"id": "soap", "name": "Olive Soap", "category": "bath", "price": 6.25},
    ]


def test_orders_may_have_profile_fields(tmp_path: Path) -> None:
    orders = ORDERS.replace("rating", "occasion").replace(",5", ",birthday").replace(",4", ",christmas")
    write_tables(tmp_path, orders.replace(",2\n", ",\n").replace(",3\n", ",\n"))
    files, _ = files_of(tmp_path, Rules(history_share=0))
    asked = {
        scenario["name"]: (scenario["profile"].get("occasion"), scenario["chosen"])
        for part in parts_of(files)
        for scenario in part
    }
    assert asked["ann #1"] == ("birthday", ["kite"])
    assert asked["ann #2"] == ("christmas", ["lamp"])
    assert asked["ann #3"] == (None, ["tent"])
    assert files[SCENARIOS]["vocabulary"]["occasions"] == ["birthday", "christmas"]


def test_dropped_rows_are_counted(tmp_path: Path) -> None:
    more = "gus,yacht,2024-05-05,1\nann,tent,2024-05-06,1\neve,soap,2024-07-02,-1\n"
    more_people = "hal,40,M,baker\nhal,40,M,baker\nann,34,F,teacher\n"
    write_tables(tmp_path, ORDERS.replace("rating", "quantity") + more, people=PEOPLE + more_people)
    _, report = files_of(tmp_path, Rules(min_orders=2))
    assert [line.replace(f"{tmp_path}/", "") for line in report.dropped_lines()] == [
        'orders of items that are not in items.csv: 1 (first: line 12, column product_id: "yacht")',
        "orders of 0 pieces or fewer, which are returns: 1 (first: line 14)",
        "people of people.csv without orders: 2 (first: line 7)",
        "rows of people.csv that repeat a person unchanged: 1 (first: line 9)",
        "people with fewer than 2 orders (--min-orders): 1",
    ]


def test_bad_cells_may_be_dropped(tmp_path: Path) -> None:
    write_tables(
        tmp_path,
        ORDERS.replace("2024-02-01", "soon").replace("2024-03-09,2", "2024-03-09,*"),
        ITEMS.replace("19.50", "free") + "lamp,Lamp,home,45,\n,Nameless,home,1,\n",
        PEOPLE.replace("51", "old"),
    )
    paths = [str(tmp_path / name) for name in ("orders.csv", "items.csv", "people.csv")]
    contents, report = convert(*paths, mapped={"item.tags": ["theme"]}, reading=Reading(drop_bad=True))
    assert [line.replace(f"{tmp_path}/", "") for line in report.dropped_lines()] == [
        'bad cells in price of items.csv: 1 (first: line 2, column price: "free")',
        "bad cells in name of items.csv: 1 "
        '(first: line 6, column name: other values than before for the item "lamp")',
        'bad cells in product_id of items.csv: 1 (first: line 7, column product_id: "")',
        'bad cells in order_date of orders.csv: 1 (first: line 3, column order_date: "soon")',
        'bad cells in rating of orders.csv: 1 (first: line 4, column rating: "*")',
        'bad cells in age of people.csv: 1 (first: line 3, column age: "old")',
        "people who chose no new item later: 1",
    ]
    files = {name: json.loads(content) for name, content in contents.items()}
    assert "price" not in files[CATALOGUE]["gifts"][0]
    bob = files[SCENARIOS]["scenarios"][0]
    assert (bob["name"], "age" in bob["profile"]) == ("bob", False)


def test_rare_categories_become_other_and_rare_names_are_left_out(tmp_path: Path) -> None:
    write_tables(tmp_path)
    paths = [str(tmp_path / name) for name in ("orders.csv", "items.csv", "people.csv")]
    contents, report = convert(*paths, mapped={"item.tags": ["theme"]}, most_names=3)
    assert json.loads(contents[SCENARIOS])["vocabulary"] == {
        "categories": ["home", "other", "toys"],
        "hobbies": ["books", "outdoor", "travel"],
        "preferences": ["student", "teacher", "sex F"],
    }
    assert 'categories: the 2 most frequent of 4; the rest is "other" (--most-names)' in report.assumed


def test_the_most_ordered_items_are_kept(tmp_path: Path) -> None:
    write_tables(tmp_path)
    files, report = files_of(tmp_path, most_items=3)
    counts = Counter(line.split(",")[1] for line in ORDERS.splitlines()[1:])
    kept = {gift["id"] for gift in files[CATALOGUE]["gifts"]}
    assert kept == set(counts) - {min(counts, key=lambda item: (counts[item], item != "lamp"))}
    assert report.dropped["orders of those items"] == 2


def test_a_list_keeps_the_latest_2000(tmp_path: Path) -> None:
    items = "product_id\n" + "".join(f"{item}\n" for item in range(6000))
    long = [f"ann,{item},{START + item}" for item in range(6000)]
    others = [f"{person},{item},{START}" for person in NAMES[1:] for item in (1, 2)]
    write_tables(tmp_path, "\n".join(["user,item,time", *long, *others]), items)
    files, report = files_of(tmp_path, mapped={"item.tags": []}, most_items=6000)
    ann = files[HELD_OUT]["test"][-1]
    assert ann["profile"]["history"] == [str(item) for item in range(1600, 3600)]
    assert ann["chosen"] == [str(item) for item in range(4000, 6000)]
    assert report.dropped_lines() == [
        "items beyond the latest 2,000 that a person chose, rejected or had: 2,000"
    ]


def test_the_random_sample_of_people_is_reproducible(tmp_path: Path) -> None:
    write_tables(tmp_path)
    first, report = files_of(tmp_path, Rules(most_people=4))
    assert files_of(tmp_path, Rules(most_people=4))[0] == first
    assert len([scenario for part in parts_of(first) for scenario in part]) == 4
    assert report.dropped == {"people beyond the 4 kept (--most-people), drawn at random": 1}


def test_favourites_are_tags_more_frequent_than_in_all_histories() -> None:
    shares = {"drama": 0.6, "war": 0.1, "comedy": 0.3}
    assert favourites(Counter(drama=5, war=4, comedy=1), shares) == ["war"]
    assert favourites(Counter(drama=6, war=1, comedy=3), shares) == []
    assert favourites(Counter(), shares) == []
