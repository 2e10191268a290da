#!/usr/bin/env python3
"""Measure the time and memory of `trm import` as the number of orders grows.

python benchmarks/importing.py        a table, one minute on one core

The orders are random with seed 0; people and items follow a power law. Each row runs in a new process, and has its CPU
time and its largest resident memory. NumPy alone takes 30 MB of it.
"""

import csv
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

import click
from measuring import in_own_process, peak

sys.path.append(str(Path(__file__).resolve().parent.parent))

ORDERS = (10_000, 100_000, 1_000_000)
PEOPLE, ITEMS = 60_000, 15_000
TABLES = ("orders.csv", "items.csv", "people.csv")


def main() -> None:
    """Measure and print the table."""
    click.echo(f"{'orders':>9} {'CSV MB':>7} {'CPU s':>6} {'peak MB':>8}  made")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for orders in ORDERS:
            in_own_process(write, folder, orders)
            size = sum((folder / table).stat().st_size for table in TABLES) / 1e6
            made, seconds, megabytes = in_own_process(read, folder)
            click.echo(f"{orders:>9,} {size:>7.1f} {seconds:>6.1f} {megabytes:>8.0f}  {made}")


# ------------------------------------------------------------------------- run in separate processes


def write(folder: Path, orders: int) -> None:
    """Write three random tables."""
    import numpy as np

    rng = np.random.default_rng(0)
    people = (rng.pareto(1.2, orders) * 2000).astype(int) % PEOPLE
    items = (ITEMS * rng.power(0.3, orders)).astype(int)
    seconds = np.sort(rng.integers(0, 100_000_000, orders))
    ratings = rng.integers(1, 6, orders)
    start = datetime(2020, 1, 1)
    with (folder / TABLES[0]).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["order_id", "customer_id", "product_id", "order_date", "rating", "channel"])
        for number, row in enumerate(zip(people, items, seconds.tolist(), ratings, strict=True)):
            person, item, second, rating = row
            when = start + timedelta(seconds=second)
            writer.writerow([number, f"C{person:06d}", f"SKU-{item:05d}", when, rating, "web"])
    with (folder / TABLES[1]).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["product_id", "name", "category", "tags", "price"])
        for item in range(ITEMS):
            tags = f"tag {item % 100}|tag {item % 37}"
            writer.writerow(
                [f"SKU-{item:05d}", f"Product {item}", f"category {item % 60}", tags, 1 + item / 100]
            )
    with (folder / TABLES[2]).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["customer_id", "age", "sex", "occupation"])
        for person in range(PEOPLE):
            writer.writerow([f"C{person:06d}", 18 + person % 60, "FM"[person % 2], f"job {person % 20}"])


def read(folder: Path) -> tuple[str, float, float]:
    """Convert the tables. Returns the result in words, CPU seconds and megabytes."""
    from trm_np.importing.convert import convert

    started = time.process_time()
    _, report = convert(*(str(folder / table) for table in TABLES))
    return report.made[-1], time.process_time() - started, peak()


if __name__ == "__main__":
    main()
