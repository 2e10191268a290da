"""`trm recommend`: gifts for one profile, or for each line of a stream of profiles."""

import errno
import os
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import click

from trm_np.cli.completion import among, of_vocabulary
from trm_np.cli.errors import DATA_REFUSED, USAGE, OneLine, Refusal, refusals, report
from trm_np.cli.options import (
    FILE,
    as_json,
    catalogue_option,
    names_in,
    number,
    path_option,
    together,
    trust,
    utf_8,
)
from trm_np.cli.running import Workers, options_of_workers
from trm_np.cli.threads import use_threads
from trm_np.recommend.terms import ALLOWABLE, Terms
from trm_np.text import printable

if TYPE_CHECKING:
    from io import BufferedReader

    from trm_np.data.json_lines import Line
    from trm_np.recommend.lines import Replies
    from trm_np.recommend.recommendation import Recommendation, RecommendedGift, SelectedTool
    from trm_np.recommend.recommender import Recommender

WIDTH = 100
MOST_WIDTHS = (36, 14, 30, 6)  # of a gift's name, category, price and reward
SHOWN_CATEGORIES = 3
PROFILE_OPTIONS = "--age, --budget, --hobby, --preference, --relationship, --occasion, --history"


def rules_in(context: click.Context, parameter: click.Parameter, typed: tuple[str, ...]) -> tuple[str, ...]:
    """The rules in lists with commas between them; raises BadParameter."""
    rules = names_in(context, parameter, typed)
    for unknown in set(rules) - set(ALLOWABLE):
        raise click.BadParameter(f"{unknown} is not one of {', '.join(ALLOWABLE)}", param=parameter)
    return rules


def given_fields(**fields: Any) -> dict[str, Any]:
    """The fields of a profile that were given, as values for JSON."""
    values = {field: list(value) if isinstance(value, tuple) else value for field, value in fields.items()}
    return {field: value for field, value in values.items() if value not in (None, [])}


@click.command(
    cls=OneLine,
    help="""Recommend gifts for a profile with a stored MODEL.

    The profile describes who receives the gift. Leave out what you do not know. The model selects two tools, and their
    findings change prices and order.

    A --profile FILE holds one profile as a JSON object, or one on each line. Each line gets a recommendation as one
    line of JSON, in the same order. Lines of a pipe are processed as they arrive. A bad line gets its error instead,
    and the exit code is then 65.

    \b
    Example: trm recommend checkpoints/integrated_enhanced/best.npz --age 34 --hobby cooking --budget 120
    """,
)
@click.argument("model", type=FILE)
@together(
    "profile",
    given_fields,
    click.option("--age", type=number, help="Age in years."),
    click.option("--budget", type=number, help="Highest price, in the currency of the catalogue."),
    click.option(
        "--hobby",
        "hobbies",
        type=utf_8,
        multiple=True,
        metavar="NAME",
        shell_complete=of_vocabulary("hobbies"),
        help="Hobby, in your own words; repeatable.",
    ),
    click.option(
        "--preference",
        "preferences",
        type=utf_8,
        multiple=True,
        metavar="NAME",
        shell_complete=of_vocabulary("preferences"),
        help="Preference, in your own words; repeatable.",
    ),
    click.option(
        "--relationship",
        type=utf_8,
        metavar="NAME",
        shell_complete=of_vocabulary("relationships"),
        help="Relationship to you: mother, friend, ...",
    ),
    click.option(
        "--occasion",
        type=utf_8,
        metavar="NAME",
        shell_complete=of_vocabulary("occasions"),
        help="Occasion: birthday, wedding, ...",
    ),
    click.option(
        "--history",
        multiple=True,
        callback=names_in,
        metavar="ID,...",
        help="Ids of gifts received before; they are not recommended again.",
    ),
)
@path_option(
    "--profile",
    "file",
    help="Profile as a JSON object, or one on each line; - is stdin. It replaces the options above.",
)
@together(
    "terms",
    Terms,
    click.option("-k", type=click.IntRange(1), default=Terms().k, help="Number of gifts."),
    click.option("--days-left", type=click.IntRange(0, 36_500), help="Days until the gift is needed."),
    click.option(
        "--allow",
        multiple=True,
        callback=rules_in,
        metavar="RULE,...",
        shell_complete=among(lambda _: ALLOWABLE, listed=True),
        help=f"Rules to ignore: {', '.join(ALLOWABLE)}.",
    ),
    click.option("--any-age", is_flag=True, help="Allow gifts for another age."),
    click.option(
        "--exclude", multiple=True, callback=names_in, metavar="ID,...", help="Ids of gifts to leave out."
    ),
)
@click.option("--strict", is_flag=True, help="Treat an unknown name as an error, not a warning.")
@options_of_workers(
    "Number of processes for the lines of --profile.  [default: 1]", "Dask cluster for the lines of --profile"
)
@together("loading", dict, catalogue_option, trust)
@as_json
def recommend(
    model: str,
    profile: dict[str, Any],
    file: str | None,
    terms: Terms,
    strict: bool,
    workers: Workers,
    loading: dict[str, Any],
    as_json: bool,
) -> None:
    if file is None and not profile:
        raise click.UsageError(f"the profile is empty: give {PROFILE_OPTIONS}, or --profile")
    if file is not None and profile:
        raise click.UsageError(f"--profile holds the whole profile: give it, or {PROFILE_OPTIONS}, not both")
    if file is None and workers != Workers():
        raise click.UsageError("--processes and --dask: only with --profile, whose lines they share")
    workers.require_one_kind()
    use_threads(all_cores=False)  # one profile has too little work to share out
    with refusals():
        from trm_np.data.problems import DataError
        from trm_np.recommend.recommender import Recommender

        recommender = Recommender.load(model, **loading)
        if file is not None:
            recommend_file(recommender, file, terms, strict, as_json, workers)
            return
        try:
            show(recommend_one(recommender, profile, terms, strict, "options"), as_json)
        except DataError as error:
            raise Refusal(str(error), USAGE) from error


def recommend_file(
    recommender: "Recommender", file: str, terms: Terms, strict: bool, as_json: bool, workers: Workers
) -> None:
    """Recommend for the one profile of a file, or for each line; raises DataError, and Refusal after bad lines."""
    from trm_np.data.json_lines import read_json_or_lines

    source = "stdin" if file == "-" else file
    with opened(file) as stream:
        found: Any = read_json_or_lines(stream, source, live=not os.path.isfile(file))
        if not isinstance(found, Iterator):
            show(recommend_one(recommender, found, terms, strict, source), as_json)
            return
        bad = 0
        for replies in replies_to(recommender, found, (terms, strict, source), workers):
            click.echo(replies.text, nl=False)
            bad += replies.bad
    if bad:
        raise Refusal(
            f"{source}: {bad} of the lines have no recommendation, but an error instead", DATA_REFUSED
        )


def recommend_one(
    recommender: "Recommender", profile: object, terms: Terms, strict: bool, source: str
) -> "Recommendation":
    """The recommendation for one profile as a JSON value; raises DataError."""
    (found,) = recommender.recommend_checked([recommender.check(profile, strict, source)], terms)
    return found


def replies_to(
    recommender: "Recommender", portions: "Iterator[list[Line]]", options: tuple[Any, ...], workers: Workers
) -> "Iterator[Replies]":
    """Replies to portions of lines: each portion here and at once, or many lines at a time in other processes."""
    from trm_np.cli.running import executor_of
    from trm_np.recommend.lines import recommend_lines, spread

    if workers == Workers():
        yield from (recommend_lines(recommender, portion, *options) for portion in portions)
        return
    with executor_of(workers) as executor:
        yield from spread(executor, recommender, portions, *options)


def opened(file: str) -> "BufferedReader":
    """The file or stdin; raises DataError, and OSError if there is no stdin."""
    from trm_np.data.problems import Place

    if file == "-":
        if sys.stdin is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF), "stdin")
        return cast("BufferedReader", sys.stdin.buffer)
    try:
        return open(file, "rb")
    except OSError as error:
        raise Place(file).error(
            f"a file that cannot be read ({error.strerror})", "a readable file, or -"
        ) from error


def show(recommendation: "Recommendation", as_json: bool) -> None:
    for note in recommendation.notes:
        click.echo(printable(f"Note: {note}"), err=True)
    for warning in recommendation.warnings:
        click.echo(printable(f"Warning: {warning}"), err=True)
    report(recommendation.to_dict(), recommendation_text(recommendation), as_json)


def recommendation_text(recommendation: "Recommendation") -> str:
    """The gifts as a table, with the reasons below each; then categories, tools and steps."""
    likely = list(recommendation.categories.items())[:SHOWN_CATEGORIES]
    lines = [
        *(gift_lines(recommendation.gifts, recommendation.currency) if recommendation.gifts else ["no gift"]),
        "",
        f"categories: {', '.join(f'{name} {probability:.2f}' for name, probability in likely)}",
        *tool_lines(recommendation.tools),
        f"steps: {recommendation.steps} of {recommendation.most_steps}",
    ]
    return "\n".join(lines)


def gift_lines(gifts: "Sequence[RecommendedGift]", currency: str) -> Iterator[str]:
    """A heading; then for each gift its row, and its reasons."""
    rows = [("gift", "category", "price", "reward")]
    rows += [
        (gift.name, gift.category, price_text(gift, currency), f"{gift.predicted_reward:.2f}")
        for gift in gifts
    ]
    cells = [[cut(cell, most) for cell, most in zip(row, MOST_WIDTHS, strict=True)] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for rank, row in enumerate(cells):
        *words, reward = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join([f"{rank or '':>3}", *words, reward.strip().rjust(widths[-1])])
        if rank:
            yield from wrapped("; ".join(gifts[rank - 1].reasons), " " * 5)


def tool_lines(tools: "Sequence[SelectedTool]") -> Iterator[str]:
    """Lines on what each tool found, one tool after another."""
    for place, tool in enumerate(tools):
        probability = "" if tool.probability is None else f" {tool.probability:.2f}"
        yield from wrapped(f"{tool.name}{probability}: {tool.found}", " " * 7 if place else "tools: ")


def price_text(gift: "RecommendedGift", currency: str) -> str:
    """The price to pay, and the seller if prices were compared."""
    from trm_np.data.money import in_words

    paid = "unknown" if gift.paid is None else in_words(gift.paid, currency)
    return paid if gift.offer is None else f"{paid} at {gift.offer.seller}"


def cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


def wrapped(text: str, first: str) -> list[str]:
    """The text in lines of WIDTH, the first after `first`, the others as far in."""
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=" " * len(first))
