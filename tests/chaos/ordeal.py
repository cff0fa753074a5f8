"""One sweep through several faults, and what must be true of it in the end."""

import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from mlflow.tracking import MlflowClient
from pyarrow import fs

from sweep.tracking import metrics
from tests.chaos.driven import Driven
from tests.chaos.faults import FAULTS
from tests.chaos.sweep import NAME, NUM_EPOCHS
from tests.chaos.world import World, world
from tests.sweep.command import assert_each_trial_once, children, parents, run

NUM_NODES = 4
SEEDS_PER_FAULT = 2


def ordeal(
    folder: Path,
    *,
    seed: int,
    faults: Sequence[str],
    arguments: list[str],
    submitted: bool = False,
) -> Iterator[str]:
    """Run a sweep through faults, in an order and at moments that the seed draws.

    Yields
    ------
    str
        Rows of a table: the fault, and the seconds until every trial that ran had gone on.

    Raises
    ------
    AssertionError
        If anything was lost, doubled, left behind or bent.
    CannotMountError
        If there is to be a full disk, and this is not root.
    """
    rng = random.Random(seed)
    order = list(faults)
    rng.shuffle(order)
    num_seeds = SEEDS_PER_FAULT * len(order) + 1
    expected = _undisturbed(folder / "undisturbed", num_seeds)
    with world(folder, takes_jobs=submitted, has_disk="disk" in order) as its:
        for _ in range(NUM_NODES):
            its.nodes.add(drain_seconds=20)
        driven = Driven(its, folder / "output", num_seeds, arguments, submitted=submitted)
        yield "| fault | seconds until all trials had gone on |"
        yield "|---|---|"
        for name in order:
            driven.wait_until_busy(2)
            time.sleep(rng.uniform(0, 4))
            driven.check_checkpoints()
            before, start = driven.epochs("RUNNING"), time.monotonic()
            FAULTS[name](driven, rng)
            driven.wait_for_progress(before)
            doc = str(FAULTS[name].__doc__).splitlines()[0]
            yield f"| {doc} | {time.monotonic() - start:.0f} |"
        code = driven.end(seconds=1800)
        assert code == 0, driven.log
        _check(driven, its, expected)
    yield f"Nothing lost, doubled, left or bent: {driven.num_trials} trials."


def _undisturbed(output: Path, num_seeds: int) -> str:
    """The table of the sweep on this machine alone, with files for stores."""
    arguments = ("--output", output, "--address", "local", "--seeds", str(num_seeds))
    code, text = run("tests.chaos.sweep", *arguments, timeout=1800)
    assert code == 0, text
    return _table(output)


def _table(output: Path) -> str:
    return (output / NAME / "table.csv").read_text()


def _check(driven: Driven, its: World, expected: str) -> None:
    trials = children(its.tracking_uri, NAME)
    assert_each_trial_once(trials, driven.num_trials)
    client = MlflowClient(tracking_uri=its.tracking_uri)
    for trial in trials:
        history = client.get_metric_history(trial.info.run_id, metrics.FIDELITY_SCORE)
        assert sorted(point.step for point in history) == list(range(NUM_EPOCHS))
        by_time = sorted(history, key=lambda point: (point.timestamp, point.step))
        assert [point.step for point in by_time] == list(range(NUM_EPOCHS))
    everything = [*trials, *parents(its.tracking_uri, NAME)]
    assert not [one for one in everything if one.info.status == "RUNNING"]
    assert _table(driven.output) == expected
    left = its.files().get_file_info(
        fs.FileSelector(its.storage.removeprefix("s3://"), recursive=True, allow_not_found=True)
    )
    files = [info.path for info in left if info.type == fs.FileType.File]
    assert not files, "nothing of a finished sweep stays in the storage"
    deadline = time.monotonic() + 30
    while driven.processes():
        assert time.monotonic() < deadline, driven.processes()
        time.sleep(0.2)
