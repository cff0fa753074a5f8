"""What a sweep is: a base config, arms that change it, and seeds."""

from sweep.spec._arms import Arms, arm_name, cross, datasets, grid, one_at_a_time
from sweep.spec._spec import SEARCH_ARM, SweepSpec, TrialSpec, sweep_identity
from sweep.spec._weights import weight_sweep

__all__ = [
    "SEARCH_ARM",
    "Arms",
    "SweepSpec",
    "TrialSpec",
    "arm_name",
    "cross",
    "datasets",
    "grid",
    "one_at_a_time",
    "sweep_identity",
    "weight_sweep",
]
