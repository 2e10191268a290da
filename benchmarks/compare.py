#!/usr/bin/env python3
"""Compare our speed and memory with PyTorch's, JAX's and onnxruntime's, and with the limits of this machine.

python benchmarks/compare.py              everything, about 20 minutes on two idle cores
python benchmarks/compare.py --quick      tiny and 6 × 6 puzzles, few rounds, nothing compiled
python benchmarks/compare.py --json       the same figures as one JSON document on stdout; the tables are on stderr

First the mirrors are checked to give and to learn the same numbers as ours (mirrors/equality.py). Then the contenders
take turns in one process, one batch each per round, so that a slow machine slows all of them. A figure is the median of
the rounds [10th to 90th percentile]. A ratio is ours to theirs, round by round. The last table has the ratios for which
there is an aim. benchmarks/README.md explains the tables and has the last ones.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
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
ROUNDS = {"tiny": 60, "report": 11, "sudoku6": 60, "sudoku9": 30}
QUICK_ROUNDS = 5
PRESETS = ("tiny", "report")
BURSTS = 5
QUANTILES = (0.1, 0.5, 0.9)
REPORT_SIZE = 14_456_244  # parameters of the optimizer race
MPI_RANKS = 2
# Environment variables for the threads of NumPy, PyTorch and JAX (PJRT).
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "PJRT_NPROC")
FLOOR = "floor: its matrix products, and its weights read and written once"
# Largest ours / theirs, by measurement and contender. Where there are two, the second is for processors of Intel.
AIMS: dict[str, dict[str, tuple[float, ...]]] = {
    "tiny, training step, 1 thread": {
        "torch eager": (0.62,),
        "torch compiled": (0.78,),
        "jax": (1.4,),
        "one profile at a time": (0.12,),
        FLOOR: (3.1,),
    },
    "report, training step, 1 thread": {
        "torch eager": (0.95, 1.04),
        "torch compiled": (1.0,),
        FLOOR: (1.25,),
    },
    "report, training step, 2 threads": {"torch eager": (0.9, 1.08), "torch compiled": (1.0,)},
    "AdamW, 14.5 million parameters, 1 thread": {"torch, default": (0.55,), "torch, fused": (2.1,)},
    "AdamW, 14.5 million parameters, 2 threads": {"torch, fused": (1.4,)},
    "tiny, one answer, 1 thread": {"torch eager": (0.32,), "onnxruntime": (1.05,)},
    f"tiny, {MANY} answers, 1 thread": {"torch eager": (0.62,), "onnxruntime": (0.75,)},
    "report, one answer, 1 thread": {"torch eager": (0.92,)},
    f"tiny, training step, {MPI_RANKS} ranks of 1 thread against 2 threads": {"torch eager": (0.5,)},
    f"report, training step, {MPI_RANKS} ranks of 1 thread against 2 threads": {"torch eager": (0.7,)},
    "sudoku6, update, 1 thread": {"torch eager": (0.75,), "torch compiled": (0.95,)},
    "sudoku9, update, 1 thread": {"torch eager": (0.75,), "torch compiled": (0.95,)},
}

Seconds = list[float]
Contenders = dict[str, Callable[[], object]]
Figures = dict[str, dict[str, list[float]]]


@click.command(help=__doc__)
@click.option("--quick", is_flag=True, help="A short run that shows that everything works.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
def main(quick: bool, as_json: bool) -> None:
    say = partial(click.echo, err=as_json)
    presets = PRESETS[:1] if quick else PRESETS
    for line in on_threads(1, check_mirrors, presets):
        say(line)
    described = on_threads(1, machine)
    say("\n" + "\n".join(f"{name + ':':<14} {value}" for name, value in described.items()))
    found: dict[str, Figures] = {}
    for title, measure in measurements(quick):
        found[title] = figures(measure())
        say(figures_text(title, found[title]))
    extra = {preset: on_threads(1, upkeep, preset) for preset in presets}
    peaks = {preset: {name: memory(preset, name) for name in ("ours", "torch eager")} for preset in presets}
    for preset in presets:
        used = ", ".join(f"{name} {megabytes:.0f} MB" for name, megabytes in peaks[preset].items())
        say(f"\n{preset}: {extra[preset]}; peak memory of training: {used}")
    aims = aims_met(found, described["processor"])
    say(aims_text(aims))
    if as_json:
        document = {"machine": described, "measurements": found, "peak_mb": peaks, "aims": aims}
        click.echo(json.dumps(document, indent=2))


def measurements(quick: bool) -> Iterator[tuple[str, Callable[[], dict[str, Seconds]]]]:
    """Yield the title of each measurement, and the function that makes it."""
    rounds = dict.fromkeys(ROUNDS, QUICK_ROUNDS) if quick else ROUNDS
    rivals = ["torch eager", *([] if quick else ["torch compiled"])]

    def on(threads: int, title: str, *work: Any) -> tuple[str, Callable[[], dict[str, Seconds]]]:
        plural = "s" if threads > 1 else ""
        return f"{title}, {threads} thread{plural}", partial(on_threads, threads, *work)

    more = ["one profile at a time", *([] if quick else ["jax"])]
    yield on(1, "tiny, training step", train, "tiny", [*rivals, *more], rounds["tiny"])
    yield on(1, "tiny, one answer", answer, "tiny", 1, rounds["tiny"])
    yield on(1, f"tiny, {MANY} answers", answer, "tiny", MANY, rounds["report" if quick else "tiny"])
    yield on(1, "AdamW, 14.5 million parameters", optimize, rounds["report"])
    yield on(1, "sudoku6, update", puzzle, "sudoku6", rivals, rounds["sudoku6"])
    yield on_ranks("tiny", 1 if quick else BURSTS, rounds["tiny"] // 3)
    if quick:
        return
    yield on(1, "sudoku9, update", puzzle, "sudoku9", rivals, rounds["sudoku9"])
    yield on(2, "AdamW, 14.5 million parameters", optimize, rounds["report"])
    for threads in (1, 2):
        yield on(threads, "report, training step", train, "report", rivals, rounds["report"])
        yield on(threads, "report, one answer", answer, "report", 1, rounds["report"])
    yield on_ranks("report", BURSTS, rounds["report"] // 3)


def on_ranks(preset: str, bursts: int, batches: int) -> tuple[str, Callable[[], dict[str, Seconds]]]:
    title = f"{preset}, training step, {MPI_RANKS} ranks of 1 thread against 2 threads"
    return title, partial(ranks_against_threads, preset, bursts, batches)


def on_threads(threads: int, measure: Callable[..., Any], *arguments: object) -> Any:
    """Call `measure` in a new process with this number of threads for every library. Returns its result."""
    os.environ.update(dict.fromkeys(THREADS, str(threads)))
    return in_own_process(measure, *arguments)


def figures(times: Mapping[str, Seconds]) -> Figures:
    """Milliseconds of each contender, and the ratio of ours to it: 10th percentile, median, 90th percentile."""
    import numpy as np

    ours = np.array(times["ours"])
    found: Figures = {}
    for name, seconds in times.items():
        found[name] = {"ms": (np.quantile(seconds, QUANTILES) * 1e3).round(4).tolist()}
        if name != "ours":
            found[name]["ratio"] = np.quantile(ours / seconds, QUANTILES).round(4).tolist()
    return found


def figures_text(title: str, found: Figures) -> str:
    lines = [f"\n{title:<70}{'ms':>8}  {'10 to 90 %':<18}{'ours / theirs':>14}  10 to 90 %"]
    for name, of in found.items():
        low, middle, high = of["ms"]
        line = f"  {name:<68}{middle:>8.2f}  {f'{low:.2f} to {high:.2f}':<18}"
        if "ratio" in of:
            low, middle, high = of["ratio"]
            line += f"{middle:>14.3f}  {low:.3f} to {high:.3f}"
        lines.append(line.rstrip())
    return "\n".join(lines)


def aims_met(found: Mapping[str, Figures], processor: str) -> list[dict[str, Any]]:
    """The aims for what has been measured: the ratio found, the largest allowed, and whether it is met."""
    rows = []
    for title, by_rival in AIMS.items():
        for rival, allowed in by_rival.items():
            if rival in found.get(title, {}):
                aim = allowed[-1 if "Intel" in processor else 0]
                ratio = found[title][rival]["ratio"]
                rows.append(
                    {"measured": title, "rival": rival, "ratio": ratio, "aim": aim, "met": ratio[1] <= aim}
                )
    return rows


def aims_text(rows: list[dict[str, Any]]) -> str:
    lines = [f"\n{'ours / theirs':<82}{'aim':>8}{'median':>9}  10 to 90 %"]
    for row in rows:
        low, middle, high = row["ratio"]
        name = f"{row['measured']}: {row['rival'].partition(':')[0]}"
        verdict = "met" if row["met"] else "missed"
        lines.append(f"{name:<82}{row['aim']:>8.2f}{middle:>9.3f}  {f'{low:.3f} to {high:.3f}':<18}{verdict}")
    return "\n".join(lines)


# ------------------------------------------------------------------------- run in separate processes


def new_trainer(preset: str) -> Any:
    from training_peak import shipped_trainer

    return shipped_trainer(preset)


def check_mirrors(presets: Sequence[str]) -> list[str]:
    """Lines on the largest differences.

    Raises MirrorMismatch if a mirror differs from ours by more than 1e-5 in outputs or 1e-4 in gradients.
    """
    from mirrors.equality import check_preset

    return [
        line for preset in presets for line in check_preset(preset, precisions=("float32",), at_start=True)
    ]


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
    contenders[FLOOR] = floor_of(trainer, batch)
    return taking_turns(contenders, rounds, parts=steps)


def upkeep(preset: str) -> str:
    """Page faults in a step of ours, and the time of drawing its batch, in words."""
    import numpy as np

    trainer = new_trainer(preset)
    batch, steps = trainer.draw_batch(np.arange(BATCH)), trainer.config.model.supervision_steps
    for _ in range(3):
        trainer.learn(batch)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    trainer.learn(batch)
    faults = (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / steps
    drawing = sorted(timed(trainer.draw_batch, np.arange(BATCH))[1] for _ in range(21))[10] / steps
    return f"{faults:.0f} page faults in a step; {drawing * 1e3:.2f} ms of drawing its batch"


def answer(preset: str, profiles: int, rounds: int) -> dict[str, Seconds]:
    """Time outputs for a batch of encoded profiles: categories, tools and rewards."""
    import numpy as np
    from mirrors.torch_mirror import TorchTrainer
    from on_onnxruntime import onnx_answer
    from training_peak import recommender_of

    from trm_np.export.onnx_file import export_onnx, our_outputs

    trainer = new_trainer(preset)
    inputs = encoded(trainer, np.arange(profiles) % len(trainer.task.test))
    torch = TorchTrainer(trainer, "eager")
    torch.encode(trainer.task.gift_inputs)
    recommender = recommender_of(trainer)
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder, "model.onnx")
        export_onnx(recommender.stored, graph)
        on_onnxruntime = onnx_answer(str(graph), inputs, len(recommender.gifts))
    contenders: Contenders = {
        "ours": partial(our_outputs, recommender.stored.model, inputs, recommender.catalogue.encoded),
        "torch eager": partial(torch.answer, torch.prepare_profiles(inputs)),
        "onnxruntime": on_onnxruntime,
    }
    return taking_turns(contenders, rounds)


def puzzle(kind: str, rivals: Sequence[str], rounds: int) -> dict[str, Seconds]:
    """Time an update of the weights on a batch of puzzles."""
    from solving import updates

    from trm_np.training.allocator import keep_memory

    keep_memory()
    return taking_turns(updates(kind, tuple(name.removeprefix("torch ") for name in rivals)), rounds)


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


def ranks_against_threads(preset: str, bursts: int, batches: int) -> dict[str, Seconds]:
    """Time two MPI ranks and PyTorch on two threads in turns. Each turn is a new process with several batches."""
    from statistics import median

    times: dict[str, Seconds] = {"ours": [], "torch eager": []}
    for _ in range(bursts):
        times["ours"].append(step_of_ranks(preset, batches))
        times["torch eager"].append(median(on_threads(2, train_torch, preset, batches)))
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


def machine() -> dict[str, str]:
    """This machine, its software, and its speed in matrix products and in memory."""
    from floor import bandwidth, sgemm

    from trm_np.training.conditions import conditions

    return {
        "processor": f"{processor()}, {os.cpu_count()} cores",
        **conditions(ranks=1),
        "speed": f"{sgemm() / 1e9:.0f} GFLOP/s in float32, {bandwidth() / 1e9:.1f} GB/s copied, on 1 thread",
    }


def processor() -> str:
    """The name of the processor, as Linux gives it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "not known"


if __name__ == "__main__":
    main()
