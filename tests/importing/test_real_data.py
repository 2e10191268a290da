"""The benchmark on real data, with small wheels that have the columns of the real ones."""

import importlib.util
import json
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any
from zipfile import ZipFile

import pytest
from click.testing import CliRunner

pyarrow = pytest.importorskip("pyarrow", reason="the extra [parquet] is not installed")

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "real_data.py"
PEOPLE, ITEMS = 12, 6


@pytest.fixture(scope="module")
def real_data() -> ModuleType:
    spec = importlib.util.spec_from_file_location("real_data", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def wheel_of(folder: Path, tables: dict[str, list[dict[str, Any]]]) -> Path:
    from pyarrow import BufferOutputStream, Table, parquet

    path = folder / "made-1-py3-none-any.whl"
    with ZipFile(path, "w") as archive:
        for name, rows in tables.items():
            stream = BufferOutputStream()
            parquet.write_table(Table.from_pylist(rows), stream, compression="brotli")
            archive.writestr(name, stream.getvalue().to_pybytes())
    return path


def movielens(of: str) -> dict[str, list[dict[str, Any]]]:
    ratings = [
        {
            "user_id": user,
            "movie_id": film,
            "rating": 5 - (user + film) % 2,
            "timestamp": 880_000_000 + 9 * user + film,
        }
        for user in range(PEOPLE)
        for film in range(ITEMS)
    ]
    films = [
        {
            **{"movie_id": film, "movie_title": f"Film {film}", "release_date": "01-Jan-1995"},
            **{"unknown": 0, "War": 1, "Western": film % 2},
        }
        for film in range(ITEMS)
    ]
    users = [
        {"user_id": user, "age": 20 + user, "gender": "F", "occupation": "baker"} for user in range(PEOPLE)
    ]
    return {
        f"{of}/MovieLens100k_{name}.parquet.brotli": rows
        for name, rows in (("data", ratings), ("items", films), ("users", users))
    }


def groceries(of: str) -> dict[str, list[dict[str, Any]]]:
    transactions = [
        {
            "household_id": user,
            "product_id": item,
            "quantity": 1 + item,
            "transaction_timestamp": datetime(2017, 1, 1 + user, item),
        }
        for user in range(PEOPLE)
        for item in range(ITEMS)
    ]
    products = [
        {
            "product_id": item,
            "department": "GROCERY",
            "product_type": f"TYPE {item}",
            "product_category": f"C {item % 2}",
        }
        for item in range(ITEMS)
    ]
    people = [
        {
            "household_id": user,
            "age": "65+",
            "income": "25-34K",
            "household_comp": "1 Adult Kids",
            "kids_count": "1",
            "home_ownership": None,
        }
        for user in range(PEOPLE)
    ]
    return {
        f"{of}/{name}.parquet": rows
        for name, rows in (("transactions", transactions), ("products", products), ("demographics", people))
    }


def clothing(of: str) -> dict[str, list[dict[str, Any]]]:
    reviews = [
        {
            "Clothing ID": row % ITEMS,
            "Age": 30 + row,
            "Rating": 5,
            "Division Name": f"Division {row}",
            "Department Name": f"Department {row % 2}",
            "__index_level_0__": row,
        }
        for row in range(PEOPLE)
    ]
    return {f"{of}/WomensClothingE-CommerceReviews.parquet.brotli": reviews}


@pytest.mark.parametrize(
    ("source", "tables", "package"),
    [
        ("movielens", movielens, "WIDEDEEP"),
        ("groceries", groceries, "JOURNEY"),
        ("clothing", clothing, "WIDEDEEP"),
    ],
)
def test_each_source_is_converted_and_compared(
    source: str, tables: Any, package: str, real_data: ModuleType, tmp_path: Path
) -> None:
    wheel = wheel_of(tmp_path, tables(getattr(real_data, package)))
    result = CliRunner().invoke(real_data.main, [source, str(wheel), "--out", str(tmp_path / "files")])
    assert result.exit_code == 0, result.output
    assert f"{ITEMS} gifts; 8 scenarios to train on, 2 to validate and 2 to test on" in result.stdout
    assert "\npopularity  " in result.stdout
    assert ("\nease  " in result.stdout) == (source != "clothing")
    held_out = json.loads((tmp_path / "files" / "held_out_scenarios.json").read_text())
    profile = held_out["test"][-1]["profile"]
    assert profile["age"] == {"movielens": 31, "groceries": 65, "clothing": 41}[source]
    assert ("history" in profile) == (source != "clothing")


def test_the_rarest_genre_of_a_film_is_its_category(real_data: ModuleType, tmp_path: Path) -> None:
    contents, _ = real_data.movielens(wheel_of(tmp_path, movielens(real_data.WIDEDEEP)), tmp_path)
    gifts = json.loads(contents["gift_catalog.json"])["gifts"]
    assert [gift["category"] for gift in gifts] == ["War", "Western"] * (ITEMS // 2)
    assert gifts[1]["tags"] == ["Western", "War", "1990s"]
