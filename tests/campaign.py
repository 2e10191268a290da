#!/usr/bin/env python3
"""Long campaigns against what docs/reliability.md promises: each ends with a line of result, exit code 1 if it failed.

python tests/campaign.py flips
python tests/campaign.py edits --count 100000
python tests/campaign.py hostile
python tests/campaign.py content --count 2000
python tests/campaign.py served --count 2000
python tests/campaign.py kills --count 300
python tests/campaign.py signals --count 60
python tests/campaign.py faults
python tests/campaign.py faults --poor
"""

import os
import resource
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.append(str(Path(__file__).resolve().parents[1]))

import click
import numpy as np

from tests.background import hear_signals
from tests.hostile import content, damage, forging, kinds, watching
from tests.hostile.offering import Offering
from tests.reliability.faults import FAULTS, Evaluated, trials
from tests.reliability.kills import Training, kill_until_done, stop_until_done
from tests.serve.abuses import resident_bytes
from trm_np.config import resolve
from trm_np.data.load import load_dataset
from trm_np.model.cost import MEMORY_OF_A_BYTE, MOST_MEMORY
from trm_np.training.run import Run

MEGABYTE = 2**20
MOST_OF_SERVER = 300_000_000  # bytes; docs/deploy.md allows a server 300 MiB
LONGEST_USE, LONGEST_LIFE, LONGEST_RESPONSE = 1.0, 2.0, 0.5  # seconds
# Thirty epochs of `tiny`, each with an evaluation and so with a save.
OPTIONS = (
    "--quiet",
    "--epochs",
    "30",
    "--set",
    "training.evaluate_every=1",
    "--set",
    "training.patience=none",
)
UntilDone = Callable[[Training, float, np.random.Generator], tuple[int, list[str]]]


@click.group()
def campaign() -> None:
    """Long campaigns; each ends with a line of result."""


def end(result: str, failed: bool) -> None:
    click.echo(f"{'FAILED' if failed else 'ok'}: {result}")
    sys.exit(1 if failed else 0)


def memory_folder() -> TemporaryDirectory[str]:
    """A temporary folder, in memory where there is one."""
    return TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)


def trained(folder: Path) -> bytes:
    """A model file of the `tiny` preset, trained for an epoch in this folder."""
    Run(resolve("tiny", settings={"training.epochs": "1"}), load_dataset(), 0, folder).train()
    return (folder / "best.npz").read_bytes()


def peak_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@campaign.command()
def flips() -> None:
    """Every single-bit flip and every truncation of the smallest model file."""
    model = forging.smallest()
    with memory_folder() as folder:
        found = damage.outcomes(Path(folder), model, damage.flips(model, range(8 * len(model))))
        cut = damage.outcomes(Path(folder), model, damage.truncations(model, range(len(model))))
    counts = ", ".join(f"{count:,} {what}" for what, count in (found + cut).items())
    what = f"{found.total():,} flips and {cut.total():,} truncations of a model file of {len(model):,} bytes"
    end(f"{what}: {counts}", set(found + cut) != {damage.REFUSED})


@campaign.command()
@click.option("--count", default=100_000, show_default=True)
@click.option("--seed", default=0, show_default=True)
def edits(count: int, seed: int) -> None:
    """Random edits of a model file of the `tiny` preset, trained for an epoch."""
    with memory_folder() as name:
        folder = Path(name)
        model = trained(folder)
        damage.outcomes(folder, model, [model[:-1]])
        before = peak_memory()
        found = damage.outcomes(folder, model, damage.edits(model, count, np.random.default_rng(seed)))
    more = peak_memory() - before
    counts = ", ".join(f"{times:,} {what}" for what, times in found.items())
    memory = f"peak of memory {more / MEGABYTE:.1f} MB above that of loading it whole"
    what = f"{found.total():,} edits of a model file of {len(model):,} bytes, seed {seed}"
    end(f"{what}: {counts}; {memory}", set(found) != {damage.REFUSED} or more > watching.MOST_MEMORY)


@campaign.command()
def hostile() -> None:
    """Every kind of hostile file, with the seconds and the memory it takes to refuse it."""
    with TemporaryDirectory() as name:
        found = list(watching.loads(kinds.make_all(Path(name)), Path(name)))
    for each in found:
        each["ok"] = (
            each["error"] == "CheckpointError"
            and not each["events"]
            and each["seconds"] < LONGEST_USE
            and each["bytes"] < watching.MOST_MEMORY
        )
        seconds, megabytes = each["seconds"], each["bytes"] / MEGABYTE
        reason = each["message"].removeprefix(each["path"] + ": ")
        click.echo(
            f"{'' if each['ok'] else 'FAILED '}{seconds:.3f} s {megabytes:5.1f} MB  {each['name']}: {reason}"
        )
    failed = [each["name"] for each in found if not each["ok"]]
    slowest, largest = (max(each[key] for each in found) for key in ("seconds", "bytes"))
    figures = f"at most {slowest:.2f} s and {largest / MEGABYTE:.1f} MB"
    end(f"{len(found)} kinds, {len(found) - len(failed)} refused without a trace, {figures}", bool(failed))


@campaign.command("content")
@click.option("--count", default=2000, show_default=True)
@click.option("--seed", default=0, show_default=True)
def hostile_content(count: int, seed: int) -> None:
    """Well-formed files with hostile content: what loading them and one answer take, where they are not refused."""
    found: list[tuple[content.Cost, int]] = []
    with memory_folder() as name:
        path = Path(name) / "model.npz"
        for data in content.files(count, np.random.default_rng(seed)):
            path.write_bytes(data)
            found.append((content.cost_of_using(path), len(data)))
    counts = ", ".join(
        f"{times:,} {what}" for what, times in Counter(cost.ended for cost, _ in found).items()
    )
    slowest = max(cost.seconds for cost, _ in found)
    most = max(cost.bytes - MEMORY_OF_A_BYTE * size for cost, size in found)
    figures = (
        f"at most {slowest:.2f} s of a processor and {most / MEGABYTE:.1f} MB, and 16 bytes for each byte"
    )
    end(f"{count:,} files, seed {seed}: {counts}; {figures}", slowest > LONGEST_USE or most > MOST_MEMORY)


@campaign.command()
@click.option("--count", default=2000, show_default=True)
@click.option("--seed", default=0, show_default=True)
def served(count: int, seed: int) -> None:
    """Offer files with hostile content to a server, and the good file after each that it takes, while a client asks."""
    hear_signals()  # else a server takes two seconds to see each file
    of_others: list[tuple[float, float]] = []  # when another model than the good one may have answered
    memory = [0]
    with memory_folder() as name:
        good, path = trained(Path(name)), Path(name, "served.npz")
        path.write_bytes(good)
        with Offering(path) as offering:
            digest = offering.served()
            for data in content.files(count, np.random.default_rng(seed)):
                began = time.monotonic()
                if offering.takes(data):
                    offering.takes(good)
                    of_others.append((began, time.monotonic()))
                memory.append(resident_bytes(offering.server.process.pid))
            swapped = offering.takes(good) and offering.served() == digest
    own = [
        each
        for each in offering.responses
        if not any(begin <= each.at + each.seconds and each.at <= end for begin, end in of_others)
    ]
    median, slow = np.quantile([each.seconds for each in own], [0.5, 0.99])
    failed = sum(each.status != 200 for each in own)
    figures = (
        f"the good model answered {len(own):,} requests, median {median:.3f} s, 99 % within {slow:.3f} s, "
        f"{failed} with another status than 200, and was {'' if swapped else 'not '}loaded again in the end; "
        f"the server took at most {max(memory) / 1e6:.0f} MB"
    )
    taken = len(of_others)
    broken = slow > LONGEST_RESPONSE or failed > 0 or not swapped or max(memory) > MOST_OF_SERVER
    what = f"{count:,} files, seed {seed}: {taken:,} loaded, {count - taken:,} refused"
    end(f"{what}; {figures}", broken)


@campaign.command()
@click.option("--count", default=300, show_default=True)
@click.option("--seed", default=0, show_default=True)
def kills(count: int, seed: int) -> None:
    """Kill training runs at random instants, resume them to the end, and compare their bytes."""
    ended("kills", kill_until_done, count, seed)


@campaign.command()
@click.option("--count", default=60, show_default=True)
@click.option("--seed", default=0, show_default=True)
def signals(count: int, seed: int) -> None:
    """Send SIGINT, SIGTERM and SIGHUP to training runs, resume them to the end, and compare their bytes."""
    hear_signals()
    ended("signals", stop_until_done, count, seed)


def ended(what: str, until_done: UntilDone, count: int, seed: int) -> None:
    rng, times, runs, faults = np.random.default_rng(seed), 0, 0, list[str]()
    with TemporaryDirectory() as name:
        whole = Training(Path(name, "whole"), *OPTIONS)
        whole.start().communicate()
        while times < count:
            training = Training(Path(name, f"run {runs}"), *OPTIONS)
            more, broken = until_done(training, LONGEST_LIFE, rng)
            if training.results() != whole.results():
                broken.append(f"run {runs} has other bytes")
            times, runs, faults = times + more, runs + 1, faults + broken
            shutil.rmtree(training.folder)
    for fault in faults:
        click.echo(fault)
    end(f"{times} {what} in {runs} runs, seed {seed}: {len(faults)} not as promised", bool(faults))


@campaign.command()
@click.option("--poor", is_flag=True, help="On a disk without fsync, second names and locks.")
def faults(poor: bool) -> None:
    """A crash, a short write and five errors at every step of saving an evaluation."""
    with memory_folder() as name:
        evaluated = Evaluated(Path(name, "run"))
        tried, broken = 0, list[str]()
        for fault, at in trials(evaluated.save, poor=poor):
            tried += 1
            try:
                evaluated.check(fault, at, poor)
            except AssertionError as error:
                broken.append(str(error))
    for line in broken:
        click.echo(line)
    end(f"{tried:,} faults at {tried // len(FAULTS):,} steps: {len(broken)} torn or left over", bool(broken))


if __name__ == "__main__":
    campaign()
