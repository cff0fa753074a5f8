"""The paper: quantizer, model, Algorithm 1, decision tree, fidelity and datasets.

Nothing in this package knows of Ray, MLflow or Optuna; `sweep` builds on it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.extractor import AttributeExtractor

__all__ = ["AttributeExtractor"]


def __getattr__(name: str) -> Any:
    # Imported when asked for, so that `import core` stays light.
    if name == "AttributeExtractor":
        from core.extractor import AttributeExtractor

        return AttributeExtractor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
