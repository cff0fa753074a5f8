"""Where and with what a sweep runs."""

from dataclasses import dataclass, field
from pathlib import Path

from sweep.engine.data import DataPlaces
from sweep.engine.placement import Placement


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Where and with what a sweep runs. Nothing here changes a trial's result."""

    output: Path
    """Folder of figures, tables and the embedded MLflow store."""

    tracking_uri: str
    storage: str
    """Where trials keep checkpoints and artifacts: a folder that all nodes share, or a URI."""

    address: str | None = None
    """Ray cluster to join."""

    take_over: bool = False
    """Whether to drive a sweep that another driver seems to drive."""

    data: DataPlaces = field(default_factory=DataPlaces)
    placement: Placement = field(default_factory=Placement)

    @property
    def uses_embedded_store(self) -> bool:
        """Whether MLflow's store is a file here, not a server."""
        return not self.tracking_uri.startswith(("http://", "https://"))
