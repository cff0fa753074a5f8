"""What methods share that look at a trunk's maps."""

from core.methods._maps._network import MapNetwork, check_map_config
from core.methods._maps._spread import classes_of_units

__all__ = ["MapNetwork", "check_map_config", "classes_of_units"]
