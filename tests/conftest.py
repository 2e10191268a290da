"""What the machine and the shell would decide otherwise.

One thread for linear algebra: the arrays of the tests are small, and the same bits come out on any machine. Signals
that are ignored here, as by nohup or in the background, are not in the programs that tests start and send them to.
"""

import os
import signal

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(name, "1")

for number in {"SIGINT", "SIGHUP"} & set(dir(signal)):
    if signal.getsignal(getattr(signal, number)) is signal.SIG_IGN:
        signal.signal(getattr(signal, number), lambda *_: None)  # a handler is not inherited
