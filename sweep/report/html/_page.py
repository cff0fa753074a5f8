"""The page itself: templates, with everything in them escaped, and Plotly's script inlined once."""

import json
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from sweep.errors import SweepError
from sweep.report.html._plots import Plot
from sweep.report.html._styles import STYLES
from sweep.report.html._sweep import SweepView
from sweep.report.html._words import in_words


def write_page(sweeps: Sequence[SweepView], path: Path) -> int:
    """Write a page about some sweeps; returns its size in bytes.

    Raises
    ------
    SweepError
        If the file cannot be written.
    """
    text = render(sweeps)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SweepError(
            f"The page cannot be written to {str(path)!r} ({error.strerror}): give a file that can "
            "be."
        ) from error


def render(sweeps: Sequence[SweepView]) -> str:
    """Return a page about some sweeps, in their order."""
    # Imported here: it takes a second, and reports without a page need none.
    from plotly.offline import get_plotlyjs

    environment = Environment(
        loader=PackageLoader("sweep.report.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = _figure
    environment.filters["words"] = in_words
    has_plots = any(sweep.plots for sweep in sweeps)
    return environment.get_template("page.html").render(
        sweeps=sweeps,
        title=", ".join(dict.fromkeys(sweep.name for sweep in sweeps)),
        plotly=_script(get_plotlyjs()) if has_plots else "",
        style=_part(environment, "page.css"),
        script=_script(_part(environment, "page.js")),
    )


def _part(environment: Environment, name: str) -> Markup:
    """A file of this package that stands in the page as it is."""
    if environment.loader is None:
        raise TypeError("The environment has a loader.")
    return Markup(environment.loader.get_source(environment, name)[0])


def _script(text: str) -> Markup:
    """A script of ours or Plotly's, in which no string may end its element."""
    return Markup(text.replace("</script", "<\\/script").replace("<!--", "<\\!--"))


def _figure(plot: Plot) -> Markup:
    """A figure as JSON that cannot end its element, whatever its names hold."""
    content = json.loads(plot.figure.to_json())
    layout = content["layout"]
    # The page brings its own colours, for light and dark, and sizes; headings stand outside.
    for key in ("template", "title", "width", "height"):
        layout.pop(key, None)
    layout.setdefault("colorway", [style[0] for style in STYLES])
    text = json.dumps({"data": content["data"], "layout": layout})
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)
