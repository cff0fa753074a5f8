"""Seconds and bytes that a page about many runs takes to make, from a real MLflow store.

    python -m benchmarks.page

Writes the runs of an ablation over p with 42 seeds into a temporary SQLite file, one of them with a
network that was trained for four epochs, and calls `python -m sweep.report ablation_p --html` on
it. A page must take less than 20 s and 20 MB for 500 runs. Takes about two minutes, most of it for
the runs to be written.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient

from core.config import TrainConfig, preset_config
from core.data import Dataset, load_dataset
from core.evaluation import evaluate
from core.extractor.artifacts import write_artifacts
from core.methods import create_state
from core.training import fit
from sweep import ablation_p
from sweep.spec import SweepSpec
from sweep.tracking import metrics
from sweep.tracking.connect import EXPERIMENT, connect
from sweep.tracking.reader import PARENT_TAG, PLAN_FILE

NUM_SEEDS = 42
FINAL = (*metrics.FINAL_METRICS, *metrics.ASSESSMENT_METRICS)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=NUM_SEEDS, help=f"default: {NUM_SEEDS}")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        uri, page = f"sqlite:///{folder / 'mlflow.db'}", folder / "page.html"
        client, experiment_id = connect(uri, EXPERIMENT, artifact_root=folder / "artifacts")
        base = preset_config("digits").replace({"num_epochs": 4})
        spec = ablation_p.build(base, range(options.seeds))
        count = _write(client, experiment_id, spec, folder)
        start = time.perf_counter()
        command = ("sweep.report", "ablation_p", "--tracking-uri", uri, "--html", str(page))
        subprocess.run([sys.executable, "-m", *command], check=True)
        seconds = time.perf_counter() - start
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        size = page.stat().st_size / 1e6
    cpu = used.ru_utime + used.ru_stime
    print(f"{count} runs: {seconds:.1f} s, of which {cpu:.1f} s of CPU time; {size:.1f} MB")


def _write(client: MlflowClient, experiment_id: str, spec: SweepSpec, folder: Path) -> int:
    """Runs with numbers that depend on arm and seed; the first has a network. Returns how many."""
    dataset = load_dataset(spec.base.dataset)
    trials = spec.trials()
    parent = client.create_run(experiment_id, tags={metrics.TAG_SWEEP: spec.name}).info.run_id
    plan = spec.plan({trial.hash: dataset.fingerprint for trial in trials})
    client.log_text(parent, plan.to_json(), PLAN_FILE)
    for number, trial in enumerate(trials):
        tags = {
            PARENT_TAG: parent,
            metrics.TAG_SWEEP: spec.name,
            metrics.TAG_CONFIG_HASH: trial.hash,
            metrics.TAG_DATASET_FINGERPRINT: dataset.fingerprint,
            metrics.TAG_SEED: str(trial.config.seed),
        }
        run = client.create_run(experiment_id).info.run_id
        value = 0.5 + 0.3 * trial.config.mask_probability + 0.002 * (number % 31)
        best = number == 0  # it is the one that the page looks into
        client.log_batch(
            run,
            metrics=[Metric(key, 1.0 if best else value, 0, 0) for key in FINAL],
            params=[Param(key, str(found)) for key, found in trial.config.params().items()],
            tags=[RunTag(key, found) for key, found in tags.items()],
        )
        if best:
            _train_into(client, run, trial.config, dataset, folder / "made")
        client.set_terminated(run)
    client.set_terminated(parent)
    return len(trials)


def _train_into(
    client: MlflowClient, run: str, config: TrainConfig, dataset: Dataset, made: Path
) -> None:
    channels = dataset.image_shape[0]
    state = create_state(config, in_channels=channels, num_classes=dataset.num_classes)
    for _ in fit(state, dataset):
        pass
    made.mkdir()
    write_artifacts(made, state, evaluate(state.model, state.tree, dataset), dataset)
    client.log_artifacts(run, str(made))


if __name__ == "__main__":
    main()
