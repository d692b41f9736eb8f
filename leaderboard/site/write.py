"""Writing a site: every page from its template, whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ... import __version__
from ...benchmark.errors import StoreError
from ...benchmark.files import whole_folder
from ...benchmark.record import Record
from ..table import Table
from ..wording import printable
from .home_page import home_page, method_page, suite_page
from .inputs import BoardSheet, Site, SuiteSheet
from .names import FOLDERS, address
from .record_page import record_page
from .task_page import task_page

SPACES = "\n\t\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}"
"""Signs that Python does not call printable, and that do no harm on a page."""

MARK = "brainbench-site.txt"
"""A file that says of a folder that it is a site, so that the next one may take its place."""

STATIC = ("site.css", "site.js", "icon.svg")

Page = tuple[str, str, dict[str, Any]]
"""A page's address, its template, and what the template draws."""


def write_site(
    out: Path,
    boards: Sequence[BoardSheet],
    suites: Sequence[SuiteSheet] = (),
    content: Callable[[Record], bytes] | None = None,
    withdrawn: Table | None = None,
) -> int:
    """Write a site into a folder, in the place of an older one, and return the number of its pages.

    Parameters
    ----------
    out
        The folder. One that holds anything else than a site, or something beside it, is refused.
    content
        What is offered for download of a record; by default the record as JSON.
    withdrawn
        What was withdrawn from tasks that have no board any more.

    Raises
    ------
    StoreError
        Where the folder is something else's, or cannot be written.
    """
    may_replace(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    site = Site(boards, suites, withdrawn)
    with whole_folder(out, lasting=False) as new:
        for folder in (*FOLDERS.values(), "static"):
            (new / folder).mkdir()
        for name in STATIC:
            (new / "static" / name).write_bytes((files(__package__) / "static" / name).read_bytes())
        (new / MARK).write_text("A site that brainbench wrote. The next one takes its place: keep nothing here.\n")
        return write_pages(site, new, content or as_json)


def write_pages(site: Site, new: Path, content: Callable[[Record], bytes]) -> int:
    """Write all pages, and return their number."""
    made = environment()
    count = 0
    for where, template, shown in pages(site, new, content):
        root = "../" * where.count("/")
        text = made.get_template(template).render(root=root, here=where, site=site, **shown)
        (new / where).write_text(text, encoding="utf-8")
        count += 1
    return count


def may_replace(out: Path) -> None:
    """Refuse a folder whose loss would be a loss: one with files that are not of a site, such as ``.git``."""
    if out.is_dir() and any(out.iterdir()) and not (out / MARK).is_file():
        raise StoreError(f"{out}: holds something else than a site", "name a folder that is empty or new:  --out site")
    own = {MARK, "index.html", "reading.html", "static", *FOLDERS.values()}
    if out.is_dir() and (others := sorted(path.name for path in out.iterdir() if path.name not in own)):
        hint = "write to a new folder, and copy its pages there:  --out site-new"
        raise StoreError(f"{out}: a site, and beside it {others[0]!r}, which would be lost", hint)
    if out.exists() and not out.is_dir():
        raise StoreError(f"{out}: is a file; a site is a folder", "name a folder that is empty or new:  --out site")


def pages(site: Site, new: Path, content: Callable[[Record], bytes]) -> Iterator[Page]:
    """All pages; those of records come with their files."""
    yield "index.html", "home.html", home_page(site)
    yield "reading.html", "reading.html", {}
    for name in site.suites:
        yield address("suite", name), "suite.html", suite_page(name, site)
    for name in site.tasks:
        yield address("task", name), "task.html", task_page(name, site)
    for name, results in site.methods.items():
        yield address("method", name), "method.html", method_page(name, results, site)
    for name, result in site.records.items():
        raw = content(result.record)
        (new / address("record", name, "json")).write_bytes(raw)
        seal = hashlib.sha256(raw).hexdigest()
        yield address("record", name), "record.html", record_page(result, site.href, seal, len(raw))


def as_json(record: Record) -> bytes:
    """A record as the file that the store keeps of it."""
    return record.model_dump_json(indent=1).encode()


def environment() -> Environment:
    """The templates: everything from outside is escaped, and an unknown name is an error."""
    made = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=legible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(version=__version__)
    made.filters["thousands"] = lambda number: f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return made


def legible(value: object) -> object:
    """Text as it may be shown; what templates made stays as it is."""
    return printable(value, SPACES) if isinstance(value, str) and not isinstance(value, Markup) else value
