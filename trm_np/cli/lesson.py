"""`trm lesson`: coding exercises, one file for each lesson, that are checked and explained."""

import shlex
from pathlib import Path

import click

from trm_np.cli.errors import IO_FAILED, OneLineGroup, Refusal, refusals, say
from trm_np.cli.options import FILE
from trm_np.cli.output import write_new
from trm_np.cli.threads import use_threads
from trm_np.config import one_of
from trm_np.exercises import LESSONS

NOT_SOLVED = 1


def known_lesson(_: click.Context, parameter: click.Parameter, value: str) -> str:
    """A lesson by its number, or by the name of its file, as lesson_04.py."""
    number = value.removeprefix("lesson_").removesuffix(".py")
    if number.removeprefix("0") in LESSONS:
        number = number.removeprefix("0")
    with refusals():
        return one_of(number, LESSONS, "lesson")


lesson_argument = click.argument("lesson", callback=known_lesson)


@click.group(
    cls=OneLineGroup,
    help="""Solve the coding exercises of the lessons.

    Each lesson has two exercises. `start` writes a file with functions to fill in, `hint` helps, and `check` says what
    is wrong.

    \b
    Example: trm lesson start 4
    """,
)
def lesson() -> None:
    pass


@lesson.command(
    help="""Write the file to fill in for LESSON, such as 4.

    The file is lesson_04.py for lesson 4. It is written into the current folder or into FOLDER. An existing file is
    never replaced.

    \b
    Example: trm lesson start 4
    """
)
@lesson_argument
@click.option(
    "--out",
    "folder",
    type=FILE,
    default=".",
    show_default=True,
    metavar="FOLDER",
    help="Output folder of the file.",
)
def start(lesson: str, folder: str) -> None:
    with refusals():
        from trm_np.exercises.running import file_name, start_of

        write_new(folder, {file_name(lesson): start_of(lesson)})
        path = Path(folder, file_name(lesson))
        where = "" if folder == "." else f" {shlex.quote(path.as_posix())}"
        say(f"{path}: fill in the functions, then run: trm lesson check {lesson}{where}")


@lesson.command(
    help="""Check the exercises of LESSON that are written in FILE.

    Without FILE, the check reads lesson_04.py for lesson 4, in the current folder. It runs the file and calls its
    functions. Ctrl-C ends a function that does not come to an end. The exit code is 1 until every check passes.

    \b
    Example: trm lesson check 4 lesson_04.py
    """
)
@lesson_argument
@click.argument("file", required=False, type=FILE, metavar="[FILE]")
def check(lesson: str, file: str | None) -> None:
    use_threads(all_cores=False)
    with refusals():
        from trm_np.exercises.exercise import Wrong
        from trm_np.exercises.running import check_file, file_name

        path = Path(file or file_name(lesson))
        if path.exists() and not path.is_file():
            found = "a folder" if path.is_dir() else "a device, pipe or socket"
            raise Refusal(f"{path}: {found}, not a file", IO_FAILED)
        if not path.exists():
            advice = "" if file else f" in this folder; `trm lesson start {lesson}` writes one"
            raise Refusal(f"{path}: no such file{advice}", IO_FAILED)
        unsolved = []
        try:
            for name, fault in check_file(lesson, path):
                if fault:
                    unsolved.append(name.split()[0])
                say(f"{name}: {fault or 'right'}")
        except Wrong as wrong:
            raise Refusal(str(wrong), NOT_SOLVED) from wrong
        except KeyboardInterrupt as interrupt:
            if line := str(interrupt):
                say(line, err=True)
            raise
        if unsolved:
            raise Refusal(
                f"not solved: {' and '.join(unsolved)}; `trm lesson hint {unsolved[0]}` has hints", NOT_SOLVED
            )


@lesson.command(
    help="""Print a hint for EXERCISE, such as 4.1.

    The first is a nudge, and the last is nearly the whole answer; -n 2 prints the second.

    \b
    Example: trm lesson hint 4.1
    """
)
@click.argument("exercise")
@click.option(
    "-n", "number", type=click.IntRange(min=1), default=1, show_default=True, help="Number of the hint."
)
def hint(exercise: str, number: int) -> None:
    use_threads(all_cores=False)
    with refusals():
        from trm_np.exercises.running import exercises_of

        known = [f"{lesson}.{place}" for lesson in LESSONS for place in (1, 2)]
        chosen, place = one_of(exercise, known, "exercise").split(".")
        hints = exercises_of(chosen)[int(place) - 1].hints
        if number > len(hints):
            raise click.UsageError(f"exercise {exercise} has {len(hints)} hints")
        say(hints[number - 1])
        if number < len(hints):
            say(f"the next hint: trm lesson hint {exercise} -n {number + 1}")
