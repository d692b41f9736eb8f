"""The site in a real browser: what readers see, hear, type and print."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from site_maker import HOSTILE, make_record, sheets_of, toy_records

from brainbench.leaderboard.critical import critical
from brainbench.leaderboard.critical_figure import critical_svg
from brainbench.leaderboard.site import SuiteSheet, write_site
from brainbench.leaderboard.site.plot import WIDTH
from brainbench.leaderboard.table import Cell, Column, Row, Sheet, Table

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

PAGES = (
    "index.html",
    "reading.html",
    "tasks/toy-asd.html",
    "methods/method-1.html",
    "records/toy-asd--method-1--r.html",
    "suites/toys.html",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """Chromium. Where there is none the tests are left out, but not in CI, which installs one."""
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("no chromium: .ci/system-packages installs it")
        pytest.skip("no chromium on this machine")
    api = pytest.importorskip("playwright.sync_api", reason="no playwright: install the extra test")
    with api.sync_playwright() as engine:
        made = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A site of two boards, a task under a regime, and a suite with its diagram."""
    out = tmp_path_factory.mktemp("site") / "out"
    columns = (Column("method", "method"), Column("mean-rank", "mean rank", sort="number"))
    rows = tuple(Row((Cell(f"method-{k}"), Cell(f"{k}.00", value=k))) for k in (1, 2, 3))
    sheet = Sheet("toys", "suite toys: real data", (Table("suite", "", columns, rows),), ("Ranks are means.",))
    figure = critical_svg(
        critical(["method-1", "method-2", "method-3"], np.array(RANKED), [True] * 6, True), "suite toys"
    )
    write_site(out, sheets_of(toy_records(60)), [SuiteSheet("toys", sheet, figure)])
    return out


@pytest.fixture(scope="module")
def served(folder) -> Iterator[str]:
    """The address of the site on a server."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/index.html"
    server.shutdown()


RANKED = [[0.9, 0.8, 0.7]] * 6


@pytest.fixture
def visit(browser, folder):
    """Opens a page of the site, fails on anything the browser complains of or fetches elsewhere."""
    contexts = []

    def opened(where: str, site: Path = folder, **options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.complaints = []
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("request", lambda request: page.complaints.append(request.url)
                if not request.url.startswith("file://") else None)  # fmt: skip
        page.goto(f"{site.as_uri()}/{where}")
        return page

    yield opened
    for context in contexts:
        for page in context.pages:
            assert page.complaints == []
        context.close()


def column(page, place: int, table: str = "#b0-0") -> list[str]:
    """What a column shows, from top to bottom."""
    cells = page.locator(f"{table} tbody tr:visible > :nth-child({place})").all_inner_texts()
    return [text.strip() for text in cells]


def test_sorting_goes_better_first_then_worse_then_back(visit):
    page = visit("tasks/toy-asd.html")
    board = column(page, 2)
    assert board[0] == "method-1 (small)"
    assert board[-1] == "broken (small)"
    head = page.locator("#b0-0 thead th", has_text="auc").first
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert column(page, 2) == board
    head.get_by_role("button").press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(page, 2)[0] == "method-60 (small)"
    head.get_by_role("button").press("Space")
    assert head.get_attribute("aria-sort") == "none"
    assert column(page, 2) == board
    accuracy = page.locator("#b0-0 thead th", has_text="accuracy").get_by_role("button")
    for last in ("method-60 (small)", "method-2 (small)"):
        accuracy.click()
        assert column(page, 2)[-3:] == [last, "method-1 (small)", "broken (small)"]  # what is missing is always last
    names = page.locator("#b0-0 thead th", has_text="method")
    names.get_by_role("button").click()
    assert names.get_attribute("aria-sort") == "ascending"
    assert column(page, 2)[:3] == ["broken (small)", "method-1 (small)", "method-2 (small)"]  # not 1, 10, 11


def test_filtering_shows_rows_with_all_words_and_tells_how_many(visit):
    page = visit("tasks/toy-asd.html")
    page.get_by_label("Show rows with").first.fill("METHOD-5 small")
    assert column(page, 2) == [f"method-{k} (small)" for k in (5, *range(50, 60))]
    assert page.locator("output").first.inner_text() == "11 of 61 rows"
    page.get_by_label("Show rows with").first.fill("")
    assert len(column(page, 2)) == 61
    assert page.locator("output").first.inner_text() == ""


def test_search_finds_tasks_and_methods_and_hides_the_rest(visit):
    page = visit("index.html")
    page.keyboard.press("/")
    page.keyboard.type("method-60")
    assert page.locator("#tasks").is_hidden()
    assert page.locator("#suites").is_hidden()
    assert page.locator("#methods tbody tr:visible").count() == 1
    assert page.locator("#found").inner_text() == "1 found"
    page.get_by_role("link", name="method-60").click()
    assert page.locator("h1").inner_text() == "Method method-60"


def test_a_reader_walks_from_the_first_page_to_a_download(browser, served):
    page = browser.new_page()
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(served)
    page.get_by_role("link", name="toy-asd", exact=True).click()
    page.locator("html[data-ready]").wait_for(state="attached")
    page.get_by_role("link", name="record of method-2 (small)").first.click()
    with page.expect_download() as download:
        page.get_by_role("link", name="record.json").click()
    assert b'"method-2"' in Path(download.value.path()).read_bytes()
    assert complaints == []
    page.close()


@pytest.mark.parametrize("where", PAGES)
def test_pages_are_whole_without_scripts(visit, where):
    page = visit(where, java_script_enabled=False)
    assert page.locator("main h1").count() == 1
    assert page.locator("#search").count() == 0 or page.locator("#search").is_hidden()
    if where.startswith("tasks/"):
        assert len(column(page, 2)) == 61
        assert page.locator("td.plot svg").count() > 60


@pytest.mark.parametrize("where", PAGES)
def test_a_phone_scrolls_no_page_sideways(visit, where):
    page = visit(where, viewport={"width": 360, "height": 740}, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate("[...document.querySelectorAll('main *')].every((one) => one.closest('.scroll, pre') || "
                         "one.classList.contains('vh') || one.getBoundingClientRect().right <= 361)")  # fmt: skip


def test_the_names_of_rows_stay_in_sight_on_a_phone(visit):
    page = visit("tasks/toy-asd.html", viewport={"width": 360, "height": 740})
    page.locator(".scroll").first.evaluate("(box) => { box.scrollLeft = 300; }")
    assert page.locator("#b0-0 tbody th").first.bounding_box()["x"] == pytest.approx(16, abs=1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("where", PAGES)
def test_text_contrasts_with_what_is_behind_it(visit, where, scheme):
    page = visit(where, color_scheme=scheme)
    found = page.evaluate(CONTRASTS)
    assert found
    assert [one for one in found if one["ratio"] < 4.5] == []


@pytest.mark.parametrize("where", PAGES)
def test_pages_are_accessible(visit, where):
    page = visit(where)
    assert page.evaluate(PROBLEMS) == []
    assert page.locator("html").get_attribute("lang") == "en"
    for landmark in ("banner", "main", "contentinfo"):
        assert page.get_by_role(landmark).count() == 1
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main"


def test_keyboard_focus_can_be_seen_and_reaches_the_table(visit):
    page = visit("tasks/toy-asd.html")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('thead') !== null"):
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_reduced_motion_moves_nothing(visit):
    page = visit("index.html", reduced_motion="reduce")
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    assert page.evaluate("document.getAnimations().length") == 0


def test_paper_shows_whole_tables_and_no_controls(visit):
    page = visit("tasks/toy-asd.html")
    page.emulate_media(media="print", color_scheme="light")
    assert page.get_by_label("Show rows with").first.is_hidden()
    assert page.evaluate("getComputedStyle(document.querySelector('.scroll')).overflowX") == "visible"
    assert len(page.pdf()) > 10_000


def test_hostile_text_runs_nothing_and_fetches_nothing(visit, tmp_path):
    site = tmp_path / "site"
    write_site(site, sheets_of([make_record("a", 0.8, text=HOSTILE), make_record("b", 0.7, text=HOSTILE)]))
    for path in sorted(site.rglob("*.html")):
        page = visit(path.relative_to(site).as_posix(), site)
        for box in page.get_by_role("searchbox").all():
            box.fill("<script>")
        assert page.evaluate("window.hit") is None
        assert page.locator("main img, main script").count() == 0


def test_the_policy_stops_a_script_that_gets_into_a_page_all_the_same(browser, folder, tmp_path):
    site = tmp_path / "site"
    shutil.copytree(folder, site)
    text = (site / "index.html").read_text()
    (site / "index.html").write_text(
        text.replace("<h1>", "<script>window.hit=1</script><img src=x onerror=window.hit=2><h1>")
    )
    page = browser.new_page()
    page.goto((site / "index.html").as_uri())
    assert page.evaluate("window.hit") is None
    page.close()


def test_the_interval_plot_is_drawn_to_scale(visit):
    page = visit("tasks/toy-asd.html")
    points = page.locator("#b0-0 td.plot circle").evaluate_all(
        "(all) => all.map((one) => Number(one.getAttribute('cx')))"
    )
    steps = [before - after for before, after in pairwise(points)]
    assert len(points) == 60
    assert max(steps) - min(steps) < 0.25  # methods fall by the same step; positions have one decimal
    assert page.locator("#b0-0 td.plot svg").first.bounding_box()["width"] == WIDTH
    bar = page.locator("#b0-0 td.plot .bar").first.get_attribute("d")
    low, high = map(float, re.fullmatch(r"M([\d.]+) 12H([\d.]+)", bar).groups())
    assert (low + high) / 2 == pytest.approx(points[0], abs=0.11)
    assert (high - low) / 0.08 == pytest.approx((points[0] - points[59]) / (0.02 * 59), rel=0.02)


CONTRASTS = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  const behind = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const colour = rgb(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const found = new Map();
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const one = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !one.checkVisibility({ visibilityProperty: true })) continue;
    const style = getComputedStyle(one);
    const ink = rgb(one instanceof SVGElement ? style.fill : style.color);
    const [a, b] = [light(ink), light(behind(one))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const kind = `${one.tagName}.${one.getAttribute("class") ?? ""} ${ratio.toFixed(1)}`;
    found.set(kind, { kind, ratio });
  }
  return [...found.values()];
}"""

PROBLEMS = """() => {
  const problems = [];
  const say = (what, one) => problems.push(`${what}: ${one.outerHTML.slice(0, 120)}`);
  const named = (one) => (one.getAttribute("aria-label") || one.textContent || "").trim();
  for (const one of document.querySelectorAll("a, button, summary")) if (!named(one)) say("no name", one);
  for (const one of document.querySelectorAll("input")) if (!one.labels.length) say("no label", one);
  for (const one of document.querySelectorAll("[aria-labelledby], [aria-describedby]"))
    for (const id of (one.getAttribute("aria-labelledby") || one.getAttribute("aria-describedby")).split(" "))
      if (!document.getElementById(id)) say(`no element ${id}`, one);
  for (const one of document.querySelectorAll("[role=region], nav, section[aria-labelledby]"))
    if (!one.getAttribute("aria-label") && !one.getAttribute("aria-labelledby")) say("no name", one);
  for (const table of document.querySelectorAll("table")) {
    const widths = new Set([...table.rows].map((row) => [...row.cells].reduce((sum, cell) => sum + cell.colSpan, 0)));
    if (widths.size !== 1) say("rows of different width", table);
    for (const head of table.tHead.querySelectorAll("th"))
      if (head.scope !== "col" || !named(head)) say("bad head", head);
    for (const row of table.querySelectorAll("tbody tr"))
      if (!row.querySelector("th[scope=row], th[scope=rowgroup]")) say("no head", row);
  }
  for (const box of document.querySelectorAll(".scroll, pre"))
    if (box.scrollWidth > box.clientWidth + 1 && box.tabIndex !== 0) say("no keyboard", box);
  for (const one of document.querySelectorAll("svg"))
    if (one.getAttribute("aria-hidden") !== "true" && one.getAttribute("role") !== "img") say("nameless picture", one);
  for (const one of document.querySelectorAll("[tabindex]")) if (one.tabIndex > 0) say("order of focus", one);
  for (const one of document.querySelectorAll("[aria-hidden=true]"))
    if (one.querySelector("a, button")) say("hidden focus", one);
  return problems;
}"""
