"""`trm import`: tables of orders, items and people as one's own data."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from trm_np.cli.errors import OneLine, refusals, say
from trm_np.cli.options import as_json, named
from trm_np.cli.output import refuse_old, write_new

DAY = 86_400  # seconds: clocks differ by less


@click.command(
    "import",
    cls=OneLine,
    help="""Convert tables of orders to files to train on.

    The files hold scenarios, held-out scenarios and a catalogue.

    A table is CSV (commas, semicolons, tabs or bars; UTF-8, UTF-16 or cp1252), JSON Lines, or Parquet with the extra
    [parquet]. Each person's earlier orders become their history, the later ones their choices. People whose last
    orders are the latest are kept for the test, those before them for validation. The report says what was used,
    assumed and dropped. Existing files are never replaced.

    Columns are found by their usual names, such as user_id, product_id, order_date, rating, price or age. --map names
    others: order.person, order.item, order.time, order.rating, order.quantity; item.id, item.name, item.category,
    item.tags, item.price, item.rating, item.stock, item.occasions; profile.person, profile.age, profile.hobbies,
    profile.preferences, profile.relationship, profile.occasion, profile.budget. item.tags, item.occasions,
    profile.hobbies and profile.preferences take several columns; --map FIELD= leaves a field out. The profile fields
    may stand in the orders too.

    \b
    Example: trm import --orders orders.csv --items items.csv --people people.csv --map item.tags=theme --out shop
    """,
)
@click.option("--orders", callback=named, required=True, metavar="FILE", help="Table of orders or ratings.")
@click.option("--items", callback=named, required=True, metavar="FILE", help="Table of the items.")
@click.option("--people", callback=named, metavar="FILE", help="Table of the people who ordered.")
@click.option("--out", callback=named, required=True, metavar="FOLDER", help="Output folder.")
@click.option(
    "--map", "mapping", multiple=True, metavar="FIELD=COLUMN", help="Column of a field; repeatable."
)
@click.option(
    "--history-share",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.6,
    show_default=True,
    help="Share of a person's orders, the earliest, that become the history.",
)
@click.option(
    "--liked", type=float, help="Lowest rating that counts as a choice.  [default: 4, if at most 5 are given]"
)
@click.option(
    "--disliked",
    type=float,
    help="Rating below which an order counts as a rejection.  [default: 5/8 of --liked]",
)
@click.option(
    "--min-orders",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Least number of orders; people with fewer are dropped.",
)
@click.option(
    "--most-people",
    type=click.IntRange(min=4),
    default=50_000,
    show_default=True,
    help="Largest number of people; of more, these are drawn at random.",
)
@click.option(
    "--most-items",
    type=click.IntRange(min=3),
    default=20_000,
    show_default=True,
    help="Largest number of items; of more, those ordered most often are kept.",
)
@click.option(
    "--most-names",
    type=click.IntRange(min=2),
    default=200,
    show_default=True,
    help="Largest number of names in a list of the vocabulary; the most frequent are kept.",
)
@click.option(
    "--dates", type=click.Choice(["dmy", "mdy"]), help="Order of day and month in dates, if no date shows it."
)
@click.option("--decimal", type=click.Choice([",", "."]), help="Decimal sign, if no number shows it.")
@click.option(
    "--list-separator", metavar="SIGN", help="Separator of names in a cell.  [default: | or ; or ,]"
)
@click.option(
    "--currency", metavar="SIGN", help="Currency of the prices, such as EUR; it is shown before them."
)
@click.option(
    "--drop-bad",
    is_flag=True,
    help="Treat a bad cell as unknown, or drop the row that needs it, instead of ending.",
)
@as_json
def import_(
    orders: str,
    items: str,
    people: str | None,
    out: str,
    mapping: tuple[str, ...],
    history_share: float,
    liked: float | None,
    disliked: float | None,
    min_orders: int,
    most_people: int,
    most_items: int,
    most_names: int,
    dates: str | None,
    decimal: str | None,
    list_separator: str | None,
    currency: str | None,
    drop_bad: bool,
    as_json: bool,
) -> None:
    with refusals():
        import time

        from trm_np.importing.columns import parse_map
        from trm_np.importing.convert import convert
        from trm_np.importing.documents import FILES
        from trm_np.importing.reading import Reading
        from trm_np.importing.splitting import Rules
        from trm_np.text import printable

        refuse_old(out, FILES)
        reading = Reading(decimal, list_separator or None, dates, time.time() + DAY, drop_bad)
        rules = Rules(history_share, liked, disliked, min_orders, most_people)
        with progress() as arrived:
            files, report = convert(
                orders,
                items,
                people,
                parse_map(mapping),
                reading,
                rules,
                most_items,
                most_names,
                currency,
                arrived,
            )
        write_new(out, files)
        sizes = {name: len(content) for name, content in files.items()}
        if as_json:
            click.echo(json.dumps({"folder": out, "bytes": sizes, **report.document()}, indent=2))
        else:
            say(report.text())
            for name, size in sizes.items():
                click.echo(printable(f"  {out}/{name}: {size:,} bytes"))


@contextmanager
def progress() -> Iterator[Callable[[int], None]]:
    """Yield a function that counts the rows read: it shows them on a terminal and does nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda rows: None
        return
    count = 0

    def arrived(rows: int) -> None:
        nonlocal count
        count += rows
        click.echo(f"\r{count:,} rows read", nl=False, err=True)

    try:
        yield arrived
    finally:
        click.echo("\r\033[K" if count else "", nl=False, err=True)
