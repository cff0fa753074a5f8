"""Where trials run: which executor, whether they fit, how many at once."""

from dataclasses import fields

import pytest

from core.config import TrainConfig
from sweep.cli import add_run_flags, command_parser, run_options_from
from sweep.engine.placement import Placement
from sweep.errors import SweepError


def test_every_field_has_its_flag_and_the_flags_default_is_the_fields() -> None:
    parser = add_run_flags(command_parser(""))
    assert run_options_from(parser.parse_args([])).placement == Placement()
    arguments = [
        *("--executor", "train", "--cpus-per-trial", "2", "--gpus-per-trial", "2"),
        *("--workers-per-trial", "3", "--max-concurrent", "4", "--retries", "5"),
        *("--wait-for-nodes", "--checkpoint-seconds", "6"),
    ]
    given = run_options_from(parser.parse_args(arguments)).placement
    assert given == Placement(
        executor="train",
        cpus=2,
        gpus=2,
        workers=3,
        max_concurrent=4,
        retries=5,
        wait_for_nodes=True,
        checkpoint_seconds=6,
    )
    defaults = Placement()
    assert all(getattr(given, f.name) != getattr(defaults, f.name) for f in fields(Placement))


@pytest.mark.parametrize(
    ("placement", "executor"),
    [
        (Placement(), "actor"),
        (Placement(gpus=0.5), "actor"),
        (Placement(gpus=1), "train"),
        (Placement(workers=2), "train"),
        (Placement(executor="actor", gpus=1), "actor"),
        (Placement(executor="train"), "train"),
    ],
)
def test_gpus_and_several_workers_take_a_worker_group(placement: Placement, executor: str) -> None:
    assert placement.chosen_executor == executor


@pytest.mark.parametrize(
    ("placement", "available", "expected"),
    [
        (Placement(), {"CPU": 4.0}, 4),
        (Placement(cpus=3), {"CPU": 4.0}, 1),
        (Placement(cpus=2, workers=2), {"CPU": 9.0}, 2),
        (Placement(gpus=0.5), {"CPU": 16.0, "GPU": 2.0}, 4),
        (Placement(gpus=1), {"CPU": 2.0, "GPU": 8.0}, 2),
        (Placement(max_concurrent=3), {"CPU": 4.0}, 3),
        (Placement(max_concurrent=9), {"CPU": 4.0}, 4),
        (Placement(max_concurrent=9, wait_for_nodes=True), {"CPU": 4.0}, 9),
        (Placement(gpus=1, wait_for_nodes=True), {"CPU": 4.0}, 1),
        (Placement(wait_for_nodes=True), {"CPU": 1.0}, 2),
        (Placement(wait_for_nodes=True), {"CPU": 8.0}, 12),
        (Placement(cpus=3), {"CPU": 2.0}, 1),
    ],
)
def test_as_many_trials_are_under_way_as_fit(
    placement: Placement, available: dict[str, float], expected: int
) -> None:
    assert placement.num_parallel(available) == expected


def test_what_never_fits_is_refused_unless_nodes_may_come() -> None:
    with pytest.raises(SweepError, match="asks for 8 GPUs, but the farm has 4: lower --gpus-per-"):
        Placement(gpus=4, workers=2).check_fits({"CPU": 4.0, "GPU": 4.0}, where="the farm")
    Placement(gpus=4, workers=2, wait_for_nodes=True).check_fits({"CPU": 4.0}, where="the farm")
    Placement(gpus=4).check_fits({"CPU": 4.0, "GPU": 4.0}, where="the farm")


def test_one_process_cannot_be_several_workers() -> None:
    with pytest.raises(SweepError, match="trains in one process, but --workers-per-trial is 2"):
        Placement(executor="actor", workers=2)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"gpus": 1.5}, "must be a whole number or below 1, but is 1.5"),
        ({"gpus": 0.5, "workers": 2}, "is 0.5, a share of a GPU, and --workers-per-trial is 2"),
    ],
)
def test_shares_of_a_gpu_are_for_single_workers(values: dict[str, float], message: str) -> None:
    with pytest.raises(SweepError, match=message):
        Placement(**values)


def test_batch_statistics_need_gpus_or_one_worker() -> None:
    batch, group = TrainConfig(trunk_norm="batch"), TrainConfig(trunk_norm="group")
    with pytest.raises(SweepError, match="add --set trunk_norm=group"):
        Placement(workers=2).check_batch_statistics(batch)
    Placement(workers=2).check_batch_statistics(group)
    Placement(workers=2, gpus=1).check_batch_statistics(batch)
    Placement().check_batch_statistics(batch)
