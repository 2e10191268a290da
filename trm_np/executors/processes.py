"""Trials in processes of this machine, a new one for each."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import active_children, get_all_start_methods, get_context
from multiprocessing.connection import Connection
from signal import SIG_IGN, SIGINT, signal
from threading import Lock, Thread
from typing import Any

from trm_np.systems import deaf_children

# Never a copy of this process, which has threads: one of a server that has none, or where nothing forks, a new one.
METHOD = "forkserver" if "forkserver" in get_all_start_methods() else "spawn"


class ProcessLost(RuntimeError):
    """A process ended before it had an answer."""


class Processes(ThreadPoolExecutor):
    """A pool of threads, each of which waits for a process that does the work.

    A process that is lost costs the run that it had and no other; `ProcessPoolExecutor` would be lost as a whole.
    """

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.starting = Lock()
        self.is_ended = False

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        return super().submit(self.in_a_process, function, arguments, named)

    def in_a_process(
        self, function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]
    ) -> Any:
        """Call a function in a process of its own; return or raise what it does; raises ProcessLost."""
        context = get_context(METHOD)
        receiver, sender = context.Pipe()
        process = context.Process(target=_answer, args=(sender, function, arguments, named), daemon=True)
        with self.starting:
            if self.is_ended:
                raise ProcessLost("ended before it began")
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

    def end(self) -> None:
        """End the processes that are running, and start no other."""
        self.shutdown(wait=False, cancel_futures=True)
        with self.starting:  # one that is about to start would be missed
            self.is_ended = True
            for process in active_children():
                process.kill()


@contextmanager
def local_processes(count: int) -> Iterator[Executor]:
    """An executor that runs so many processes at a time; an error or a signal that ends the block ends them too."""
    start_server()
    executor = Processes(count)
    try:
        yield executor
    except BaseException:
        executor.end()
        raise
    finally:
        executor.shutdown()


def start_server() -> None:
    """Start what the processes are forked from, deaf to Ctrl-C as they are: it is this end that decides about it."""
    if METHOD == "forkserver":
        from multiprocessing import forkserver, resource_tracker

        with deaf_children():
            resource_tracker.ensure_running()
            forkserver.ensure_running()


def _answer(
    sender: Connection, function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]
) -> None:
    """Send what the function returns or raises, deaf to Ctrl-C: the other end decides about it."""
    signal(SIGINT, SIG_IGN)
    Thread(target=_end_with, args=(sender,), daemon=True).start()
    try:
        sender.send((function(*arguments, **named), None))
    except Exception as error:
        sender.send((None, error))


def _end_with(other: Connection) -> None:
    """End this process once the one at the other end of the pipe has ended, whatever ended it."""
    with suppress(EOFError, OSError):
        other.recv()  # nothing ever comes
    os._exit(1)
