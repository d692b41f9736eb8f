"""The one table model and its faces: terminal, Markdown, LaTeX."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from io import StringIO
from types import SimpleNamespace
from zlib import crc32

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.cells import cell_len
from rich.console import Console

from brainbench.benchmark.cells import MethodSpec
from brainbench.benchmark.record import (
    CeilingPart,
    CellCost,
    CellPart,
    DataPart,
    Environment,
    Finding,
    Record,
    ScorePart,
    SplitPart,
    TaskPart,
)
from brainbench.benchmark.registry import entries
from brainbench.leaderboard.board import make_board
from brainbench.leaderboard.costs import counted_parts, parameters
from brainbench.leaderboard.critical import critical
from brainbench.leaderboard.fields import marked
from brainbench.leaderboard.floors import floors, why_floor
from brainbench.leaderboard.latex import escape_latex, to_latex
from brainbench.leaderboard.markdown import escape_markdown, to_markdown
from brainbench.leaderboard.narrow import fitted
from brainbench.leaderboard.standing import Standing
from brainbench.leaderboard.suite import SuiteLine, SuiteTable
from brainbench.leaderboard.table import Cell, Column, Row, Sheet, Table
from brainbench.leaderboard.tables import board_sheet, suite_sheet
from brainbench.leaderboard.terminal import to_terminal
from brainbench.leaderboard.wording import scaled

METRICS = ("auc", "accuracy", "ece", "mcc", "macro-f1")
HOSTILE = "a\\|b\x1b[2J[red]c[/red] [d](javascript:e)\r<script>*x*_y_`z`&lt;$\\input{/etc/passwd}%&#{}~^\u202e"


def score(value: float | None, **changes) -> ScorePart:
    """A score with an interval of 0.1 around it."""
    low, high = (None, None) if value is None else (value - 0.05, value + 0.05)
    plain = {"fold_sd": 0.01, "seed_sd": None, "pooled": value, "aggregate": "mean over folds", "folds": 2}
    told = {"value": value, "low": low, "high": high, "chance": None, "higher_is_better": True, **plain, **changes}
    return ScorePart(**told)


def record(name: str = "fc-svm", auc: float | None = 0.7, **changes) -> Record:
    """A record that was never run."""
    scores = {"auc": score(auc, chance=0.5), "accuracy": score(0.6), "ece": score(0.1, higher_is_better=False)}
    task = TaskPart(
        name="made-up", ref="made-up", version=1, title="", family="mock", kind="classification", dataset="mock",
        target="x", classes=("a", "b"), metrics=METRICS[:3], pooled=False, published=None,
    )  # fmt: skip
    cell = CellPart(fold="fold1", seed=0, key="k", status="ok", reason="", items=5, scores={}, prediction="p",
                    report={"parameters": 76637})  # fmt: skip
    cost = CellCost(fit_seconds=2.5, predict_seconds=0.5, peak_memory=300 << 20, host="")
    place = Environment(
        created="2026-01-01", host="h", platform="p", processor="c", cores=2, memory=1, device="cpu", threads=1,
        executor="local", git_revision="", git_dirty=None, packages={}, cells={"k": cost},
    )  # fmt: skip
    made = Record(
        id=f"made-up--{crc32(name.encode()):x}", harness="0", task=task, card={}, seeds=(0,), status="ok", reason="",
        method=MethodSpec(name=name, ref=name, preset="", options={}, source=""),
        data=DataPart(name="mock", source="real", origin="real", fingerprint="f", items=10, subjects=10, sites=1,
                      left_out={}),
        split=SplitPart(rule="2-fold", hash="s", folds=("fold1", "fold2")), scores=scores, cells=(cell,),
        ceiling=None, audit=(), isolated=True, ranked=True, environment=place,
    )  # fmt: skip
    return made.model_copy(update=changes)


def column(sheet: Sheet, table: str, name: str) -> list[Cell]:
    """The cells of a column of a sheet's table."""
    (found,) = (one for one in sheet.tables if one.name == table)
    place = [one.name for one in found.columns].index(name)
    return [row.cells[place] for row in found.rows]


def terminal(sheet: Sheet, width: int) -> str:
    text = StringIO()
    to_terminal(sheet, Console(file=text, width=width, highlight=False))
    return text.getvalue()


# ------------------------------------------------------------------ the model


def test_best_and_second_are_marked_as_printed_and_among_those_that_rank():
    rows = [
        record("a", 0.8001),
        record("b", 0.7999),
        record("c", 0.7),
        record("d", 0.6),
        record("e", 0.9, ranked=False),
    ]
    sheet = board_sheet(make_board(rows))
    assert [(cell.text[:5], cell.best) for cell in column(sheet, "board", "auc")] == [
        ("0.800", "best"), ("0.800", "best"), ("0.700", "second"), ("0.600", ""), ("0.900", ""),
    ]  # fmt: skip
    assert {cell.best for cell in column(sheet, "board", "accuracy")} == {""}  # all equal: nobody is best
    assert {cell.best for cell in column(sheet, "board", "fit-seconds")} == {""}


def test_lower_is_better_where_the_metric_says_so():
    scores = [{"ece": score(value, higher_is_better=False), "auc": score(0.5)} for value in (0.3, 0.1, 0.2)]
    sheet = board_sheet(make_board([record(name, scores=own) for name, own in zip("abc", scores, strict=True)]))
    assert [cell.best for cell in column(sheet, "board", "ece")] == ["", "best", "second"]
    assert "Lower is better: ece." in sheet.notes


def test_a_rank_says_its_interval_and_whether_it_is_separated():
    board = make_board([record("a", 0.8), record("b", 0.7), record("c", 0.6), record("d", 0.5)])
    stand = (Standing(1, 2), Standing(1, 2, 0.4, False), Standing(3, 3, 0.0001, True), Standing(reason="no resamples"))
    board = replace(board, lines=tuple(replace(line, standing=s) for line, s in zip(board.lines, stand, strict=True)))
    sheet = board_sheet(board)
    cells = column(sheet, "board", "rank")
    assert [cell.text for cell in cells] == ["1 (1-2)", "2= (1-2)", "3 (3-3)", "4"]
    assert [(cell.value, cell.low, cell.high) for cell in cells] == [(1, 1, 2), (2, 1, 2), (3, 3, 3), (4, None, None)]
    assert [cell.text for cell in column(sheet, "board", "p")] == ["-", "0.400", "<0.001", "-"]
    assert [row.tied for row in sheet.tables[0].rows] == [False, True, False, False]
    assert cells[3].note == "no resamples"
    assert "d: not tested against the best: no resamples" in sheet.notes
    assert any(note.startswith("=: not separated from the best") for note in sheet.notes)


def test_without_resamples_nothing_is_said_of_separation():
    sheet = board_sheet(make_board([record("a"), record("b")]))
    assert [cell.text for cell in column(sheet, "board", "rank")] == ["1", "1"]  # equal scores share a rank
    assert "p" not in [one.name for one in sheet.tables[0].columns]
    assert not any("separated" in note for note in sheet.notes)


def test_a_missing_cell_says_why():
    left = {"auc": score(0.7), "accuracy": score(None, missing="no weights\nget them"), "ece": score(None)}
    rows = [
        record("a"),
        record("b", scores=left),
        record("c", scores={"auc": score(0.6)}),
        record("d", scores={}, status="failed", reason="out of luck", ranked=False),
    ]
    sheet = board_sheet(make_board(rows))
    assert [cell.note for cell in column(sheet, "board", "accuracy")] == [
        "", "no weights\nget them", "accuracy was not scored in this record", "failed: out of luck",
    ]  # fmt: skip
    assert column(sheet, "board", "ece")[1].note == "ece is not defined on these items"
    assert "d failed: out of luck" in sheet.notes
    assert "Not scored here, accuracy: no weights." in sheet.notes
    assert column(sheet, "board", "rank")[3].note == "out of luck"
    assert "accuracy, ece: not scored in the record of c." in sheet.notes
    assert "ece: not defined on the items of b." in sheet.notes


def test_a_suite_says_who_lacks_what_and_marks_only_whole_rows():
    lines = (
        SuiteLine("a", {"auc": 0.8}, ("t", "u"), {}, 1.0, {"t": score(0.8), "u": score(0.7)}, rank=1.0, tied=True),
        SuiteLine("b", {"auc": 0.7}, ("t", "u"), {}, 1.0, {"t": score(0.7), "u": score(0.6)}, 2.0, tied=True, p=0.5),
        SuiteLine("c", {"auc": 0.9}, ("t",), {}, 1.0, {"t": score(0.9)}),
    )
    tested = critical(["a", "b"], np.array([[0.8, 0.7], [0.7, 0.6]]), [True, True], one_metric=True)
    sheet = suite_sheet(SuiteTable("s", "real", ("auc",), {"auc": True}, lines, ("t", "u"), ("v",), 0, tested, 2))
    assert [(row.rank, row.tied) for row in sheet.tables[0].rows] == [(1, False), (2, True), (None, False)]
    assert [cell.text for cell in column(sheet, "suite", "mean-rank")] == ["1.00", "2.00=", "-"]
    assert [(cell.text, cell.best) for cell in column(sheet, "suite", "t")] == [
        ("0.800", "best"), ("0.700", "second"), ("0.900", ""),
    ]  # fmt: skip
    assert column(sheet, "suite", "u")[2].note == "no complete record of u"
    assert "c has no complete record of u." in sheet.notes
    assert "Missing, without any record: v." in sheet.notes
    assert any(note.startswith("Friedman's test of 2 rows over 2 tasks") for note in sheet.notes)


def test_chance_the_best_floor_and_the_ceiling_stand_in_the_columns_of_the_metrics():
    ceiling = CeilingPart(metric="auc", value=0.9, error=0.001, with_covariates=0.95, at_training_size=0.85,
                          training_size=120, share=0.5, note="exact")  # fmt: skip
    rows = [record("fc-svm", 0.7), record("site-only", 0.6), record("majority", 0.5)]
    sheet = board_sheet(make_board([row.model_copy(update={"ceiling": ceiling}) for row in rows]))
    labels = [cell.text for cell in column(sheet, "yardsticks", "yardstick")]
    assert dict(zip(labels, [cell.value for cell in column(sheet, "yardsticks", "auc")], strict=True)) == {
        "chance": 0.5, "best floor: site-only": 0.6, "best attainable": 0.9, "the same with covariates": 0.95,
        "the same at the training size": 0.85,
    }  # fmt: skip
    assert all(row.rank is None for table in sheet.tables[1:] for row in table.rows)
    assert column(sheet, "board", "share")[0].text == "50 %"


def test_every_floor_is_a_method_or_a_control_of_one():
    known = entries("methods")
    assert {name for name in floors() if not name.startswith("+")} <= set(known)
    assert why_floor("fmri-lm+text-only")
    assert not why_floor("fmri-lm")
    assert not why_floor("majority+text")


def test_costs_and_audit_stand_beside_the_scores():
    found = (Finding(detector="d", level="leak", message="m"), Finding(detector="e", level="ok", message="n"))
    sheet = board_sheet(make_board([record("a", audit=found), record("b", 0.6)]), ids=True)
    first = {one.name: cell for one, cell in zip(sheet.tables[0].columns, sheet.tables[0].rows[0].cells, strict=True)}
    costs = ("fit-seconds", "predict-seconds", "peak-mib", "parameters", "device")
    assert [first[name].text for name in costs] == ["2.5", "0.5", "300", "76.6k", "cpu"]
    assert first["status"].text == "ok; LEAK: d"
    assert (first["audit"].text, first["audit"].note) == ("1 leak, 1 ok", "d: m; e: n")
    assert first["record"].link == f"record:{first['record'].text}"
    assert first["method"].link == "method:a"


@pytest.mark.parametrize(
    ("report", "parts"),
    [
        ({"parameters": 5}, {"all": 5}),
        ({"parameters": 5, "probe_parameters": 2, "lm_parameters": 3}, {"all": 5, "probe": 2}),
        ({"parameters": {"all": {"total": 7, "trainable": 2}}}, {"all": 7}),
        ({"lm_parameters": 3, "gcn_parameters": 4, "adapter_and_lm_trained_parameters": 9}, {"lm": 3, "gcn": 4}),
        ({"parameters": "many", "lm_parameters": True, "x_parameters": -1, "y_parameters": 10**40}, {}),
        ({"parameters": {"all": 3}}, {}),
    ],
)
def test_parameters_that_a_report_counts(report, parts):
    assert counted_parts(report) == parts
    row = record()
    told = parameters(row.model_copy(update={"cells": (row.cells[0].model_copy(update={"report": report}),)}))
    assert told.value == (sum(parts.values()) if parts else None)


def test_counts_are_scaled():
    assert [scaled(n) for n in (0, 999, 1000, 76637, 35_392_320, 1_200_000_000)] == [
        "0", "999", "1.0k", "76.6k", "35.4M", "1.2G",
    ]  # fmt: skip


def test_reported_rescored_and_withdrawn_stand_in_tables_of_their_own():
    rows = [
        record("a"),
        record("b", 0.9, row="rescored", card={"notes": "trained on the test set"}),
        record("c", 0.95, row="reported"),
    ]
    gone = SimpleNamespace(id="x", method="d", withdrawn="2026-02-01", reason="the subject asked", what="subject")
    sheet = board_sheet(replace(make_board(rows), withdrawn=(gone,)))
    ranked = {table.name: [row.rank for row in table.rows] for table in sheet.tables}
    assert ranked == {"board": [1], "yardsticks": [None], "rescored": [1], "reported": [None], "withdrawn": [None]}
    assert column(sheet, "rescored", "known")[0].text == "trained on the test set"
    for text in (terminal(sheet, 160), to_markdown(sheet), to_latex([sheet])):
        assert "trained on the test set" in text
        assert "the subject asked" in text
        assert text.index("Reproduced:") < text.index("Rescored:") < text.index("Reported:") < text.index("Withdrawn:")


def test_a_board_by_another_metric_says_so():
    sheet = board_sheet(make_board([record("a"), record("b")], metric="accuracy"))
    assert sheet.title.endswith("ranked by accuracy")
    names = [one.name for one in sheet.tables[0].columns]
    assert names.index("accuracy") == 2 < names.index("auc")


# ------------------------------------------------------------------ faces


@pytest.mark.parametrize("width", [80, 100, 120, 160])
def test_a_narrow_terminal_has_fewer_columns_and_whole_numbers(width):
    every = {name: score(0.4) for name in METRICS} | {"auc": score(0.7, chance=0.5)}
    task = record().task.model_copy(update={"metrics": METRICS})
    sheet = board_sheet(make_board([record(f"a-method-{n}", scores=every, task=task) for n in range(3)]))
    printed = terminal(sheet, width)
    rows = [line for line in printed.splitlines() if line.startswith("│")]
    assert rows
    assert all(cell_len(line) <= width for line in printed.splitlines())
    assert "…" not in "".join(rows)
    assert "0.700 [0.650, 0.750]" in "".join(rows)
    assert len([line for line in rows if "a-method-" in line]) == 3  # a row takes a line
    shown = printed.partition("What scores are read against")[0]
    left_out = " ".join(printed.split()).partition("--format markdown also: ")[2]
    for title in ("macro-f1", "device"):
        assert (title in left_out) is (title not in shown)
    assert (width >= 160) or left_out


@pytest.mark.parametrize("face", [lambda sheet: terminal(sheet, 200), to_markdown, lambda sheet: to_latex([sheet])])
def test_every_face_prints_the_same_scores(face):
    sheet = board_sheet(make_board([record("a", 0.81), record("b", 0.72)]))
    text = face(sheet)
    assert "0.810 [0.760, 0.860]" in text
    assert "0.720 [0.670, 0.770]" in text
    assert "trained and scored here" in text
    assert "chance 0.5" in text


def hostile_sheet() -> Sheet:
    found = (Finding(detector=HOSTILE, level="leak", message=HOSTILE),)
    rows = [
        record(HOSTILE, 0.8, audit=found),
        record("b", 0.6, status="failed", reason=HOSTILE, ranked=False),
        record(f"[{HOSTILE}", 0.7, row="rescored", card={"notes": HOSTILE * 3}),
    ]
    data = rows[0].data.model_copy(update={"name": HOSTILE, "left_out": {HOSTILE: 3}})
    return board_sheet(make_board([row.model_copy(update={"data": data}) for row in rows]), ids=True)


def test_text_from_outside_is_text_in_the_terminal():
    printed = terminal(hostile_sheet(), 400)
    assert not set(printed) & {"\x1b", "\r", "\u202e"}
    assert "[red]c[/red]" in printed


def test_text_from_outside_is_text_in_markdown():
    text = to_markdown(hostile_sheet())
    assert not set(text) & {"\x1b", "\r", "\u202e"}
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text)
    inside = {child.type for token in tokens for child in token.children or ()}
    assert inside <= {"text", "strong_open", "strong_close", "em_open", "em_close", "text_special"}
    assert {token.type for token in tokens if "html" in token.type or "code" in token.type} == set()
    heads = [token for token in tokens if token.type == "thead_open"]
    assert len(heads) == len(hostile_sheet().tables)
    for table in re.findall(r"(?:^\|.*\n?)+", text, re.M):
        assert len({len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in table.splitlines()}) == 1


@given(st.text(max_size=40) | st.text("_*~`[]()!&<>#|\\ :0a\n", max_size=12))
@example("__0__")
def test_any_text_comes_back_from_markdown_as_it_was(text):
    (inline,) = (t for t in MarkdownIt().enable("table").parse(f"- x{escape_markdown(text)}x") if t.type == "inline")
    clean = "".join(sign if sign.isprintable() or sign == "\n" else "\ufffd" for sign in text)
    assert "".join(child.content for child in inline.children) == f"x{' '.join(clean.splitlines())}x"


LATEX = frozenset(
    re.findall(
        "[a-zA-Z]+",
        "begin end centering caption label small resizebox linewidth toprule midrule bottomrule textbf underline par "
        "smallskip footnotesize raggedright usepackage uparrow downarrow textbackslash textasciicircum textless pm "
        "textasciitilde textgreater textbar textquotedbl times leq geq approx rightarrow ldots cdot circ mu alpha beta "
        "lambda rho tau",
    )
)


def latex_is_closed(text: str) -> bool:
    """Whether braces and environments close, and every command is one that this face writes."""
    plain = re.sub(r"\\[{}$&%#_\\]", "", text)
    commands = set(re.findall(r"\\([a-zA-Z]+)", plain))
    return plain.count("{") == plain.count("}") and commands <= LATEX and text.count(r"\begin") == text.count(r"\end")


def test_text_from_outside_is_text_in_latex():
    text = to_latex([hostile_sheet()])
    assert latex_is_closed(text)
    assert r"\textbackslash{}input\{/etc/passwd\}\%" in text
    assert "\\input" not in text
    rows = re.findall(r"\\midrule\n(.*?)\n\\bottomrule", text.replace("\\midrule\n &", " &"), re.S)
    heads = re.findall(r"\\begin{tabular}{(\w+)}", text)
    for body, sides in zip(rows, heads, strict=True):
        for line in body.splitlines():
            assert line.endswith(r" \\")
            assert len(re.findall(r"(?<!\\)&", line)) == len(sides) - 1


@given(st.text(max_size=60))
def test_any_text_is_one_line_of_latex_without_commands(text):
    found = escape_latex(text)
    assert latex_is_closed(found)
    assert "\n" not in found
    bare = re.sub(r"\\[&%#_${}]", "", found)
    assert not re.search("[&%#_^~$]", re.sub(r"\$(\\[a-z]+|-|\^2|\^{\\circ})\$", "", bare))
    assert all(sign < "\x7f" or "\xc0" <= sign <= "\u017e" for sign in found)


def test_a_latex_table_is_as_papers_print_it():
    sheet = board_sheet(make_board([record("a", 0.81), record("b", 0.72), record("c", 0.6)]))
    text = to_latex([sheet, sheet])
    assert r"\textbf{0.810 [0.760, 0.860]}" in text
    assert r"\underline{0.720 [0.670, 0.770]}" in text
    assert r"auc [95 \% interval] $\uparrow$" in text
    assert r"ece $\downarrow$" in text
    assert "fit s" not in text
    assert re.findall(r"\\label{(.*?)}", text) == ["tab:made-up-board", "tab:made-up-board-2"]
    _, rows, below = re.split(r"\\midrule\n", text.partition(r"\bottomrule")[0])
    assert rows.count(r"\\") == 3
    assert below == " & chance & 0.500 &  & - & - \\\\\n"


def test_latex_takes_it(tmp_path):
    """Closed at least; compiled as well where there is a compiler."""
    sheet = board_sheet(make_board([record("a – ± é 漢 λ", 0.81), record("[b", 0.72)]))
    body = to_latex([sheet, hostile_sheet()])
    assert latex_is_closed(body)
    compiler = shutil.which("pdflatex")
    if compiler is None:
        return
    packages = "".join(re.findall(r"\\usepackage(?:\[.*?\])?{.*?}", body.splitlines()[0]))
    document = f"\\documentclass{{article}}{packages}\n\\begin{{document}}\n{body}\n\\end{{document}}\n"
    (tmp_path / "a.tex").write_text(document, encoding="utf-8")
    done = subprocess.run(
        [compiler, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "a.tex"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, errors="replace",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]


def words() -> st.SearchStrategy[str]:
    return st.text("ab c|<[\\é漢", max_size=12)


@st.composite
def tables(draw) -> Table:
    """Any table."""
    count = draw(st.integers(1, 6))
    columns = tuple(
        Column(f"c{k}", draw(words()), sort=draw(st.sampled_from(["text", "number"])), leaves=draw(st.integers(0, 3)),
               higher_is_better=draw(st.sampled_from([None, True, False])))
        for k in range(count)
    )  # fmt: skip
    cells = st.builds(Cell, words(), st.none() | st.floats(-1, 1))
    rows = draw(st.lists(st.tuples(*[cells] * count), min_size=1, max_size=5))
    return Table("t", "", columns, tuple(Row(row, rank=k) for k, row in enumerate(rows)))


@settings(max_examples=60)
@given(tables(), st.integers(10, 120))
def test_what_must_hold_of_any_table(table, room):
    shown = fitted(table, room)
    assert len(shown.table.columns) + len(shown.lost) == len(table.columns)
    assert all(column in shown.table.columns for column in table.columns if not column.leaves)
    gone = max((column.leaves for column in shown.table.columns), default=0)
    assert all(column.leaves >= gone for column in shown.lost)
    for place, one in enumerate(marked(table).columns):
        cells = [row.cells[place] for row in marked(table).rows]
        best = [cell.value for cell in cells if cell.best == "best"]
        if best and one.higher_is_better is not None:
            values = [round(cell.value, 3) for cell in cells if cell.value is not None]
            assert round(best[0], 3) == (max if one.higher_is_better else min)(values)
    sheet = Sheet("s", "s", (table,))
    assert latex_is_closed(to_latex([sheet]))
    assert to_markdown(sheet)
