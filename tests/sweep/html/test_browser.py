"""The page in a real Chromium: on a phone, on a desk, in the dark, on paper, by keyboard."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from sweep.report.html import SweepView, sweep_view, write_page
from sweep.report.html._plots import plots_of
from sweep.tracking.results import FinishedTrial, SweepResults
from tests.chromium import chromium
from tests.sweep.html.foreign import FIGURE, MARKUP, with_markup
from tests.sweep.test_report_search import searched

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
DESK = {"viewport": {"width": 1280, "height": 900}}
pytestmark = pytest.mark.slow
FAULTS = ("serious", "critical")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def views(
    browser: Browser,
    stored: tuple[Path, SweepResults, FinishedTrial],
    tmp_path_factory: pytest.TempPathFactory,
) -> list[SweepView]:
    searches = tmp_path_factory.mktemp("search")
    return [sweep_view(stored[1]), sweep_view(searched(searches, 5, failed=1))]


@pytest.fixture(scope="module")
def page_file(views: list[SweepView], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "page.html"
    write_page(views, path)
    return path


@contextmanager
def opened(browser: Browser, path: Path, **options: Any) -> Iterator[Page]:
    """The page once its figures are drawn; fails at a console message, an error or a request."""
    context = browser.new_context(offline=True, **options)
    page = context.new_page()
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("dialog", lambda dialog: (troubles.append(dialog.message), dialog.dismiss()))
    page.on(
        "request",
        lambda request: (
            request.url.startswith(("file:", "data:", "blob:")) or troubles.append(request.url)
        ),
    )
    page.goto(path.as_uri())
    page.locator("html[data-drawn]").wait_for(state="attached")
    yield page
    assert troubles == []
    context.close()


@pytest.mark.parametrize("options", [PHONE, DESK], ids=["phone", "desk"])
def test_it_fits_and_has_no_serious_fault(
    browser: Browser, page_file: Path, options: dict[str, Any]
) -> None:
    with opened(browser, page_file, **options) as page:
        width = options["viewport"]["width"]
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.locator(".canvas .main-svg").first.is_visible()
        assert page.locator("img").count() > 50
        assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
        assert page.evaluate("[...document.images].every(i => i.alt.length > 5)")
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
        faults = Axe().run(page).response["violations"]
        serious = [f"{f['id']}: {f['nodes'][0]['html']}" for f in faults if f["impact"] in FAULTS]
        assert serious == []


def luminance(page: Page, what: str, property_: str) -> float:
    color = page.evaluate(
        "([what, key]) => getComputedStyle(document.querySelector(what))[key]", [what, property_]
    )
    numbers = [float(part) for part in color.strip("rgba()").split(",")[:3]]
    return sum(numbers) / (3 * 255)


def test_the_dark_is_dark_and_comes_and_goes(browser: Browser, page_file: Path) -> None:
    with opened(browser, page_file, **DESK, color_scheme="dark") as page:
        assert luminance(page, "html", "backgroundColor") < 0.15
        assert luminance(page, ".answer", "color") > 0.8
        assert luminance(page, ".canvas .xtick text", "fill") > 0.8
        assert not [f for f in Axe().run(page).response["violations"] if f["impact"] in FAULTS]
        page.emulate_media(color_scheme="light")
        assert luminance(page, "html", "backgroundColor") > 0.9
        page.wait_for_timeout(200)
        assert luminance(page, ".canvas .xtick text", "fill") < 0.3


def test_paper_is_white_and_shows_what_was_folded(browser: Browser, page_file: Path) -> None:
    with opened(browser, page_file, **DESK, color_scheme="dark") as page:
        page.emulate_media(media="print", color_scheme="dark")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert luminance(page, "html", "backgroundColor") > 0.99
        assert page.locator("details:not([open])").count() == 0
        assert page.locator("nav").is_hidden()
        page.wait_for_timeout(300)
        assert luminance(page, ".canvas .xtick text", "fill") < 0.3
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.locator("details:not([open])").count() > 5
        page.wait_for_timeout(300)


def test_by_keyboard_in_the_order_of_reading(browser: Browser, page_file: Path) -> None:
    with opened(browser, page_file, **DESK) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        page.evaluate("window.order = [...document.querySelectorAll('*')]")
        places, kinds = [], set()
        for _ in range(60):
            page.keyboard.press("Tab")
            place, kind = page.evaluate(
                "[order.indexOf(document.activeElement), document.activeElement.tagName]"
            )
            places.append(place)
            kinds.add(kind)
        assert places == sorted(places)
        assert {"A", "BUTTON", "SUMMARY", "DIV"} <= kinds  # links, a figure's tools, folds, tables
        page.locator("summary").first.focus()
        page.keyboard.press("Enter")
        assert page.locator("details[open] table").first.is_visible()


def test_a_figure_can_be_zoomed_and_says_what_is_under_the_pointer(
    browser: Browser, page_file: Path
) -> None:
    with opened(browser, page_file, **DESK) as page:
        canvas = page.locator(".canvas").first
        canvas.scroll_into_view_if_needed()
        before = page.evaluate("document.querySelector('.canvas').layout.yaxis.range.slice()")
        canvas.locator("[aria-label='Zoom in']").focus()
        page.keyboard.press("Enter")
        page.wait_for_timeout(500)
        after = page.evaluate("document.querySelector('.canvas').layout.yaxis.range.slice()")
        assert after[1] - after[0] < before[1] - before[0]
        assert canvas.locator("[aria-label^='Share']").count() == 0
        canvas.locator("[aria-label='Reset axes']").click()
        page.wait_for_timeout(500)
        canvas.locator(".point").last.hover(force=True)
        canvas.locator(".hovertext").first.wait_for()


def test_names_with_markup_stay_names(
    browser: Browser, views: list[SweepView], tmp_path: Path
) -> None:
    labels = [replace(s, label=s.label + MARKUP) for s in FIGURE.panels[0].series]
    panel = replace(
        FIGURE.panels[0], series=labels, y_label=MARKUP, categories=[MARKUP, MARKUP, MARKUP]
    )
    plots = plots_of(replace(FIGURE, title=MARKUP, panels=[panel], alternative=MARKUP))
    foreign = [replace(with_markup(view), plots=[*with_markup(plots)]) for view in views]
    write_page(foreign, tmp_path / "page.html")
    with opened(browser, tmp_path / "page.html", **DESK) as page:
        assert page.locator("img[src=x]").count() == 0
        assert page.evaluate("document.scripts.length") == 2 + len(foreign) * len(plots)
        assert page.locator("h1").first.inner_text().endswith(MARKUP)
        assert page.locator("h4").first.inner_text().endswith(MARKUP)
        assert MARKUP in page.locator(".legendtext").first.text_content().replace("\u00a0", " ")
        assert page.locator(".canvas image, .canvas a").count() == 0
