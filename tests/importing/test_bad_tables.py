"""A bad table is refused in one line with the place, what was found and what is allowed."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from tests.importing.bad_tables import CASES, Case
from tests.importing.sample_tables import ITEMS, ORDERS, PEOPLE, write_tables
from trm_np.cli import trm
from trm_np.data.load import load_dataset
from trm_np.data.problems import DataError
from trm_np.importing.convert import convert
from trm_np.importing.reading import Reading
from trm_np.text import printable

MESSAGES = Path(__file__).with_name("bad_tables.txt").read_text(encoding="utf-8")
EXPECTED = dict(line.split(": ", 1) for line in MESSAGES.splitlines())
COMMAND = [
    "import",
    "--orders",
    "orders.csv",
    "--items",
    "items.csv",
    "--people",
    "people.csv",
    "--out",
    "out",
]


def test_every_bad_table_has_its_message() -> None:
    assert list(EXPECTED) == list(CASES)
    assert len(CASES) >= 80


@pytest.mark.parametrize("name", CASES)
def test_a_bad_table_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "orders_broken_parquet":
        pytest.importorskip("pyarrow", reason="the extra [parquet] is not installed")
    monkeypatch.chdir(tmp_path)
    tables, options = CASES[name]
    write_tables(tmp_path, **tables)
    result = CliRunner().invoke(trm, [*COMMAND, *options])
    assert result.stderr == f"Error: {EXPECTED[name]}\n"
    assert result.exit_code == (2 if EXPECTED[name].startswith(("--map", "no --map")) else 65)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["orders.csv", "items.csv", "people.csv"])
def test_a_missing_file_or_a_folder_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_tables(tmp_path)
    (tmp_path / name).unlink()
    missing = CliRunner().invoke(trm, COMMAND)
    (tmp_path / name).mkdir()
    folder = CliRunner().invoke(trm, COMMAND)
    assert missing.stderr == f"Error: {name}: found no such file; allowed: a file that exists\n"
    assert folder.stderr == f"Error: {name}: found a folder; allowed: a file\n"


def changed_somewhere(table: str) -> st.SearchStrategy[bytes]:
    """A table with some bytes replaced, or any bytes."""
    data = table.encode()

    def replaced(start: int, length: int, new: bytes) -> bytes:
        return data[:start] + new + data[start + length :]

    places = st.integers(0, len(data))
    changed = st.builds(replaced, places, st.integers(0, 12), st.binary(max_size=8) | written)
    return changed | st.binary(max_size=200) | st.just(data)


written = st.sampled_from(
    [",", ";", "\t", "|", '"', "\n", "\r", "\0", "-", "1e400", "31/1/24", "é", "\ufeff"]
).map(str.encode) | st.text(max_size=6).map(lambda text: text.encode("utf-8", "surrogatepass"))


@given(changed_somewhere(ORDERS), changed_somewhere(ITEMS), changed_somewhere(PEOPLE), st.booleans())
def test_any_bytes_are_accepted_or_refused_with_one_problem(
    tmp_path_factory: pytest.TempPathFactory, orders: bytes, items: bytes, people: bytes, drop_bad: bool
) -> None:
    folder = tmp_path_factory.mktemp("any")
    write_tables(folder, orders, items, people)
    try:
        contents, _ = convert(
            *(str(folder / name) for name in ("orders.csv", "items.csv", "people.csv")),
            reading=Reading(drop_bad=drop_bad),
        )
    except DataError as error:
        assert len(error.problems) == 1
        assert printable(str(error)) == str(error)
        return
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    load_dataset(*(folder / name for name in contents))


def test_a_bad_table_has_no_other_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_tables(tmp_path)
    assert CliRunner().invoke(trm, COMMAND).exit_code == 0


def test_all_cases_differ() -> None:
    seen: list[Case] = []
    for case in CASES.values():
        assert case not in seen
        seen.append(case)
