"""Spaces by name, and from a file of one's own."""

import importlib
import importlib.util
import pkgutil
from pathlib import Path

from search_spaces._space import Space, SpaceError

_HERE = Path(__file__).parent


def space_names() -> list[str]:
    """Of the spaces that come with the project: each is a file beside this one."""
    names = (module.name for module in pkgutil.iter_modules([str(_HERE)]))
    return sorted(name for name in names if not name.startswith("_"))


def load_space(name: str) -> Space:
    """Return `SPACE` of a file beside this one, or of any Python file.

    Parameters
    ----------
    name
        Name of a space, or the path of a file that ends in ".py".

    Raises
    ------
    SpaceError
        If there is no such file, or it has no `SPACE`.
    """
    if not name.endswith(".py"):
        if name not in space_names():
            raise SpaceError(
                f"There is no space {name!r}: give one of {', '.join(space_names())}, or the path "
                "of a Python file that has a SPACE."
            )
        module = importlib.import_module(f"search_spaces.{name}")
    else:
        if not Path(name).is_file():
            raise SpaceError(f"--space {name!r} is no file.")
        spec = importlib.util.spec_from_file_location(Path(name).stem, name)
        if spec is None or spec.loader is None:
            raise SpaceError(f"--space {name!r} cannot be read as Python.")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    space = getattr(module, "SPACE", None)
    if not isinstance(space, Space):
        raise SpaceError(f"--space {name!r} has no SPACE that is a search_spaces.Space.")
    return space
