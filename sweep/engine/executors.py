"""The two ways to run a trial: inside a reused Tune actor, or as a Ray Train worker group."""

import functools
import uuid
from typing import Any

import ray.train
from ray import tune
from ray.train.torch import TorchTrainer, get_device
from ray.train.v2._internal.execution.callback import WorkerGroupCallback
from ray.tune.integration.ray_train import TuneReportCallback

from core.distributed import rank
from sweep.engine.hardware import hardware
from sweep.engine.notice import notices
from sweep.engine.trial import TrialRun, TrialSettings, set_threads
from sweep.tracking.store import sweep_folder

DRIVER_RESOURCES = {"CPU": 0.0, "node:__internal_head__": 0.001}
"""A Train driver only waits. Were it to hold CPUs, even a hundredth, two workers would not fit on
two cores and Train would wait for ever. It stands on the head, which is no spot node."""


def build_trainable(settings: TrialSettings) -> Any:
    """Return what a Tuner runs, with the resources of one trial attached."""
    if settings.placement.chosen_executor == "actor":
        trainable = tune.with_parameters(TrialActor, settings=settings)
        return tune.with_resources(trainable, settings.placement.resources)
    driver = functools.partial(run_worker_group, settings=settings)
    return tune.with_resources(driver, DRIVER_RESOURCES)


def train_folder(settings: TrialSettings) -> str:
    """Where Ray Train keeps what it knows of its runs. Nothing of it is read again."""
    return f"{sweep_folder(settings.storage, settings.sweep_id)}/ray-train"


class TrialActor(tune.Trainable):
    """A trial in the Tune actor's own process. The actor is reused for the next trial."""

    # The settings come from tune.with_parameters.
    def setup(  # type: ignore[override]
        self, config: dict[str, Any], settings: TrialSettings
    ) -> None:
        set_threads(settings.placement.cpus)
        self._settings = settings
        notices().listen()
        self._start(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._start(new_config)
        return True

    def step(self) -> dict[str, Any]:
        report = self._run.advance()
        return {**report.to_result(), "done": report.done}

    def _start(self, overrides: dict[str, Any]) -> None:
        device = "cuda" if self._settings.placement.gpus else "cpu"
        self._run = _new_run(overrides, self._settings, device)


def _new_run(overrides: dict[str, Any], settings: TrialSettings, device: str) -> TrialRun:
    return TrialRun(
        settings.config(overrides),
        settings,
        device,
        notices=notices(),
        hardware=hardware(device, settings.placement.cpus),
    )


def run_worker_group(overrides: dict[str, Any], *, settings: TrialSettings) -> None:
    """A trial as a Ray Train worker group, from inside a Tune function trainable."""
    context = tune.get_context()
    placement = settings.placement
    trainer = TorchTrainer(
        _train_worker,
        train_loop_config={"overrides": overrides, "settings": settings},
        scaling_config=ray.train.ScalingConfig(
            num_workers=placement.workers,
            use_gpu=placement.gpus > 0,
            resources_per_worker={
                "CPU": placement.cpus,
                **({"GPU": placement.gpus} if placement.gpus else {}),
            },
        ),
        # Train goes on with an earlier run of the same name; ours resume from TrialStore instead.
        run_config=ray.train.RunConfig(
            name=f"{context.get_trial_name()}-{uuid.uuid4().hex[:8]}",
            storage_path=train_folder(settings),
            callbacks=[TuneReportCallback(), _Listen()],  # type: ignore[list-item, no-untyped-call]
        ),
    )
    trainer.fit()


class _Listen(WorkerGroupCallback):
    """Lets each worker of a group take notice of its end, in its main thread."""

    def after_worker_group_start(self, worker_group: Any) -> None:
        worker_group.execute(_listen)


def _listen() -> None:
    notices().listen()


def _train_worker(loop_config: dict[str, Any]) -> None:
    settings: TrialSettings = loop_config["settings"]
    set_threads(settings.placement.cpus)
    run = _new_run(loop_config["overrides"], settings, str(get_device()))
    done = False
    while not done:
        report = run.advance()
        done = report.done
        # Only rank 0 has numbers, and Tune is told those alone.
        ray.train.report(report.to_result() if rank() == 0 else {})
