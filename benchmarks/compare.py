#!/usr/bin/env python3
"""Compare our speed and memory with PyTorch's and JAX's, and with the limits of this machine, in one table.

python benchmarks/compare.py              everything, about 15 minutes on two idle cores
python benchmarks/compare.py --quick      tiny on one thread, few rounds, nothing compiled: under two minutes

First the mirrors are checked to give and to learn the same numbers as ours (mirrors/equality.py). Then the contenders
take turns in one process, one batch each per round, so that a slow machine slows all of them. A figure is the median of
the rounds [10th to 90th percentile]. A ratio is ours to theirs, round by round. benchmarks/README.md explains the table
and has the last one.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click

FOLDER = Path(__file__).resolve().parent
sys.path.extend(str(folder) for folder in (FOLDER, FOLDER.parent))

from measuring import in_own_process, timed  # noqa: E402

# NumPy and everything that imports it are imported within functions, in processes that have set their threads before.

BATCH = 16
MANY = 256
ROUNDS = {"tiny": 60, "report": 11}
BURSTS = 5
REPORT_SIZE = 14_456_244  # parameters of the optimizer race
MPI_RANKS = 2
# Environment variables for the threads of NumPy, PyTorch and JAX (PJRT).
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "PJRT_NPROC")

Seconds = list[float]
Contenders = dict[str, Callable[[], object]]


@click.command()
@click.option("--quick", is_flag=True, help="A short run that shows that everything works.")
def main(quick: bool) -> None:
    """Check the mirrors, measure, and print the table row by row."""
    rounds = {preset: 5 for preset in ROUNDS} if quick else ROUNDS
    on_threads(1, check_mirrors, ["tiny"] if quick else list(ROUNDS))
    click.echo(on_threads(1, machine))
    rivals = ["torch eager", "one profile at a time"]
    if not quick:
        rivals += ["torch compiled", "jax"]
    show("tiny, training step, 1 thread", on_threads(1, train, "tiny", rivals, rounds["tiny"]))
    show("tiny, one answer, 1 thread", on_threads(1, answer, "tiny", 1, rounds["tiny"]))
    show(f"tiny, {MANY} answers, 1 thread", on_threads(1, answer, "tiny", MANY, rounds["tiny"]))
    show("AdamW, 14.5 million parameters, 1 thread", on_threads(1, optimize, rounds["report"]))
    if not quick:
        rivals = ["torch eager", "torch compiled"]
        for threads in (1, 2):
            title = f"report, training step, {threads} thread{'s' if threads > 1 else ''}"
            show(title, on_threads(threads, train, "report", rivals, rounds["report"]))
        show("report, one answer, 2 threads", on_threads(2, answer, "report", 1, rounds["report"]))
        for preset in ROUNDS:
            show(
                f"{preset}, training step, {MPI_RANKS} ranks of 1 thread against 2 threads",
                ranks_against_threads(preset, rounds[preset] // 3),
            )
    for preset in ("tiny",) if quick else ROUNDS:
        used = {name: memory(preset, name) for name in ("ours", "torch eager")}
        click.echo(
            f"\n{preset}, peak memory of training: {', '.join(f'{n} {m:.0f} MB' for n, m in used.items())}"
        )


def on_threads(threads: int, measure: Callable[..., Any], *arguments: object) -> Any:
    """Call `measure` in a new process with this number of threads for every library. Returns its result."""
    os.environ.update(dict.fromkeys(THREADS, str(threads)))
    return in_own_process(measure, *arguments)


def show(title: str, times: Mapping[str, Seconds]) -> None:
    """Print the milliseconds of each contender, and the ratio of ours to them."""
    import numpy as np

    ours = np.array(times["ours"])
    click.echo(f"\n{title:<52}{'ms':>8}  {'10 to 90 %':<18}{'ours / theirs':>14}  10 to 90 %")
    for name, seconds in times.items():
        low, middle, high = np.quantile(seconds, (0.1, 0.5, 0.9)) * 1e3
        line = f"  {name:<50}{middle:>8.2f}  {f'{low:.2f} to {high:.2f}':<18}"
        if name != "ours" and len(seconds) == len(ours):
            worst, ratio, best = np.quantile(ours / seconds, (0.1, 0.5, 0.9))
            line += f"{ratio:>14.3f}  {worst:.3f} to {best:.3f}"
        click.echo(line.rstrip())


# ------------------------------------------------------------------------- run in separate processes


def new_trainer(preset: str) -> Any:
    from training_peak import shipped_trainer

    return shipped_trainer(preset)


def check_mirrors(presets: list[str]) -> None:
    """Raise MirrorMismatch if a mirror differs from ours by more than 1e-5 in outputs or 1e-4 in gradients."""
    from mirrors.equality import check_preset

    for preset in presets:
        for line in check_preset(preset, precisions=("float32",), at_start=True):
            click.echo(line)


def taking_turns(contenders: Contenders, rounds: int, parts: int = 1) -> dict[str, Seconds]:
    """Time each contender in each round. Returns seconds per part of its work, without the first rounds."""
    times: dict[str, Seconds] = {name: [] for name in contenders}
    for round_ in range(-2, rounds):
        for name, work in contenders.items():
            seconds = timed(work)[1] / parts
            if round_ >= 0:
                times[name].append(seconds)
    return times


def train(preset: str, rivals: list[str], rounds: int) -> dict[str, Seconds]:
    """Time an optimizer step on the same batch, and the least cost of its NumPy operations."""
    import numpy as np
    from floor import floor_of
    from mirrors.torch_mirror import TorchTrainer, single_profiles

    trainer = new_trainer(preset)
    batch = trainer.draw_batch(np.arange(BATCH))
    trainer.learn(batch)
    contenders: Contenders = {"ours": partial(trainer.learn, batch)}
    for name in rivals:
        if name == "jax":
            from mirrors.jax_mirror import JaxTrainer

            jax = JaxTrainer(trainer)
            contenders[name] = partial(jax.learn, jax.prepare(batch))
        else:
            torch = TorchTrainer(trainer, "compiled" if name == "torch compiled" else "eager")
            if name == "one profile at a time":
                singles = [torch.prepare(single) for single in single_profiles(batch)]
                contenders[name] = partial(torch.one_profile_at_a_time, singles)
            else:
                contenders[name] = partial(torch.learn, torch.prepare(batch))
    steps = trainer.config.model.supervision_steps
    contenders["floor: its matrix products, and its weights read and written once"] = floor_of(trainer, batch)
    times = taking_turns(contenders, rounds, parts=steps)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    trainer.learn(batch)
    faults = (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / steps
    drawing = sorted(timed(trainer.draw_batch, np.arange(BATCH))[1] for _ in range(21))[10] / steps
    click.echo(
        f"\n{preset}, a step of ours: {faults:.0f} page faults; {drawing * 1e3:.2f} ms of drawing its batch"
    )
    return times


def answer(preset: str, profiles: int, rounds: int) -> dict[str, Seconds]:
    """Time outputs for a batch of encoded profiles: categories, tools and rewards."""
    import numpy as np
    from mirrors.equality import answer_of, our_gifts
    from mirrors.torch_mirror import TorchTrainer

    trainer = new_trainer(preset)
    rows = np.arange(profiles) % len(trainer.task.test)
    inputs = encoded(trainer, rows)
    gifts = our_gifts(trainer, trainer.task.gift_inputs)
    torch = TorchTrainer(trainer, "eager")
    torch.encode(trainer.task.gift_inputs)
    prepared = torch.prepare_profiles(inputs)
    contenders: Contenders = {
        "ours": partial(answer_of, trainer, inputs, gifts),
        "torch eager": partial(torch.answer, prepared),
    }
    return taking_turns(contenders, rounds)


def encoded(trainer: Any, rows: Any) -> Any:
    from trm_np.data.encode import encode_profiles

    return encode_profiles(trainer.task.test.profiles.take(rows), trainer.task.vocabulary)


def optimize(rounds: int) -> dict[str, Seconds]:
    """Time one AdamW step with 14.5 million parameters, as many as the report's model has."""
    import numpy as np
    import torch

    from trm_np.autograd import Tensor
    from trm_np.autograd.optim import AdamW

    rng = np.random.default_rng(0)
    weights, gradient = rng.normal(size=(2, REPORT_SIZE)).astype(np.float32)
    ours = Tensor(weights, requires_grad=True)
    ours.grad = gradient
    contenders: Contenders = {"ours": AdamW([ours], lr=1e-4).step}
    for name, fused in (("torch, default", None), ("torch, fused", True)):
        parameter = torch.nn.Parameter(torch.tensor(weights))
        parameter.grad = torch.tensor(gradient)
        contenders[name] = torch.optim.AdamW([parameter], lr=1e-4, fused=fused).step
    return taking_turns(contenders, rounds)


def memory(preset: str, name: str) -> float:
    """The largest resident memory, in MB, of a process that only trains."""
    os.environ.update(dict.fromkeys(THREADS, "1"))
    command = [sys.executable, str(FOLDER / "training_peak.py"), preset, name]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def ranks_against_threads(preset: str, rounds: int) -> dict[str, Seconds]:
    """Time two MPI ranks and PyTorch on two threads in turns. Each turn is a new process with several batches."""
    from statistics import median

    times: dict[str, Seconds] = {"ours": [], "torch eager": []}
    for _ in range(BURSTS):
        times["ours"].append(step_of_ranks(preset, rounds))
        times["torch eager"].append(median(on_threads(2, train_torch, preset, rounds)))
    return times


def train_torch(preset: str, rounds: int) -> Seconds:
    import numpy as np
    from mirrors.torch_mirror import TorchTrainer

    trainer = new_trainer(preset)
    torch = TorchTrainer(trainer, "eager")
    learn = partial(torch.learn, torch.prepare(trainer.draw_batch(np.arange(BATCH))))
    return taking_turns({"": learn}, rounds, parts=trainer.config.model.supervision_steps)[""]


def step_of_ranks(preset: str, batches: int) -> float:
    """The median seconds of a step, as `mpi_step.py` prints it."""
    script = [sys.executable, str(FOLDER / "mpi_step.py"), "--preset", preset, "--batches", str(batches)]
    os.environ.update(dict.fromkeys(THREADS, "1"))
    launcher = shutil.which(
        "mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    )
    command = [launcher or "mpiexec", "-n", str(MPI_RANKS), *script]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(json.loads(printed)["step_ms"]) / 1e3


def machine() -> str:
    """Describe this machine, with its speed in matrix products and in memory."""
    import platform

    import numpy as np
    from floor import bandwidth, sgemm

    return (
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, NumPy {np.__version__}: "
        f"{sgemm() / 1e9:.0f} GFLOP/s in float32, {bandwidth() / 1e9:.1f} GB/s copied, on 1 thread"
    )


if __name__ == "__main__":
    main()
