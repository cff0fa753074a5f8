"""What a sweep is: a base config, arms that change it, and seeds."""

from sweep.spec._arms import Arms, arm_name, cross, datasets, grid, one_at_a_time
from sweep.spec._spec import SweepSpec, sweep_identity

__all__ = [
    "Arms",
    "SweepSpec",
    "arm_name",
    "cross",
    "datasets",
    "grid",
    "one_at_a_time",
    "sweep_identity",
]
