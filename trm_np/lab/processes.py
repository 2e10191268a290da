"""Trials in processes of this machine, a new one for each."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from multiprocessing.connection import Connection
from typing import Any

STARTER = "forkserver" if os.name == "posix" else "spawn"  # never a copy of a process that has threads


class ProcessLost(RuntimeError):
    """A process ended before it had an answer."""


class Processes(ThreadPoolExecutor):
    """A pool of threads, each of which waits for a process that does the work.

    A process that is lost costs the run that it had and no other; `ProcessPoolExecutor` would be lost as a whole.
    """

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        return super().submit(in_a_process, function, *arguments, **named)


@contextmanager
def local_processes(count: int) -> Iterator[Executor]:
    """An executor that runs so many processes at a time; an error or a signal that ends the block ends them too."""
    executor = Processes(count)
    try:
        yield executor
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        for process in active_children():
            process.kill()
        raise
    finally:
        executor.shutdown()


def in_a_process(function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
    """What the function returns, or raises, in a process of its own; raises ProcessLost."""
    context = get_context(STARTER)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sender, function, arguments, named), daemon=True)
    process.start()
    sender.close()
    try:
        answer, error = receiver.recv()
    except EOFError:
        process.join()
        raise ProcessLost(f"its process was lost (exit code {process.exitcode})") from None
    process.join()
    if error is not None:
        raise error
    return answer


def _answer(
    sender: Connection, function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]
) -> None:
    """Send what the function returns or raises; it is the other end that decides about Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        sender.send((function(*arguments, **named), None))
    except Exception as error:
        sender.send((None, error))
