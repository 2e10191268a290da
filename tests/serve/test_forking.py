"""A server that loads the application first and forks afterwards, as `gunicorn --preload` does."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serve.asking import model_file, other_model_file
from tests.serve.processes import ROOT
from tests.waiting import HANG

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that forks")

# Every lock is held by another thread when the process forks; no child outlives the test.
PRELOADED = """
import os, shutil, signal, sys, warnings
from tests.serve.asking import ask, recommend
from tests.waiting import HANG, wait_until
from trm_np.serve import application

model, other = sys.argv[1:]
recommend(application, {"age": 34})
first = ask(application, "/health").json["sha256"]
application.batches.model.acquire()
application.metrics._lock.acquire()
warnings.simplefilter("ignore")  # Python 3.12 warns of what is tried here
children = []
for _ in range(2):
    child = os.fork()
    if child == 0:
        signal.alarm(HANG)
        assert recommend(application, {"age": 34}).status == 200
        assert 'trm_requests_total{path="/recommend",status="200"} 1' in ask(application, "/metrics").body.decode()
        os.write(1, b"answered\\n")
        wait_until(lambda: ask(application, "/health").json["sha256"] != first)
        assert recommend(application, {"age": 34}).json["gifts"][0]["id"].startswith("other")
        os.write(1, b"watched\\n")
        os._exit(0)
    children.append(child)
shutil.copy(other, model + ".new")
os.replace(model + ".new", model)
sys.exit(any(os.waitpid(child, 0)[1] for child in children))
"""


@pytest.mark.slow
def test_each_forked_process_answers_and_watches_the_model(tmp_path: Path) -> None:
    model = shutil.copy(model_file(), tmp_path / "best.npz")
    done = subprocess.run(
        [sys.executable, "-c", PRELOADED, str(model), str(other_model_file())],
        env={**os.environ, "TRM_MODEL": str(model), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )
    assert (done.returncode, sorted(done.stdout.split())) == (0, ["answered"] * 2 + ["watched"] * 2), (
        done.stderr
    )
