"""Run the small trials on a Dask cluster of two workers on this machine, end one in the middle, and print what came.

Then have it answer some people: a list of them, and lines.
"""

import json
import os
import signal
import sys

from distributed import Client, LocalCluster

from tests.lab.small_trials import small_trials
from tests.recommend.stored_models import trained
from tests.waiting import HANG
from trm_np import Recommender
from trm_np.data.load import load_dataset
from trm_np.executors import dask as lab_cluster
from trm_np.lab.sweep import sweep
from trm_np.lab.trial import Row
from trm_np.recommend.lines import spread
from trm_np.recommend.terms import Terms

PEOPLE: list[dict[str, object]] = [{"age": age, "hobbies": ["cooking"]} for age in range(20, 60, 4)]


def main() -> None:
    lab_cluster.CONNECTING = HANG
    dataset, trials = load_dataset(), small_trials(seeds=4)
    arrived: list[Row] = []
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as cluster,
        Client(cluster, set_as_default=False) as watching,
        lab_cluster.dask_workers(cluster.scheduler_address) as executor,
    ):

        def keep(row: Row) -> None:
            arrived.append(row)
            if len(arrived) == 1:
                first, *_ = watching.run(os.getpid).values()
                os.kill(first, signal.SIGKILL)

        rows = sweep(trials, dataset, executor, keep)
        recommender = Recommender(trained())
        many = executor.submit(recommender.recommend_many, PEOPLE).result()
        lines = [(number, json.dumps(person).encode()) for number, person in enumerate(PEOPLE, 1)]
        (answered,) = spread(executor, recommender, iter([lines]), Terms(), False, "people")
    found = {"rows": rows, "arrived": len(arrived), "lines": answered.text}
    json.dump(found | {"many": [each.to_dict() for each in many]}, sys.stdout)


if __name__ == "__main__":
    main()
