#!/usr/bin/env python3
"""Cost of more gifts and more scenarios in time and memory, and the gain from more scenarios.

python benchmarks/growth.py               all three tables, in five minutes of one core's time
python benchmarks/growth.py gifts         one of them: gifts, scenarios or quality

The data are simulated (`trm simulate`), the preset is tiny, the seed 0, everything runs on one thread. Each
measurement has a process of its own, whose largest resident memory is reported as "peak".
"""

import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from statistics import median

import click
from measuring import in_own_process, peak, timed

sys.path.append(str(Path(__file__).resolve().parent.parent))

# NumPy and the project are imported in the functions: where the tables are printed they would only take up memory,
# and a process counts as its own peak what the one that started it held.

SEED = 0
GIFTS = (45, 200, 1000, 5000, 20_000)
SCENARIOS = (25, 100, 500, 2000, 5000)
FEW_GIFTS, FEW_SCENARIOS = GIFTS[0], SCENARIOS[0]
HELD_OUT = 30  # simulated scenarios to validate, and as many to test on, where costs are measured
TEST = 200  # the same, where quality is
TIMED_BATCHES = 20
TRAINED_BATCHES = 300  # 150 epochs of 25 scenarios; every size learns from about as many
FILES = ("scenarios.json", "held_out_scenarios.json", "gift_catalog.json")
MODEL_FILE = "model.npz"

Figures = dict[str, float]


@click.command()
@click.argument("tables", nargs=-1, type=click.Choice(["gifts", "scenarios", "quality"]))
def main(tables: tuple[str, ...]) -> None:
    """Measure, and print these TABLES, by default all."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    if not tables or "gifts" in tables:
        show(f"gifts ({FEW_SCENARIOS} scenarios)", ((n, cost(FEW_SCENARIOS, n)) for n in GIFTS))
    if not tables or "scenarios" in tables:
        show(f"scenarios ({FEW_GIFTS} gifts)", ((n, cost(n, FEW_GIFTS)) for n in SCENARIOS))
    if not tables or "quality" in tables:
        show(f"scenarios ({FEW_GIFTS} gifts)", ((n, in_own_process(learn, n)) for n in SCENARIOS))


def show(title: str, rows: Iterable[tuple[int, Figures]]) -> None:
    """A table, each row printed as soon as it is there."""
    for row, (size, figures) in enumerate(rows):
        widths = [max(len(name), 8) for name in figures]
        if row == 0:
            names = "  ".join(f"{name:>{width}}" for name, width in zip(figures, widths, strict=True))
            click.echo(f"\n{title:<24}{names}")
        values = (f"{value:>{width}.4g}" for value, width in zip(figures.values(), widths, strict=True))
        click.echo(f"{size:<24,}{'  '.join(values)}")


def cost(n_scenarios: int, n_gifts: int) -> Figures:
    """Time and memory of training and of one recommendation with so much data."""
    with tempfile.TemporaryDirectory() as folder:
        in_own_process(write, Path(folder), n_scenarios, n_gifts)
        trained = in_own_process(train, Path(folder))
        return {**trained, **in_own_process(recommend, Path(folder))}


# ------------------------------------------------------------------------- each in a process of its own


def write(folder: Path, n_scenarios: int, n_gifts: int) -> None:
    """Simulate the three files."""
    import numpy as np

    from trm_np.data.load import load_dataset
    from trm_np.data.simulation import documents, simulate

    data = simulate(load_dataset(), n_scenarios, HELD_OUT, n_gifts, np.random.default_rng(SEED))
    for name, content in documents(data).items():
        (folder / name).write_bytes(content)


def train(folder: Path) -> Figures:
    """Load the files, take some steps, evaluate once, save a model; an epoch is so many steps at that pace."""
    import numpy as np

    from trm_np.config import resolve
    from trm_np.data.load import load_dataset
    from trm_np.data.tables import Ints
    from trm_np.data.task import task_from
    from trm_np.storage.checkpoint import Checkpoint, save_checkpoint
    from trm_np.training.trainer import Trainer

    files = (folder / name for name in FILES)
    data, loading = timed(load_dataset, *files)
    config = resolve("tiny")
    size, steps = config.training.batch_size, config.model.supervision_steps
    trainer = Trainer(config, task_from(data, config.model.gift_features), SEED)
    rng = np.random.default_rng(SEED)
    batches = [rng.permutation(trainer.epoch_rows())[:size] for _ in range(TIMED_BATCHES)]

    def learn_from(rows: Ints) -> None:
        trainer.learn(trainer.draw_batch(rows))

    step = median(timed(learn_from, rows)[1] for rows in batches) / steps
    evaluation = timed(trainer.evaluate, 1)[1]
    header = {"seed": SEED, "best_epoch": 1, "metrics": {}}
    content = Checkpoint(trainer.model, config, data.vocabulary, data.gifts, data.train)
    saving = timed(save_checkpoint, folder / MODEL_FILE, "model", content, header)[1]
    return {
        "load s": loading,
        "step ms": step * 1e3,
        "epoch s": step * steps * -(-len(trainer.epoch_rows()) // size),
        "evaluate s": evaluation,
        "save s": saving,
        "peak MB": peak(),
    }


def recommend(folder: Path) -> Figures:
    """Load the model, and recommend for the people of the validation scenarios, one after the other."""
    from trm_np.data.load import load_held_out
    from trm_np.recommend.recommender import Recommender

    recommender, loading = timed(Recommender.load, folder / MODEL_FILE)
    scenarios, _ = load_held_out(folder / FILES[1], recommender.stored.vocabulary)
    seconds = [timed(recommender.recommend, scenario.profile)[1] for scenario in scenarios]
    return {"model load s": loading, "answer ms": median(seconds) * 1e3, "answer peak MB": peak()}


def learn(n_scenarios: int) -> Figures:
    """Train on simulated scenarios, and judge on simulated ones and on the test scenarios that people labelled.

    The last weights are judged, without early stopping: what differs between sizes is the data alone.
    """
    import numpy as np

    from trm_np.config import resolve
    from trm_np.data.load import load_dataset
    from trm_np.data.simulation import simulate
    from trm_np.data.task import task_from
    from trm_np.evaluation.predict import evaluate_model
    from trm_np.training.trainer import Trainer

    shipped = load_dataset()
    data = simulate(shipped, n_scenarios, TEST, FEW_GIFTS, np.random.default_rng(SEED))
    config = resolve("tiny")
    task = task_from(data, config.model.gift_features)
    in_an_epoch = -(-len(Trainer(config, task, SEED).epoch_rows()) // config.training.batch_size)
    epochs = max(round(TRAINED_BATCHES / in_an_epoch), 1)
    settings = {"training.epochs": str(epochs), "training.evaluate_every": str(epochs)}
    config = resolve("tiny", ["early_stopping", "lr_scheduler"], settings)
    trainer = Trainer(config, task, SEED)
    _, seconds = timed(list, trainer.epochs())
    simulated, *_ = evaluate_model(trainer.model, task.test, task, config.loss)
    hand_labelled = task_from(shipped, config.model.gift_features).test
    by_hand, *_ = evaluate_model(trainer.model, hand_labelled, task, config.loss)
    return {
        "epochs": epochs,
        "train s": seconds,
        "recall@3": simulated["category_recall_at_3"],
        "tool exact": simulated["tool_exact_rate"],
        "reward/best": simulated["reward_vs_best"],
        "gap": simulated["generalization_gap"],
        "hand: recall@3": by_hand["category_recall_at_3"],
        "hand: tool exact": by_hand["tool_exact_rate"],
    }


if __name__ == "__main__":
    main()
