"""What a Ray cluster has, and how much of it is taken."""

from typing import Any

import ray
from ray._private import state

from sweep.engine.ray_cluster import join_ray


def describe_cluster(address: str) -> str:
    """One line: nodes, and CPUs and GPUs that are taken.

    Raises
    ------
    SweepError
        If no cluster answers.
    """
    with join_ray(address):
        nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
        alive = [node for node in nodes if node["Alive"]]
        total: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        free: dict[str, float] = ray.available_resources()  # type: ignore[no-untyped-call]
        leaving = len(state.state.get_draining_nodes())
    parts = [f"{len(alive)} nodes" + (f", {leaving} of them about to go" if leaving else "")]
    parts += [
        f"{total[kind] - free.get(kind, 0.0):g} of {total[kind]:g} {kind}s taken"
        for kind in ("CPU", "GPU")
        if kind in total
    ]
    return f"cluster {address}: {' · '.join(parts)}"
