"""The experiments of the lessons: their configurations, seeds and training data."""

from dataclasses import asdict, dataclass, fields, replace
from math import ceil

import numpy as np

from trm_np.config import SWITCHES, Config, DropoutConfig, LearningRateConfig, resolve
from trm_np.data.load import Dataset
from trm_np.data.simulation import simulate
from trm_np.lab.grid import grid

SIZES = (2, 5, 10, 25, 100, 1000)  # training scenarios
WRITTEN = 25  # scenarios written by hand
BATCHES = 126  # for training with each size, so that only the data differ; two epochs of the largest size
# Settings that turn imagined profiles off, for lessons about what the scenarios themselves teach.
ALONE = {"training__imagined": 0, "training__batch_size": 16}
SIMULATION_SEED = 0  # for the simulated scenarios; trials have their own seeds
FACTORS = (0.1, 0.3, 3, 10, 30)  # on the learning rate of one parameter group


@dataclass(frozen=True)
class Experiment:
    """Configurations by name, each to be run with `seeds` seeds from 0 on; `simulated` selects the training data."""

    configs: dict[str, Config]
    seeds: int = 5
    simulated: bool = False

    def dataset(self, shipped: Dataset) -> Dataset:
        """The shipped data, with simulated training scenarios if `simulated`."""
        if not self.simulated:
            return shipped
        drawn = simulate(shipped, max(SIZES), 1, len(shipped.gifts), np.random.default_rng(SIMULATION_SEED))
        return replace(shipped, train=drawn.train)


def tiny(*off: str, **settings: object) -> Config:
    """The default configuration with these switches off. Settings are given as section__name=value."""
    return resolve("tiny", off, {name.replace("__", "."): str(value) for name, value in settings.items()})


def to_the_end(**settings: object) -> Config:
    """The default configuration without early stopping, which could hide the effect of the varied setting."""
    return tiny("early_stopping", **settings)


def of_sizes(sizes: tuple[int, ...]) -> dict[str, Config]:
    """Training on each number of scenarios, for the same number of batches."""
    configs = {}
    for size in sizes:
        epochs = BATCHES // ceil(size / ALONE["training__batch_size"])
        configs[str(size)] = to_the_end(
            **ALONE,
            training__scenario_limit=size,
            training__epochs=epochs,
            training__evaluate_every=max(epochs // 10, 1),
        )
    return configs


def rates() -> dict[str, Config]:
    """Ten epochs with the learning rate of one parameter group at a time multiplied by a factor."""
    configs = {"as shipped": to_the_end(training__epochs=10)}
    trained = {name: rate for name, rate in asdict(LearningRateConfig()).items() if rate}
    for name, rate in trained.items():
        for factor in FACTORS:
            setting = {f"learning_rate__{name}": rate * factor}
            configs[f"{name} × {factor:g}"] = to_the_end(training__epochs=10, **setting)
    return configs


def tool_heads() -> dict[str, Config]:
    """Overfitting two scenarios with the report's tool head at three loss weights, and with the sigmoid head."""

    def overfitted(**settings: object) -> Config:
        alone = {**ALONE, "model__tool_vote": 1, "loss__smoothing": 0}
        return tiny("data_diversity", "early_stopping", **alone, **settings)

    configs = {
        f"softmax, weight {weight}": overfitted(model__tool_head="softmax", loss__tool=weight)
        for weight in (0.15, 0.25, 1.0)
    }
    return {**configs, "sigmoid, weight 0.25": overfitted()}


def dropouts() -> dict[str, Config]:
    """The same drop probability in all components."""
    return {
        f"{p:g}": to_the_end(training__epochs=50, **{f"dropout__{f.name}": p for f in fields(DropoutConfig)})
        for p in (0, 0.1, 0.2, 0.3, 0.5, 0.7)
    }


def patiences() -> dict[str, Config]:
    """Early stopping with three patiences and three thresholds for an improvement."""
    thresholds = {"standard error": "none", "improvement 0%": 0, "improvement 3%": 0.03}
    return {
        f"patience {patience}, {name}": tiny(training__patience=patience, training__improvement=threshold)
        for name, threshold in thresholds.items()
        for patience in (1, 5, 15)
    }


def evaluations() -> dict[str, Config]:
    return {str(every): tiny(training__evaluate_every=every) for every in (1, 2, 5, 10, 25)}


def ends() -> dict[str, Config]:
    """Training without early stopping, with all other switches on, and with one of them off."""
    others = [switch for switch in SWITCHES if switch not in ("early_stopping", "data_diversity")]
    return {
        "all else on": to_the_end(),
        **{f"without {name}": tiny("early_stopping", name) for name in others},
    }


def depths() -> dict[str, Config]:
    """T, n and N_sup varied from T = 2, n = 3, N_sup = 3. Each supervision step is an optimizer step."""
    varied: dict[str, dict[str, int]] = {
        "as shipped": {},
        "T = 1": {"model__cycles": 1},
        "T = 3": {"model__cycles": 3},
        "n = 1": {"model__latent_steps": 1},
        "n = 6": {"model__latent_steps": 6},
        "T = 1, n = 1": {"model__cycles": 1, "model__latent_steps": 1},
        "N = 1": {"model__supervision_steps": 1},
        "N = 2": {"model__supervision_steps": 2},
        "N = 4": {"model__supervision_steps": 4},
    }
    configs = {name: to_the_end(training__epochs=10, **settings) for name, settings in varied.items()}
    same_steps = to_the_end(training__epochs=30, training__evaluate_every=15, model__supervision_steps=1)
    return {**configs, "N = 1, as many optimizer steps": same_steps}


def optimizers() -> dict[str, Config]:
    varied: dict[str, dict[str, float]] = {
        "as shipped": {},
        "decay 0": {"training__weight_decay": 0},
        "decay 0.1": {"training__weight_decay": 0.1},
        "decay 1": {"training__weight_decay": 1},
        "clip at 0.1": {"training__clip_norm": 0.1},
        "clip at 10": {"training__clip_norm": 10},
        "clip at 1000": {"training__clip_norm": 1000},
    }
    return {name: to_the_end(training__epochs=50, **settings) for name, settings in varied.items()}


EXPERIMENTS = {
    "ablation": Experiment(grid("tiny", {}), seeds=10),
    "written_scenarios": Experiment(of_sizes(tuple(size for size in SIZES if size <= WRITTEN))),
    "simulated_scenarios": Experiment(of_sizes(SIZES), simulated=True),
    "learning_rates": Experiment(rates(), seeds=3),
    "tool_heads": Experiment(tool_heads(), seeds=3),
    "dropout": Experiment(dropouts()),
    "patience": Experiment(patiences()),
    "evaluations": Experiment(evaluations()),
    "ends": Experiment(ends(), seeds=3),
    "recursion": Experiment(depths()),
    "optimizer": Experiment(optimizers()),
}
