from pathlib import Path

import pytest

from sweep.tracking.results import FinishedTrial, SweepResults
from tests.sweep.html.stored import store


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SweepResults, FinishedTrial]:
    """A folder with a store, its sweep, and the run that was really trained."""
    folder = tmp_path_factory.mktemp("stored")
    return folder, *store(folder)
