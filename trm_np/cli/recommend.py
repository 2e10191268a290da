"""`trm recommend`: gifts for one person, or for each line of a stream of them."""

import errno
import json
import os
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import click

from trm_np.cli.errors import DATA_REFUSED, USAGE, OneLine, Refusal, refusals
from trm_np.cli.options import as_json, named, names_in, trust, utf_8
from trm_np.cli.threads import use_threads
from trm_np.recommend.terms import ALLOWABLE, Terms

if TYPE_CHECKING:
    from io import BufferedReader

    from trm_np.data.json_lines import Line
    from trm_np.recommend.lines import Answered
    from trm_np.recommend.recommendation import Recommendation, RecommendedGift, SelectedTool
    from trm_np.recommend.recommender import Recommender

WIDTH = 100
MOST_WIDTHS = (36, 14, 30, 6)  # of a gift's name, category, price and reward
SHOWN_CATEGORIES = 3
PERSON_OPTIONS = "--age, --budget, --hobby, --preference, --relationship, --occasion, --history"


def rules_in(context: click.Context, parameter: click.Parameter, typed: tuple[str, ...]) -> tuple[str, ...]:
    """The rules in lists with commas between them; raises BadParameter."""
    rules = names_in(context, parameter, typed)
    for unknown in set(rules) - set(ALLOWABLE):
        raise click.BadParameter(f"{unknown} is not one of {', '.join(ALLOWABLE)}", param=parameter)
    return rules


@click.command(
    cls=OneLine,
    help="""Recommend gifts for a person with a stored MODEL.

    The model selects two tools, whose findings count too. Leave out whatever is not known of the person. A --profile
    may have a JSON object on each line; on stdin one line is enough. Its lines are answered in JSON, line by line:
    those at hand first, before more are read. A bad line is answered by its error, and the exit code at the end is 65.

    \b
    Example: trm recommend checkpoints/integrated_enhanced/best.npz --age 34 --hobby cooking --budget 120
    """,
)
@click.argument("model", callback=named)
@click.option("--age", type=float, help="Age in years of the person who receives the gift.")
@click.option("--budget", type=float, help="Highest price, in the currency of the catalogue.")
@click.option(
    "--hobby",
    "hobbies",
    type=utf_8,
    multiple=True,
    metavar="NAME",
    help="Hobby of the person, in your own words; repeatable.",
)
@click.option(
    "--preference",
    "preferences",
    type=utf_8,
    multiple=True,
    metavar="NAME",
    help="Preference of the person; repeatable.",
)
@click.option(
    "--relationship", type=utf_8, metavar="NAME", help="Relationship to the person: mother, friend, ..."
)
@click.option("--occasion", type=utf_8, metavar="NAME", help="Occasion of the gift: birthday, wedding, ...")
@click.option(
    "--history",
    multiple=True,
    callback=names_in,
    metavar="ID,...",
    help="Ids of gifts that the person has already; they are not recommended.",
)
@click.option(
    "--profile",
    callback=named,
    metavar="FILE",
    help="JSON profile in place of these options, or one on each line; - is stdin.",
)
@click.option("--top", "k", type=click.IntRange(1), default=3, show_default=True, help="Number of gifts.")
@click.option("--days", type=click.IntRange(0, 36_500), help="Days until the gift is needed.")
@click.option(
    "--allow",
    multiple=True,
    callback=rules_in,
    metavar="RULE,...",
    help=f"Rules to ignore: {', '.join(ALLOWABLE)}.",
)
@click.option("--any-age", is_flag=True, help="Allow gifts for another age.")
@click.option(
    "--exclude", multiple=True, callback=names_in, metavar="ID,...", help="Ids of gifts to leave out."
)
@click.option(
    "--catalog", callback=named, metavar="FILE", help="Catalogue of gifts in place of the stored one."
)
@click.option("--strict", is_flag=True, help="Treat an unknown name as an error, not a warning.")
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    help="Number of processes that answer the lines of --profile, thousands at a time.",
)
@click.option(
    "--dask",
    metavar="ADDRESS",
    help="Dask cluster that answers the lines of --profile, such as tcp://127.0.0.1:8786.",
)
@trust
@as_json
def recommend(
    model: str,
    age: float | None,
    budget: float | None,
    hobbies: tuple[str, ...],
    preferences: tuple[str, ...],
    relationship: str | None,
    occasion: str | None,
    history: tuple[str, ...],
    profile: str | None,
    k: int,
    days: int | None,
    allow: tuple[str, ...],
    any_age: bool,
    exclude: tuple[str, ...],
    catalog: str | None,
    strict: bool,
    processes: int | None,
    dask: str | None,
    trust: bool,
    as_json: bool,
) -> None:
    said = {
        "age": age,
        "budget": budget,
        "hobbies": list(hobbies),
        "preferences": list(preferences),
        "history": list(history),
        "relationship": relationship,
        "occasion": occasion,
    }
    person: dict[str, Any] = {field: value for field, value in said.items() if value not in (None, [])}
    if profile is None and not person:
        raise click.UsageError(f"nothing is said of the person: give {PERSON_OPTIONS}, or --profile")
    if profile is not None and person:
        raise click.UsageError(f"--profile says all of the person: give it, or {PERSON_OPTIONS}, not both")
    if profile is None and (processes or dask):
        raise click.UsageError(
            "--processes and --dask: one answer is not spread; give --profile with a line for each"
        )
    if processes and dask:
        raise click.UsageError("--processes: a Dask cluster has workers of its own")
    use_threads(all_cores=False)  # one answer has too little work to share out
    with refusals():
        from trm_np.data.problems import DataError
        from trm_np.recommend.recommender import Recommender

        recommender = Recommender.load(model, catalog, trust)
        terms = Terms(k, days, None, allow, any_age, exclude)
        if profile is not None:
            answer_file(recommender, profile, terms, strict, as_json, processes, dask)
            return
        try:
            show(answer(recommender, person, terms, strict, "options"), as_json)
        except DataError as error:
            raise Refusal(str(error), USAGE) from error


def answer_file(
    recommender: "Recommender",
    profile: str,
    terms: Terms,
    strict: bool,
    as_json: bool,
    processes: int | None,
    dask: str | None,
) -> None:
    """Answer the one profile of a file, or each of its lines; raises DataError, and Refusal after bad lines."""
    from trm_np.data.json_lines import read_json_or_lines

    source = "stdin" if profile == "-" else profile
    with opened(profile) as stream:
        found: Any = read_json_or_lines(stream, source, live=not os.path.isfile(profile))
        if not isinstance(found, Iterator):
            show(answer(recommender, found, terms, strict, source), as_json)
            return
        bad = 0
        for answered in answers_to(recommender, found, (terms, strict, source), processes, dask):
            click.echo(answered.text, nl=False)
            bad += answered.bad
    if bad:
        raise Refusal(f"{source}: {bad} of the lines had no answer; each has its error", DATA_REFUSED)


def answer(
    recommender: "Recommender", person: object, terms: Terms, strict: bool, source: str
) -> "Recommendation":
    """The answer to one profile; raises DataError."""
    (found,) = recommender.answer([recommender.check(person, strict, source)], terms)
    return found


def answers_to(
    recommender: "Recommender",
    portions: "Iterator[list[Line]]",
    question: tuple[Any, ...],
    processes: int | None,
    dask: str | None,
) -> "Iterator[Answered]":
    """Answers to portions of lines: each portion at once, or many lines at a time in other processes."""
    from trm_np.cli.running import workers
    from trm_np.recommend.lines import answer_lines, spread

    if not processes and dask is None:
        yield from (answer_lines(recommender, portion, *question) for portion in portions)
        return
    with workers(dask, processes or 1) as executor:
        yield from spread(executor, recommender, portions, *question)


def opened(profile: str) -> "BufferedReader":
    """The file or stdin; raises DataError, and OSError if there is no stdin."""
    from trm_np.data.problems import DataError, Place

    if profile == "-":
        if sys.stdin is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF), "stdin")
        return cast("BufferedReader", sys.stdin.buffer)
    try:
        return open(profile, "rb")
    except OSError as error:
        found = f"a file that cannot be read ({error.strerror})"
        raise DataError([Place(profile).problem(found, "a readable file, or -")]) from error


def show(recommendation: "Recommendation", as_json: bool) -> None:
    from trm_np.text import printable

    for note in recommendation.notes:
        click.echo(printable(f"Note: {note}"), err=True)
    for warning in recommendation.warnings:
        click.echo(printable(f"Warning: {warning}"), err=True)
    click.echo(
        json.dumps(recommendation.to_dict(), indent=2) if as_json else recommendation_text(recommendation)
    )


def recommendation_text(found: "Recommendation") -> str:
    """The gifts as a table, the reasons under each; then categories, tools and steps."""
    from trm_np.text import printable_lines

    likely = list(found.categories.items())[:SHOWN_CATEGORIES]
    lines = [
        *(gift_lines(found.gifts, found.currency) if found.gifts else ["no gift"]),
        "",
        f"categories: {', '.join(f'{name} {probability:.2f}' for name, probability in likely)}",
        *tool_lines(found.tools),
        f"thought {found.steps} of {found.most_steps} steps",
    ]
    return printable_lines("\n".join(lines))


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
    for number, tool in enumerate(tools):
        probability = "" if tool.probability is None else f" {tool.probability:.2f}"
        yield from wrapped(f"{tool.name}{probability}: {tool.found}", " " * 7 if number else "tools: ")


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
