"""All files of a report."""

from pathlib import Path

from sweep.errors import SweepError
from sweep.report._report import Report
from sweep.report.render._pictures import write_pictures
from sweep.report.render._tables import write_tables


def write(report: Report, folder: Path) -> list[Path]:
    """Write each table as CSV and Parquet and each figure as PNG and SVG; return the paths.

    Raises
    ------
    SweepError
        If the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths = [path for table in report.tables for path in write_tables(table, folder)]
        return paths + [path for fig in report.figures for path in write_pictures(fig, folder)]
    except OSError as error:
        raise SweepError(
            f"The report cannot be written to {str(folder)!r} ({error.strerror}): give a folder "
            "that can be."
        ) from error
