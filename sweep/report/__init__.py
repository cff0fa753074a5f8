"""Reports as data, made from MLflow alone, and the renderers that show and write them."""

from sweep.report._measures import MEASURES, check_measures, show_measures
from sweep.report._registry import REPORTS, Build, build_report
from sweep.report._report import Column, Figure, Level, Panel, Point, Report, Series, Table
from sweep.report._spread import Difference, Spread

__all__ = [
    "MEASURES",
    "REPORTS",
    "Build",
    "Column",
    "Difference",
    "Figure",
    "Level",
    "Panel",
    "Point",
    "Report",
    "Series",
    "Spread",
    "Table",
    "build_report",
    "check_measures",
    "show_measures",
]
