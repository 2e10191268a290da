"""Run the small trials on a Dask cluster of two workers on this machine, end one in the middle, and print what came."""

import json
import os
import signal
import sys

from distributed import Client, LocalCluster

from tests.lab.small_trials import small_trials
from trm_np.data.load import load_dataset
from trm_np.lab.cluster import dask_workers
from trm_np.lab.sweep import sweep
from trm_np.lab.trial import Row


def main() -> None:
    dataset, trials = load_dataset(), small_trials(seeds=4)
    arrived: list[Row] = []
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as cluster,
        Client(cluster, set_as_default=False) as watching,
        dask_workers(cluster.scheduler_address) as executor,
    ):

        def keep(row: Row) -> None:
            arrived.append(row)
            if len(arrived) == 1:
                first, *_ = watching.run(os.getpid).values()
                os.kill(first, signal.SIGKILL)

        rows = sweep(trials, dataset, executor, keep)
    json.dump({"rows": rows, "arrived": len(arrived)}, sys.stdout)


if __name__ == "__main__":
    main()
