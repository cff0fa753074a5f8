"""The methods that can be trained, by name, and the rows of Table 1 that they make."""

from core.methods._calibrated import CalibratedRecognizer, calibration_split
from core.methods._registry import METHODS, check_method, create_state
from core.methods._rows import ROWS

__all__ = [
    "METHODS",
    "ROWS",
    "CalibratedRecognizer",
    "calibration_split",
    "check_method",
    "create_state",
]
