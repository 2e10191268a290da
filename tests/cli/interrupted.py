"""Run a program, and at every so-manieth call of a function send Ctrl-C to a copy of it.

    python interrupted.py EVERY PROGRAM [ARGUMENT]...

No clock decides when: the calls are those of Python's functions, from the moment when the program has arranged for
Ctrl-C to the end of the interpreter. The program itself goes on as if nothing had been. Last on stderr is a line for
each copy: the exit code that it should have, the one it had, and where it was.
"""

import atexit
import os
import runpy
import signal
import sys
from types import FrameType
from typing import Any

every, program, found, calls, pid = int(sys.argv[1]), sys.argv[2], [], 0, os.getpid()
sys.argv = sys.argv[2:]


def call(frame: FrameType, event: str, _: Any) -> None:
    """Trace function: Python calls it before and after each call of a function."""
    global calls
    handler = signal.getsignal(signal.SIGINT)
    if event != "call" or (handler is signal.default_int_handler and not calls):
        return
    calls += 1
    if calls % every:
        return
    sys.setprofile(None)
    copy = os.fork()
    if copy == 0:
        signal.raise_signal(signal.SIGINT)
        return
    expected = 0 if handler is signal.SIG_IGN else 130  # all is done by then
    code = os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1])
    found.append(f"{expected} {code} {frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}\n")
    sys.setprofile(call)


@atexit.register  # before all that the program registers, and so called after it
def report() -> None:
    sys.setprofile(None)
    if os.getpid() == pid:
        os.write(2, "".join(found).encode())


sys.setprofile(call)
runpy.run_path(program, run_name="__main__")
