"""Region Grouping (Huang & Li, 2020): parts that group the cells of a map."""

from core.methods.region_grouping._method import RegionGrouping
from core.methods.region_grouping._model import RegionGroupingModel

__all__ = ["RegionGrouping", "RegionGroupingModel"]
