"""Run the checks of a lesson on a learner's file, and say what happened with the lines of that file."""

import runpy
import traceback
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from trm_np.exercises.exercise import Attempt, Exercise, Stopped, Wrong


def stem(lesson: str) -> str:
    """`lesson_04` for "4", and `lesson_00b` for "0b"."""
    return f"lesson_{lesson.zfill(2 + lesson.endswith('b'))}"


def exercises_of(lesson: str) -> tuple[Exercise, ...]:
    found: tuple[Exercise, ...] = resolve_name(f"trm_np.exercises.{stem(lesson)}:EXERCISES")
    return found


def file_name(lesson: str) -> str:
    return f"{stem(lesson)}.py"


def start_of(lesson: str) -> bytes:
    """The file to fill in."""
    return resources.files("trm_np.exercises").joinpath("start", f"{stem(lesson)}.txt").read_bytes()


def check_file(lesson: str, path: Path) -> Iterator[tuple[str, str]]:
    """The number and name of each exercise, and what is wrong, which is empty if the check passes.

    Running the file is what the learner asks for; it has all rights of the process. Raises Wrong if it cannot be run.
    """
    path = path.resolve()
    try:
        names = runpy.run_path(str(path), run_name="exercises")
    except SyntaxError as error:
        line = f", line {error.lineno}" if error.lineno else ""
        raise Wrong(f"{path.name}{line}: {error.msg}") from error
    except (Exception, SystemExit) as error:
        raise Wrong(f"stopped with {named(error)}{line_in(path, error)}") from error
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(f"{path.name} was interrupted{line_in(path, error)}") from error
    for place, exercise in enumerate(exercises_of(lesson), 1):
        yield f"{lesson}.{place} {exercise.name}", complaint(exercise, names, path)


def complaint(exercise: Exercise, names: dict[str, Any], path: Path) -> str:
    function = names.get(exercise.name)
    if not callable(function):
        return f"{path.name} has no function {exercise.name}"
    attempt = Attempt(exercise.name, function)
    try:
        exercise.check(attempt)
    except Wrong as wrong:
        return str(wrong)
    except Stopped as stopped:
        error = stopped.__cause__
        assert error is not None
        if isinstance(error, NotImplementedError):
            return "is not written yet"
        line = line_in(path, error)  # empty if the function does not take the arguments of the call
        return f"stopped with {named(error)}{line}, in {stopped if line else attempt.call}"
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(f"{exercise.name} was interrupted{line_in(path, error)}") from error
    except (Exception, SystemExit) as error:  # from a value that no check foresees; its own repr may fail
        kind = type(attempt.found).__name__
        fault = f"returned something that cannot be compared: {kind}"
        return f"{attempt.call} {fault} ({named(error)}{line_in(path, error)})"
    return ""


def named(error: BaseException) -> str:
    """The class and the message of the error, on one line. The message of a learner's own class may fail."""
    try:
        message = " ".join(str(error).split())
    except (Exception, SystemExit):
        message = "its message cannot be shown"
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def line_in(path: Path, error: BaseException) -> str:
    """The innermost line of the learner's file that the error passed through."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f" at {path.name}, line {frames[-1].lineno}: {frames[-1].line}" if frames else ""
