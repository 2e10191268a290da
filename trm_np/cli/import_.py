"""`trm import`: tables of orders, items and people as one's own data."""

import time
from typing import Any, NamedTuple

import click

from trm_np.cli.errors import OneLine, refusals, report
from trm_np.cli.options import as_json, number, path_option, together
from trm_np.cli.output import refuse_old, write_new
from trm_np.cli.progress import progress

DAY = 86_400  # seconds: clocks differ by less


class TableFiles(NamedTuple):
    """The tables to convert; that of the people may be absent."""

    orders: str
    items: str
    people: str | None


@click.command(
    "import",
    cls=OneLine,
    help="""Convert tables of orders to files to train on.

    The files are training scenarios, held-out scenarios and a catalogue.

    A table is CSV (commas, semicolons, tabs or bars; UTF-8, UTF-16 or cp1252), JSON Lines, or Parquet with the extra
    [parquet]. The earlier orders of each person become the history, the later ones the choices. The people whose last
    orders are the most recent make the test scenarios, and those before them the validation scenarios. The report
    lists what was used, assumed and dropped. Existing files are never replaced.

    Columns are found by their usual names, such as user_id, product_id, order_date, rating, price or age. --map names
    others: order.person, order.item, order.time, order.rating, order.quantity; item.id, item.name, item.category,
    item.tags, item.price, item.rating, item.stock, item.occasions; profile.person, profile.age, profile.hobbies,
    profile.preferences, profile.relationship, profile.occasion, profile.budget. The fields item.tags, item.occasions,
    profile.hobbies and profile.preferences take several columns. --map FIELD= leaves a field out. The table of orders
    may have the profile fields too.

    \b
    Example: trm import --orders orders.csv --items items.csv --people people.csv --map item.tags=theme --out shop
    """,
)
@together(
    "tables",
    TableFiles,
    path_option("--orders", required=True, help="Table of orders or ratings."),
    path_option("--items", required=True, help="Table of the items."),
    path_option("--people", help="Table of the people who ordered."),
)
@path_option("--out", required=True, metavar="FOLDER", help="Output folder.")
@click.option(
    "--map", "mapping", multiple=True, metavar="FIELD=COLUMN", help="Field and its column; repeatable."
)
@together(
    "rules",
    dict,
    click.option(
        "--history-share",
        type=click.FloatRange(0, 1, max_open=True),
        default=0.6,
        help="Share of a person's orders, the earliest, that become the history.",
    ),
    click.option(
        "--liked",
        type=number,
        help="Lowest rating that counts as a choice.  [default: 4, if no rating is above 5]",
    ),
    click.option(
        "--disliked",
        type=number,
        help="Rating below which an order counts as a rejection.  [default: 5/8 of --liked]",
    ),
    click.option(
        "--min-orders",
        type=click.IntRange(min=1),
        default=1,
        help="Smallest number of orders of a person; people with fewer are dropped.",
    ),
    click.option(
        "--most-people",
        type=click.IntRange(min=4),
        default=50_000,
        help="Largest number of people. If there are more, a random sample is taken.",
    ),
)
@together(
    "sizes",
    dict,
    click.option(
        "--most-items",
        type=click.IntRange(min=3),
        default=20_000,
        help="Largest number of items. If there are more, those ordered most often are kept.",
    ),
    click.option(
        "--most-names",
        type=click.IntRange(min=2),
        default=200,
        help="Largest number of names in a list of the vocabulary; the most frequent are kept.",
    ),
    click.option(
        "--currency", metavar="SIGN", help="Currency of the prices, such as EUR; it is shown before them."
    ),
)
@together(
    "cells",
    dict,
    click.option(
        "--dates",
        type=click.Choice(["dmy", "mdy"]),
        help="Order of day and month in dates, if no date shows it.",
    ),
    click.option("--decimal", type=click.Choice([",", "."]), help="Decimal sign, if no number shows it."),
    click.option(
        "--list-separator",
        "separator",
        metavar="SIGN",
        help="Separator of names in a cell.  [default: | or ; or ,]",
    ),
    click.option(
        "--drop-bad",
        is_flag=True,
        help="Treat a bad cell as unknown, or drop the row that needs it, instead of ending.",
    ),
)
@as_json
def import_(
    tables: TableFiles,
    out: str,
    mapping: tuple[str, ...],
    rules: dict[str, Any],
    sizes: dict[str, Any],
    cells: dict[str, Any],
    as_json: bool,
) -> None:
    with refusals():
        from trm_np.importing.columns import parse_map
        from trm_np.importing.convert import convert
        from trm_np.importing.documents import FILES
        from trm_np.importing.reading import Reading
        from trm_np.importing.splitting import Rules
        from trm_np.importing.tables import lines_in

        refuse_old(out, FILES)
        reading = Reading(**cells, latest=time.time() + DAY)
        counts = [count for file in tables if file is not None and (count := lines_in(file))]
        known = len(counts) == sum(file is not None for file in tables)
        with progress("rows read", sum(counts) if known else None) as advance:
            files, made = convert(
                *tables,
                parse_map(mapping),
                reading,
                Rules(**rules),
                **sizes,
                arrived=lambda rows: advance(steps=rows),
            )
        write_new(out, files)
        written = {name: len(content) for name, content in files.items()}
        sizes_text = (f"  {out}/{name}: {size:,} bytes" for name, size in written.items())
        found = {"folder": out, "bytes": written, **made.document()}
        report(found, "\n".join([made.text(), *sizes_text]), as_json)
