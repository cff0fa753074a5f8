"""A sweep in a real MLflow store, one of whose runs was really trained."""

import dataclasses
from pathlib import Path

from core.config import preset_config
from core.data import load_dataset
from core.evaluation import evaluate
from core.extractor.artifacts import write_artifacts
from core.methods import create_state
from core.training import fit
from sweep import ablation_parts
from sweep.spec import SweepSpec
from sweep.tracking import metrics
from sweep.tracking.results import FinishedTrial, SweepResults
from sweep.tracking.trials import TrialSpec
from tests.sweep.results import by_seed, store_sweep


def spec_of(seeds: int = 2, **changes: object) -> SweepSpec:
    base = preset_config("digits").replace({"num_epochs": 4, "feature_dim": 24, **changes})
    return ablation_parts.build(base, range(seeds))


def store(folder: Path) -> tuple[SweepResults, FinishedTrial]:
    """A sweep of four arms of which one failed, and the run with a network behind it.

    That run has the highest minival accuracy of the tree.
    """
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    spec, dataset = spec_of(), load_dataset("digits")
    trained = next(trial for trial in spec.trials() if trial.arm == "+ both")

    def number(key: str, trial: TrialSpec) -> float:
        best = metrics.final(metrics.MINIVAL_TREE_ACCURACY)
        return 0.99 if key == best and trial.hash == trained.hash else by_seed(key, trial)

    results = store_sweep(
        uri,
        folder,
        spec,
        number,
        failing=("+ tree",),
        fingerprint=dataset.fingerprint,
        artifact_root=folder / "artifacts",
    )
    state = create_state(trained.config, in_channels=1, num_classes=10)
    for _ in fit(state, dataset):
        pass
    made = folder / "run"
    made.mkdir()
    write_artifacts(made, state, evaluate(state.model, state.tree, dataset), dataset)
    (trial,) = (t for t in results.trials if t.config_hash == trained.hash)
    client = results.open_client()
    client.log_artifacts(trial.run_id, str(made))
    client.set_tag(results.run_id, metrics.TAG_COMMAND, "python -m sweep.ablation_parts --seeds 2")
    tags = dict(client.get_run(results.run_id).data.tags)
    return dataclasses.replace(results, tags=tags), trial
