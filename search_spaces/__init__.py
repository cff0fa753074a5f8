"""What a search may vary and why, as Optuna distributions. Imports neither core nor Ray.

A space is a short file: `SPACE = Space(varies={...}, first={...})`, and why. `--space NAME` of
`python -m sweep.search` takes one from here, `--space mine.py` any other.
"""

from search_spaces._load import load_space, space_names
from search_spaces._space import Condition, Space, SpaceError, describe

__all__ = ["Condition", "Space", "SpaceError", "describe", "load_space", "space_names"]
