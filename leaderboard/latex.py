"""The LaTeX face of sheets: booktabs tables as papers print them, best bold and second underlined."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from .narrow import fitted, full_title, is_prose, only, prose
from .table import Cell, Column, Row, Sheet, Table
from .wording import printable

NEEDS = "% In the preamble: \\usepackage[T1]{fontenc} \\usepackage{booktabs} \\usepackage{graphicx}"

ROOM = 132
"""Characters of a row that is shrunk to the width of a page and can still be read."""

PAGE = 84
"""Characters of a row that has room on a page in small print."""

YARDSTICKS = "yardsticks"
"""The table whose rows stand under the reproduced ones."""

NOT_PRINTED = frozenset(
    ("status", "audit", "device", "parameters", "fit-seconds", "predict-seconds", "peak-mib", "seconds")
)
"""Columns that papers leave out."""

SIGNS = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "±": r"$\pm$", "×": r"$\times$",
    "→": r"$\rightarrow$", "≤": r"$\leq$", "≥": r"$\geq$", "≈": r"$\approx$", "−": "$-$", "µ": r"$\mu$",
    "–": "--", "—": "---", "…": r"\ldots{}", "’": "'", "‘": "`", "“": "``", "”": "''", "°": r"$^{\circ}$",
    "·": r"$\cdot$", "²": "$^2$", "α": r"$\alpha$", "β": r"$\beta$", "λ": r"$\lambda$", "ρ": r"$\rho$", "τ": r"$\tau$",
}  # fmt: skip
"""What LaTeX would read otherwise, or would not know."""


def to_latex(sheets: Iterable[Sheet]) -> str:
    """A table environment for each table of the sheets, each with a caption, a label of its own, and notes.

    What costs and status tell is left to the other faces; a failed row is explained in the notes.
    """
    seen: Counter[str] = Counter()
    parts = [NEEDS]
    for sheet in sheets:
        below = next((table for table in sheet.tables if table.name == YARDSTICKS), None)
        joined = below if below and sheet.tables[0].name == "board" else None
        for place, table in enumerate(one for one in sheet.tables if one is not joined):
            label = label_of(sheet, table)
            seen[label] += 1
            number = f"-{seen[label]}" if seen[label] > 1 else ""
            parts.append(environment(sheet, table, f"{label}{number}", None if place else joined, not place))
    return "\n\n".join(parts) + "\n"


def label_of(sheet: Sheet, table: Table) -> str:
    """``tab:SHEET-TABLE`` in letters that a label may have."""
    return f"tab:{re.sub('[^A-Za-z0-9]+', '-', f'{sheet.name}-{table.name}').strip('-')}"


def environment(sheet: Sheet, table: Table, label: str, below: Table | None, first: bool) -> str:
    """One table environment, with the rows of ``below`` under it; the first one of a sheet holds its notes."""
    printed = paper_table(table)
    shown = fitted(printed, ROOM)
    lost = ", ".join(full_title(column) for column in shown.lost)
    notes = [*table.notes, *prose(table), *(sheet.notes if first else ())]
    notes += [f"Not printed for want of room: {lost}."] if lost else []
    caption = f"{sheet.title}. {table.title}" if table.title else sheet.title
    body = tabular(shown.table, under(shown.table, below) if below else ())
    wide = sum(max(len(text) for text in column) + 2 for column in texts_by_column(shown.table)) > PAGE
    return "\n".join(
        [
            r"\begin{table*}[t]",
            r"\centering",
            rf"\caption{{{escape_latex(caption)}.}}",
            rf"\label{{{label}}}",
            r"\small",
            *([r"\resizebox{\linewidth}{!}{%", body + "}"] if wide else [body]),
            *note_lines(notes),
            r"\end{table*}",
        ]
    )


def texts_by_column(table: Table) -> Iterator[list[str]]:
    """Each column's title and cells."""
    for place, column in enumerate(table.columns):
        yield [column.title, *(row.cells[place].text for row in table.rows)]


def paper_table(table: Table) -> Table:
    """The columns that a paper prints: what names a row, and its scores; sentences stand below."""
    kept = [
        place
        for place, column in enumerate(table.columns)
        if column.name not in NOT_PRINTED and not column.name.startswith("sd-") and not is_prose(table, place)
    ]
    return only(table, kept)


def under(table: Table, below: Table) -> list[Row]:
    """The rows of a table in the columns of another: its first column under the methods, the others by their names."""
    places = {column.name: place for place, column in enumerate(below.columns)}
    own = [0 if column.name == "method" else places.get(column.name) for column in table.columns]
    return [Row(tuple(Cell("") if k is None else row.cells[k] for k in own)) for row in below.rows]


def tabular(table: Table, below: Sequence[Row] = ()) -> str:
    """The table alone, between booktabs rules; further rows stand under a rule of their own."""
    sides = "".join("l" if column.sort == "text" else "c" for column in table.columns)
    lines = [rf"\begin{{tabular}}{{{sides}}}", r"\toprule"]
    lines += [" & ".join(map(head, table.columns)) + r" \\", r"\midrule"]
    lines += [" & ".join(map(latex_cell, row.cells)) + r" \\" for row in table.rows]
    lines += [r"\midrule"] if below else []
    lines += [" & ".join(map(latex_cell, row.cells)) + r" \\" for row in below]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def head(column: Column) -> str:
    """A column's title with an arrow to its better end."""
    arrow = {True: r" $\uparrow$", False: r" $\downarrow$", None: ""}[column.higher_is_better]
    return f"{escape_latex(column.title)}{arrow}"


def latex_cell(cell: Cell) -> str:
    """A cell, the best bold and the second underlined; none begins with what would end the row before otherwise."""
    text = escape_latex(cell.text)
    text = f"{{}}{text}" if text[:1] in ("[", "*") else text
    return {"best": rf"\textbf{{{text}}}", "second": rf"\underline{{{text}}}", "": text}[cell.best]


def note_lines(notes: Iterable[str]) -> Iterator[str]:
    """Notes in small print below a table, a line each."""
    told = [rf"{escape_latex(note)}\par" for note in notes]
    if told:
        yield from (r"\par\smallskip", r"\begin{minipage}{\linewidth}", r"\footnotesize\raggedright")
        yield from (*told, r"\end{minipage}")


def escape_latex(text: str) -> str:
    """Text from outside as text: no command, no line break, and no letter that a plain LaTeX does not have."""
    line = "".join(map(sign, " ".join(printable(text).split())))
    return re.sub("([-'`,?!])(?=[-'`,])", r"\1{}", line)


def sign(letter: str) -> str:
    """A letter; what is outside Latin and unknown here becomes its plain letter, else a question mark."""
    if letter in SIGNS:
        return SIGNS[letter]
    if letter < "\x7f" or "\xc0" <= letter <= "\u017e":
        return letter
    plain = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
    return "".join(SIGNS.get(one, one) for one in plain) or "?"
