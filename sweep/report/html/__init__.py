"""Reports as one page: a file that needs no network and holds all of its figures and pictures."""

from sweep.report.html._choice import check_runs, chosen_runs
from sweep.report.html._page import render, write_page
from sweep.report.html._sweep import SweepView, sweep_view

__all__ = ["SweepView", "check_runs", "chosen_runs", "render", "sweep_view", "write_page"]
