#!/usr/bin/env python3
"""Compare the cost of deploying a trained model with PyTorch and onnxruntime on the same weights, in four tables.

python benchmarks/deploy.py MODEL            all of it, about three minutes on two idle cores
python benchmarks/deploy.py MODEL --quick    few rounds, nothing compiled

1. The size of the packages to install, and of the model in each form.
2. Seconds, processor time and peak memory from the start of a process to the first recommendation, the contenders in
   turns.
3. The time of one profile with a loaded model: median and 99th percentile, the contenders in turns.
4. The time of batches of 256 profiles.

In tables 3 and 4 all contenders compute categories, tools and the reward of each gift from an encoded profile, on one
thread. They are first checked to give the same numbers. "whole recommendation" is ours with everything else: it checks
and encodes the profile, runs the tools, picks three gifts one by one and gives reasons.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import click

FOLDER = Path(__file__).resolve().parent
sys.path.extend(str(folder) for folder in (FOLDER, FOLDER.parent))

from measuring import in_own_process  # noqa: E402

MANY = 256
ROUNDS, QUICK_ROUNDS = {"start": 15, "one": 400, "many": 15}, {"start": 3, "one": 30, "many": 3}
FORMS = ("half", "int8", "safetensors", "onnx", "zipapp")
TOLERANCE = 1e-4  # between contenders; the mirrors' own test is stricter
PERSON = (
    "--age 34 --relationship friend --occasion birthday --budget 120 --hobby cooking --preference practical"
)

Files = dict[str, str]


@click.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False))
@click.option("--quick", is_flag=True, help="A short run that shows that everything works.")
def main(model: str, quick: bool) -> None:
    """Print the tables."""
    os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
    rounds = QUICK_ROUNDS if quick else ROUNDS
    with tempfile.TemporaryDirectory() as folder:
        files = {form: str(Path(folder, f"model.{form}")) for form in FORMS} | {"model": model}
        show_sizes(files)
        show_start(files, rounds["start"])
        show_speed("one answer", 1, in_own_process(answers, files, 1, rounds["one"], quick))
        show_speed(f"{MANY} answers", MANY, in_own_process(answers, files, MANY, rounds["many"], quick))


# -------------------------------------------------------------------------------------------------------- sizes


def show_sizes(files: Files) -> None:
    """Print the size of the packages to install, and of the model in each form."""
    ours = sum(
        path.stat().st_size
        for name in ("trm_np", "autograd")
        for path in (FOLDER.parent / name).rglob("*.py")
    )
    click.echo(f"{'installed, with all that it needs':<44} {'MB':>8}")
    for title, packages, own in (
        ("ours, to recommend: NumPy and click", ["numpy", "click"], ours),
        ("ours, with SciPy, to train too", ["numpy", "click", "scipy"], ours),
        ("onnxruntime", ["onnxruntime"], 0),
        ("PyTorch", ["torch"], 0),
    ):
        click.echo(f"  {title:<42} {(installed_bytes(packages) + own) / 1e6:>8.1f}")
    click.echo(f"\n{'the model':<44} {'bytes':>10}")
    click.echo(f"  {'float32':<42} {os.path.getsize(files['model']):>10,}")
    for form in FORMS:
        run([*trm(), "export", files["model"], f"--{form}", "--out", files[form]])
        click.echo(f"  {form:<42} {os.path.getsize(files[form]):>10,}")


def installed_bytes(packages: Sequence[str]) -> int:
    """The bytes of these packages and of all that they require on this system."""
    from packaging.requirements import Requirement

    wanted, seen, total = list(packages), set[str](), 0
    while wanted:
        name = wanted.pop().lower().replace("_", "-")
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue  # needed on another system
        if name in seen:
            continue
        seen.add(name)
        total += sum(
            os.path.getsize(path)
            for path in {os.path.realpath(file.locate()) for file in found.files or ()}
            if os.path.isfile(path)
        )
        needed = [Requirement(text) for text in found.requires or ()]
        wanted += [each.name for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})]
    return total


# -------------------------------------------------------------------------------------------------------- start


def show_start(files: Files, rounds: int) -> None:
    """Print the seconds, processor time and peak memory of whole processes, in turns."""
    import numpy as np

    rival = [sys.executable, str(FOLDER / "first_answer.py")]
    commands = {
        "ours: trm recommend": [*trm(), "recommend", files["model"], *PERSON.split()],
        "ours: the .pyz": [sys.executable, files["zipapp"], "recommend", *PERSON.split()],
        "onnxruntime": [*rival, "onnxruntime", files["model"], files["onnx"]],
        "PyTorch": [*rival, "torch", files["model"], files["safetensors"]],
        "NumPy, nothing but its import": [sys.executable, "-c", "import numpy"],
        "PyTorch, nothing but its import": [sys.executable, "-c", "import torch"],
    }
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in commands}
    for round_ in range(-1, rounds):
        for name, command in commands.items():
            figures = run(command)
            if round_ >= 0:
                found[name].append(figures)
    click.echo(
        f"\n{'from start to first answer':<38} {'seconds':>8} {'least':>7} {'on CPU':>7} {'MB':>7} {'over ours':>17}"
    )
    ours = np.median(found["ours: trm recommend"], axis=0)
    for name, figures in found.items():
        seconds, on_cpu, megabytes = np.median(figures, axis=0)
        times = f"{seconds / ours[0]:.2f}, {megabytes / ours[2]:.2f}"
        least = min(figures)[0]
        click.echo(f"  {name:<36} {seconds:>8.3f} {least:>7.3f} {on_cpu:>7.3f} {megabytes:>7.1f} {times:>17}")


def run(command: Sequence[str]) -> tuple[float, float, float]:
    """The seconds, the processor time and the largest resident memory, in MB, of a process. Raises if it fails."""
    started = time.perf_counter()
    with tempfile.TemporaryFile() as printed:
        process = os.posix_spawn(
            command[0],
            command,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, printed.fileno(), 1),
                (os.POSIX_SPAWN_DUP2, printed.fileno(), 2),
            ],
        )
        _, status, used = os.wait4(process, 0)
        seconds = time.perf_counter() - started
        if status:
            printed.seek(0)
            raise RuntimeError(f"{' '.join(command)}: {printed.read().decode()[-2000:]}")
    return seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6


def trm() -> list[str]:
    return [sys.executable, str(FOLDER.parent / "bin" / "trm")]


# -------------------------------------------------------------------------------------------------------- speed


def show_speed(title: str, profiles: int, times: dict[str, list[float]]) -> None:
    """Print the median and 99th percentile of each contender, and the ratio of ours to it."""
    import numpy as np

    ours = np.array(times["ours"])
    click.echo(f"\n{title:<44} {'ms':>8} {'99 %':>8} {'each per s':>11} {'ours / theirs':>14}")
    for name, seconds in times.items():
        middle, late = np.quantile(seconds, (0.5, 0.99)) * 1e3
        ratio = "" if name.startswith("ours") else f"{np.median(ours / seconds):>14.3f}"
        click.echo(
            f"  {name:<42} {middle:>8.2f} {late:>8.2f} {1e3 * profiles / middle:>11.1f} {ratio}".rstrip()
        )


def answers(files: Files, profiles: int, rounds: int, quick: bool) -> dict[str, list[float]]:
    """The seconds of each contender in each round."""
    import torch
    from compare import taking_turns
    from mirrors.torch_mirror import TorchRecommender
    from on_onnxruntime import onnx_answer
    from people import people
    from safetensors.torch import load_file

    from trm_np import Recommender
    from trm_np.data.encode import encode_gifts, encode_profiles
    from trm_np.data.tables import profile_table
    from trm_np.export.onnx_file import our_outputs

    torch.set_num_threads(1)
    recommender = Recommender.load(files["model"])
    stored, drawn = recommender.stored, people()
    given = [next(drawn) for _ in range(profiles)]
    table = profile_table([recommender.check(each).profile for each in given], stored.vocabulary)
    inputs = encode_profiles(table, stored.vocabulary)
    gifts = encode_gifts(recommender.catalogue.table, stored.vocabulary, stored.model.gift_features)
    contenders: dict[str, Callable[[], Any]] = {
        "ours": partial(our_outputs, stored.model, inputs, recommender.catalogue.encoded)
    }
    for name, mode in (("PyTorch eager", "eager"), ("PyTorch compiled", "compiled")):
        if mode == "eager" or not quick:
            rival = TorchRecommender(stored.config, stored.vocabulary, load_file(files["safetensors"]), mode)
            rival.encode(gifts)
            contenders[name] = partial(rival.answer, rival.prepare_profiles(inputs))
    contenders["onnxruntime"] = onnx_answer(files["onnx"], inputs, len(recommender.gifts))
    require_alike(contenders)
    contenders["ours, whole recommendation"] = partial(recommender.recommend_many, given)
    return taking_turns(contenders, rounds)


def require_alike(contenders: dict[str, Callable[[], Any]]) -> None:
    """Raise if a contender gives other numbers than ours."""
    import numpy as np

    ours = contenders["ours"]()
    for name, work in contenders.items():
        theirs = work()
        for part, value in ours.items():
            apart = np.abs(theirs[part] - value).max()
            if apart > TOLERANCE * max(1, np.abs(value).max()):
                raise RuntimeError(f"{name}: {part} is {apart:.1e} from ours")


if __name__ == "__main__":
    main()
