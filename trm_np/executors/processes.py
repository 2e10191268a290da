"""Run trials in local processes, a new one for each."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import active_children, get_all_start_methods, get_context
from multiprocessing.connection import Connection
from signal import SIG_IGN, SIGINT, signal
from threading import Lock, Thread
from typing import Any

from trm_np.systems import without_interrupts

# Forking this process is unsafe, because it has threads. A server without threads forks, or each process starts anew.
METHOD = "forkserver" if "forkserver" in get_all_start_methods() else "spawn"


class ProcessLost(RuntimeError):
    """Raised if a process ends without a result."""


class Processes(ThreadPoolExecutor):
    """A pool of threads, each of which waits for a process that does the work.

    A lost process costs only its own run. With `ProcessPoolExecutor` all runs would be lost.
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
        """Call a function in a new process, and return or raise what it does. Raises ProcessLost."""
        result, error = self.outcome(function, arguments, named)
        if error is not None:
            raise error  # here: a traceback through `outcome` would keep the process and its pipe open
        return result

    def outcome(
        self, function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[Any, Exception | None]:
        """Result and error of a function, one of them None, called in a new process."""
        context: Any = get_context(METHOD)
        receiver, sender = context.Pipe()
        with receiver:
            with sender:  # the process has one of its own
                process = context.Process(
                    target=_send_result, args=(sender, function, arguments, named), daemon=True
                )
                with self.starting:
                    if self.is_ended:
                        return None, ProcessLost("ended before it began")
                    process.start()
            try:
                result, error = receiver.recv()
            except (EOFError, OSError):
                process.join()
                return None, ProcessLost(f"its process was lost (exit code {process.exitcode})")
        process.join()
        return result, error

    def end(self) -> None:
        """Kill the running processes and start no others."""
        self.shutdown(wait=False, cancel_futures=True)
        with self.starting:  # without the lock, a process that is about to start would be missed
            self.is_ended = True
            for process in active_children():
                process.kill()


@contextmanager
def local_processes(count: int) -> Iterator[Executor]:
    """Open an executor that runs `count` processes at a time. An error in the block ends them."""
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
    """Start the server that forks the processes. They ignore Ctrl-C, since this process decides when they end."""
    if METHOD == "forkserver":
        from multiprocessing import forkserver, resource_tracker

        for start in (resource_tracker.ensure_running, forkserver.ensure_running):
            with without_interrupts():  # once for each: the first of them lets signals through again
                start()


def _send_result(
    sender: Connection, function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]
) -> None:
    """Send what the function returns or raises. Ignores Ctrl-C."""
    signal(SIGINT, SIG_IGN)
    Thread(target=_exit_with, args=(sender,), daemon=True).start()
    try:
        sender.send((function(*arguments, **named), None))
    except Exception as error:
        sender.send((None, error))


def _exit_with(parent: Connection) -> None:
    """Exit once the process at the other end of the pipe has ended."""
    with suppress(EOFError, OSError):
        parent.recv()  # blocks until then, since nothing is ever sent
    os._exit(1)
