"""Trials in processes of this machine, a new one for each."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import active_children, forkserver, get_context, resource_tracker
from multiprocessing.connection import Connection
from threading import Lock, Thread
from typing import Any


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
        context = get_context("forkserver")  # never a copy of this process, which has threads
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
    for start in (resource_tracker.ensure_running, forkserver.ensure_running):
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _answer(
    sender: Connection, function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]
) -> None:
    """Send what the function returns or raises."""
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
