"""Fidelity by epoch: does it rise monotonically in our method, and in its alternatives not?

The paper's Fig. 3 ("Number of epochs", section 6.2):

    python -m sweep.ablation_epochs
    python -m sweep.ablation_epochs --dataset ayahoo --data PATH --gpus-per-trial 1

The whole method, the quantized network, that with L1, and that with a soft decision tree, each
trained for every epoch of its budget: nothing stops early. The figure has d_D(F) after each epoch,
mean and deviation over the seeds; the report tests each seed's curve by Mann-Kendall and counts
its falls.

20 training runs on digits, of which 8 took 2 min 21 s on two cores that other work kept busy five
times over. Expect no curve without a fall, a rising trend in most seeds of ours and in few of the
quantized network's, which is best after its second epoch.
"""

import sys
from collections.abc import Sequence

from core.config import TrainConfig
from sweep.cli import Experiment, Repetitions, main
from sweep.report.ablation_epochs import build as build_report
from sweep.spec import SweepSpec

ROWS = {
    "ours": "intersection",
    "quantized network": "quantized",
    "quantized + L1": "quantized+l1",
    "quantized + soft decision tree": "quantized+dt",
}
"""Arm to row of `core.methods.ROWS`. The soft tree is section 6.2's: grown online, its tests made
soft by a sigmoid."""

SETTINGS = {"drops_to_stop": None}


def build(base: TrainConfig, seeds: Sequence[int]) -> SweepSpec:
    """The method and its three variations, at equal budget."""
    # Imported here, with torch: a command's help needs no methods.
    from core import methods

    return SweepSpec(
        name="ablation_epochs",
        title=f"Fidelity by epoch on {base.dataset} (Fig. 3)",
        base=base,
        arms={arm: dict(methods.ROWS[row]) for arm, row in ROWS.items()},
        seeds=seeds,
    )


EXPERIMENT = Experiment(
    description=__doc__ or "",
    build=build,
    report=build_report,
    settings=SETTINGS,
    repetitions=Repetitions(bundled=5, archives=5),
)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
