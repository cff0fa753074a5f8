"""One model from any data set, trained into a folder that `core.AttributeExtractor.load` reads.

``python -m core.train --data packed/birds --output models/birds``
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.train._run import train_to_folder

__all__ = ["train_to_folder"]


def __getattr__(name: str) -> Any:
    # torch takes seconds to import, and the command's help does without.
    if name == "train_to_folder":
        from core.train import _run

        return _run.train_to_folder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
