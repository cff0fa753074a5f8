"""What methods share that look at a trunk's last map."""

from core.methods._maps._network import MapNetwork, check_map_method
from core.methods._maps._spread import classes_of_units

__all__ = ["MapNetwork", "check_map_method", "classes_of_units"]
