"""Rows like those of `trm lab recursion`, with random figures."""

import numpy as np

from trm_np.lab.recursion import STEPS, data_digest, variants
from trm_np.lab.trial import Row, identity, with_seeds
from trm_np.puzzles.sudoku import SUDOKU_6

ROUNDS = (3, 5, 8)
PUZZLES = 20  # of each number of rounds


def made_up(seeds: int) -> list[Row]:
    """Rows in which more steps solve more puzzles."""
    rng, rows = np.random.default_rng(0), []
    for trial in with_seeds(variants({}), seeds):
        solved = np.sort(rng.integers(PUZZLES + 1, size=(len(ROUNDS), STEPS)), axis=1)
        shares = solved.sum(axis=0) / (PUZZLES * len(ROUNDS))
        test = {
            "solved": float(shares[-1]),
            "solved_by_steps": {str(step + 1): float(share) for step, share in enumerate(shares)},
            "halting": {"solved": float(shares[-2]), "mean_steps": 4.5},
        }
        rows.append({
            "name": trial.name,
            **identity(trial, data_digest(SUDOKU_6)),
            "parameters": 82_946,
            "updates": 100 * trial.config.training.epochs,
            "best_epoch": 20,
            "test": test,
            "by_rounds": [
                {"rounds": rounds, "puzzles": PUZZLES, "solved": each.tolist()}
                for rounds, each in zip(ROUNDS, solved, strict=True)
            ],
            "curve": [],
        })  # fmt: skip
    return rows
