"""The site as files: what is on each page, that links lead somewhere, and that text from outside stays text."""

from __future__ import annotations

import hashlib
import json
import math
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError
from site_maker import HOSTILE, make_record, sheets_of, toy_records

from brainbench.benchmark.errors import StoreError
from brainbench.leaderboard.beside import withdrawn_alone
from brainbench.leaderboard.site import SuiteSheet, write_site
from brainbench.leaderboard.site.home_page import web_address
from brainbench.leaderboard.site.names import address, stem
from brainbench.leaderboard.site.plot import MARGIN, WIDTH, label, make_axis, nice_step
from brainbench.leaderboard.site.record_page import source_of
from brainbench.leaderboard.site.task_page import data_card
from brainbench.leaderboard.site.views import letter, table_view
from brainbench.leaderboard.site.write import environment
from brainbench.leaderboard.table import Cell, Column, Row, Sheet, Table


class Page(HTMLParser):
    """Elements of a page in order, with their attributes, and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.path = path
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), (self.path, tag, attrs)
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        return [attrs for tag, attrs in self.elements if tag in tags]


@pytest.fixture
def site(tmp_path):
    def made(records, suites=()):
        write_site(tmp_path / "site", sheets_of(records), suites)
        return tmp_path / "site"

    return made


def pages(folder: Path) -> list[Page]:
    return [Page(path) for path in sorted(folder.rglob("*.html"))]


def test_a_page_for_each_task_method_and_record(site):
    folder = site(toy_records(3))
    assert sorted(path.name for path in (folder / "tasks").iterdir()) == [
        Path(address("task", "toy-asd@4-shot")).name, "toy-asd.html",
    ]  # fmt: skip
    assert {path.stem for path in (folder / "methods").iterdir()} == {"broken", "method-1", "method-2", "method-3"}
    assert len(list((folder / "records").glob("*.json"))) == len(list((folder / "records").glob("*.html"))) == 6


def test_every_link_leads_to_a_page_and_every_fragment_to_an_element(site):
    suite = SuiteSheet("toys", Sheet("toys", "suite toys", (Table("s", "", (Column("method", "method"),), ()),)), "")
    for page in pages(site(toy_records(3), [suite])):
        for attrs in page.all("a", "link", "script"):
            target = attrs.get("href") or attrs.get("src")
            if target.startswith("https://"):
                assert attrs["rel"] == "noopener noreferrer nofollow external"
                continue
            where, _, fragment = unquote(target).partition("#")
            file = (page.path.parent / where).resolve() if where else page.path
            assert file.is_file(), (page.path, target)
            if fragment:
                ids = [part.get("id") for _, part in (Page(file) if where else page).elements]
                assert fragment in ids, (page.path, target)


def test_ids_are_unique_and_headings_do_not_skip(site):
    for page in pages(site(toy_records(12))):
        ids = [attrs["id"] for _, attrs in page.elements if attrs.get("id")]
        assert len(ids) == len(set(ids)), page.path
        levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after <= before + 1 for before, after in pairwise(levels)), (page.path, levels)


def test_text_from_outside_stays_text(site):
    folder = site([make_record("a", 0.8, task=f"toy{HOSTILE}", text=HOSTILE), make_record("b", 0.7, text=HOSTILE)])
    for page in pages(folder):
        assert [attrs.get("src") for attrs in page.all("script")] == [
            f"{'../' * (page.path.parent != folder)}static/site.js"
        ]
        assert not page.all("img", "iframe", "object", "embed", "form", "style", "base")
        for tag, attrs in page.elements:
            assert not [name for name in attrs if name.startswith("on") or name == "style"], (page.path, tag, attrs)
            assert not str(attrs.get("href", "")).lower().startswith(("javascript:", "data:", "//"))
        raw = page.path.read_text(encoding="utf-8")
        assert "\u202e" not in raw
        assert "\x07" not in raw
        assert "49" not in re.sub(r"[0-9a-f]{10,}", "", page.text)  # a template inside a name is not run
    home = Page(folder / "index.html")
    assert "<script>window.hit=1</script>" in home.text
    assert '"Content-Security-Policy" content="default-src \'none\';' in (folder / "index.html").read_text()


def test_file_names_hold_nothing_from_outside_but_plain_letters(site):
    names = ["../../up", "CON", "con", "a/b", "A", "x" * 300, "", ".", "é", "a\0b", "index"]
    folder = site([make_record(name, 0.5 + k / 50, task=f"t{name}") for k, name in enumerate(names)])
    made = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    assert all(re.fullmatch(r"[a-z0-9._/-]+", str(path)) for path in made)
    assert len({str(path).lower() for path in made}) == len(made)
    assert len(list((folder / "methods").iterdir())) == len(names)
    assert not (folder.parent.parent / "up.html").exists()


@given(st.lists(st.text(max_size=90), unique=True, max_size=30))
def test_different_names_have_different_stems_in_any_case(names):
    stems = [stem(name) for name in names]
    assert len({part.lower() for part in stems}) == len(names)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,99}", part) for part in stems)


def test_a_download_is_the_record_and_its_hash_is_printed(site, tmp_path):
    record = make_record("a", 0.8)
    folder = site([record])
    file = folder / address("record", record.id, "json")
    assert json.loads(file.read_text())["scores"]["auc"]["value"] == 0.8
    assert hashlib.sha256(file.read_bytes()).hexdigest() in Page(file.with_suffix(".html")).text
    write_site(tmp_path / "other", sheets_of([record]), content=lambda record: b"shielded")
    assert (tmp_path / "other" / address("record", record.id, "json")).read_bytes() == b"shielded"


def test_a_failure_leaves_the_older_site_and_no_rest(site, tmp_path, monkeypatch):
    folder = site(toy_records(2))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    broken = make_record("a", 0.8).model_copy(update={"environment": None})
    with pytest.raises(AttributeError):
        write_site(folder, sheets_of_or_broken(broken))
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def sheets_of_or_broken(record):
    (made,) = sheets_of([make_record("a", 0.8)])
    return [type(made)(made.sheet, made.first, (record,))]


def test_a_second_site_takes_the_place_of_the_first_and_keeps_none_of_its_pages(site):
    site([make_record("old", 0.8)])
    folder = site([make_record("new", 0.8)])
    assert [path.stem for path in (folder / "methods").iterdir()] == ["new"]


def test_a_folder_of_something_else_is_not_replaced(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    with pytest.raises(StoreError, match="something else than a site"):
        write_site(tmp_path / "thesis", sheets_of([make_record("a", 0.8)]))
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "years of work"
    with pytest.raises(StoreError, match="is a file"):
        write_site(tmp_path / "thesis" / "chapter.tex", [])


def test_what_was_put_beside_the_pages_is_not_lost(tmp_path):
    folder = tmp_path / "site"
    write_site(folder, [])
    write_site(folder, [])
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/pages")
    with pytest.raises(StoreError, match=r"'\.git', which would be lost"):
        write_site(folder, [])
    assert (folder / ".git" / "HEAD").is_file()


def test_an_empty_board_is_a_site(tmp_path):
    assert write_site(tmp_path / "site", []) == 2
    assert "No record yet." in Page(tmp_path / "site" / "index.html").text


def test_what_was_withdrawn_from_a_task_without_a_board_stands_on_the_first_page(tmp_path):
    gone = SimpleNamespace(
        id="x",
        task="lost-task",
        data="abide1",
        method="d",
        withdrawn="2026-02-01",
        what="record",
        reason="<i>no</i>",
    )
    write_site(tmp_path / "site", sheets_of([make_record("a", 0.8)]), withdrawn=withdrawn_alone([gone]))
    text = (tmp_path / "site" / "index.html").read_text()
    assert "Withdrawn from tasks" in text
    assert "lost-task" in text
    assert "&lt;i&gt;no" in text
    write_site(tmp_path / "site", sheets_of([make_record("a", 0.8)]))
    assert "Withdrawn from tasks" not in (tmp_path / "site" / "index.html").read_text()


def test_why_a_number_is_missing_stands_below_the_table_once(site):
    text = Page(site(toy_records(3)) / "tasks" / "toy-asd.html").text
    assert text.count("fold1 ran for more than 60 s") == 1


def test_boards_of_a_task_stand_on_one_page_real_first(site):
    text = Page(site(toy_records(3)) / "tasks" / "toy-asd.html").text
    assert 0 <= text.index("real data") < text.index("simulated twin")


def test_the_same_records_make_the_same_bytes(site):
    first = {path.name: path.read_bytes() for path in site(toy_records(3)).rglob("*") if path.is_file()}
    assert {path.name: path.read_bytes() for path in site(toy_records(3)[::-1]).rglob("*") if path.is_file()} == first


def test_a_name_from_a_record_never_loads_a_file(tmp_path):
    trap = tmp_path / "trap.py"
    trap.write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\nclass Trap: ...\n")
    assert data_card(f"{trap}:Trap") is None
    assert not (tmp_path / "sprung").exists()
    assert data_card("abide1").title


def test_folders_of_the_machine_that_ran_a_path_method_are_not_shown(site):
    assert source_of("/home/person/secret/mine.py:Mine") == "mine.py:Mine"
    assert source_of(r"C:\Users\person\mine.py:Mine") == "mine.py:Mine"
    record = make_record("mine", 0.8)
    spec = record.method.model_copy(update={"ref": "/home/person/mine.py:Mine"})
    folder = site([record.model_copy(update={"method": spec})])
    assert not [page.path for page in pages(folder) if "/home/person" in page.path.read_text()]


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("https://example.org/a", "https://example.org/a"),
        ("(http://example.org).", "http://example.org"),
        ("(https://example.org)", "https://example.org"),
        ("javascript:alert(1)", ""),
        ("data:text/html,x", ""),
        ("https://user:pass@example.org", ""),
        ("https://[", ""),
        ("//example.org", ""),
        ("arxiv.org/abs/1", ""),
    ],
)
def test_only_addresses_of_the_web_are_links(word, found):
    assert web_address(word) == found


def test_an_axis_holds_every_value_and_level():
    axis = make_axis("auc", [0.62, 0.81, None, math.nan], [("chance", 0.5)])
    assert (axis.low, axis.high) == (0.5, 0.81)
    assert axis.at(0.5) == MARGIN
    assert axis.at(0.81) == WIDTH - MARGIN
    assert axis.at(0.655) == pytest.approx(WIDTH / 2, abs=0.1)
    assert axis.at(-9) == MARGIN  # what lies outside is drawn at the end, never beside the column
    assert [text for text, _ in axis.ticks] == ["0.5", "0.6", "0.7", "0.8"]
    assert make_axis("auc", [None], []) is None
    assert make_axis("mae", [3.0], []).ticks


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=6))
def test_ticks_lie_on_the_axis_and_differ(values):
    axis = make_axis("m", values, [])
    assert all(MARGIN - 0.1 <= at <= WIDTH - MARGIN + 0.1 for _, at in axis.ticks)
    assert len(axis.ticks) <= 12


@pytest.mark.parametrize(("raw", "step"), [(0.07, 0.1), (0.1, 0.1), (0.11, 0.2), (2.1, 5.0), (51.0, 100.0)])
def test_steps_are_those_of_a_ruler(raw, step):
    assert nice_step(raw) == pytest.approx(step)


def test_labels_have_the_decimals_of_the_step():
    assert label(0.30000000000000004, 0.1) == "0.3"
    assert label(-0.5, 0.5) == "\N{MINUS SIGN}0.5"
    assert label(-0.0, 0.5) == "0.0"
    assert label(20, 10) == "20"


def test_notes_get_one_letter_each():
    assert [letter(k) for k in (0, 25, 26, 27, 702)] == ["a", "z", "aa", "ab", "aaa"]
    columns = (Column("method", "method"), Column("auc", "auc", sort="number"))
    rows = tuple(Row((Cell(name), Cell("-", note=why))) for name, why in (("a", "x"), ("b", "y"), ("c", "x")))
    view = table_view(Table("t", "T", columns, rows), lambda link: "")
    assert view.footnotes == (("a", "x"), ("b", "y"))
    assert [row.cells[1].mark for row in view.rows] == ["a", "b", "a"]


def test_a_template_that_names_what_is_not_there_is_an_error():
    with pytest.raises(UndefinedError):
        environment().get_template("home.html").render(root="")


def test_a_submission_does_not_say_what_a_method_of_the_keeper_is(tmp_path):
    own = make_record("method-1", 0.8)
    spec = own.method.model_copy(update={"ref": "submission:eve"})
    made = own.environment.model_copy(update={"created": "2999-01-01T00:00:00+00:00"})
    card = {**own.card, "title": "Impostor"}
    told = {"id": "eve-1", "row": "rescored", "method": spec, "environment": made, "card": card}
    write_site(tmp_path / "site", sheets_of([own, own.model_copy(update=told)]))
    for page in ("index.html", "methods/method-1.html"):
        assert "Impostor" not in (tmp_path / "site" / page).read_text()
    alone = own.model_copy(update=told)
    write_site(tmp_path / "alone", sheets_of([alone]))
    assert "Impostor" in (tmp_path / "alone" / "methods" / "method-1.html").read_text()
