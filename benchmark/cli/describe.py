"""``brainbench describe``: what a scan looks like beside a cohort."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import JsonOption, errors, out

if TYPE_CHECKING:
    from ..describe.report import Description
    from ..nn.language import Language

ROWS = 25
"""Rows of the table that is printed; ``--json`` has all."""


def describe(
    scan: Annotated[
        str,
        typer.Argument(
            metavar="SCAN", help="A file of a series (.npy, .npz, .1D, .tsv, .csv, .txt), or COHORT:SCAN of a cohort."
        ),
    ],
    cohort: Annotated[
        str | None,
        typer.Option(metavar="C", help="Whose statistics make the z-scores [default: the scan's own cohort]."),
    ] = None,
    family: Annotated[
        list[str] | None,
        typer.Option(metavar="F", help="fc | gradients | graph | components; repeat for several [default: all]."),
    ] = None,
    tr: Annotated[float | None, typer.Option(metavar="SECONDS", help="TR of the scan, where it is not known.")] = None,
    target: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.png", help="Draw a figure into this file.")
    ] = None,
    wording: Annotated[
        int, typer.Option(min=0, metavar="N", help="Seed that picks among wordings; 0 is the fixed one.")
    ] = 0,
    rewrite: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Let a language model put it in its words, such as smollm2."),
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Describe a scan beside a cohort: connectivity, gradients, graph and signals, as z-scores and in words.

    The scan's own person is left out of the cohort.

    Example:  brainbench describe abide1:Pitt_0050003 --out scan.png
    """
    from ..describe.describer import FAMILIES, known_families
    from ..describe.figure import refuse_without_matplotlib
    from ..describe.reference import ask
    from ..describe.report import Description
    from .data import progress_bar

    families = known_families(family or FAMILIES)
    _refuse_options(target, tr)
    if target:
        refuse_without_matplotlib()
    language = _language(rewrite) if rewrite else None
    with progress_bar() as progress:
        found = Description.of(ask(scan, cohort, tr, progress), families, wording, progress)
    if language and rewrite:
        found = _rewritten(found, language, rewrite)
    if json_:
        print(json.dumps({**found.json(), "figure": str(target) if target else None}, indent=1))
    else:
        _print(found)
    if target:  # last: where it cannot be written, the description is not lost
        _draw(found, target)


def _refuse_options(target: Path | None, tr: float | None) -> None:
    """Raise `BadOption` for what would fail after the work is done."""
    from ..datasets.rows import MAX_TR
    from ..errors import BadOption

    if target and target.suffix != ".png":
        raise BadOption(f"--out {target}: the figure is a PNG", f"use  --out {target.with_suffix('.png')}")
    if tr is not None and not 0 < tr <= MAX_TR:
        raise BadOption(f"--tr {tr:g}: no repetition time in seconds", "give it in seconds, such as 2.0")


def _language(model: str) -> Language:
    """The language model, loaded before anything is measured: a name that is wrong costs no time."""
    try:
        from ..nn.language import load_language
    except ImportError:
        from ..errors import need

        raise need("torch", "torch") from None
    with errors().status(f"loading {model} ..."):
        return load_language(model, 0, 0)


def _rewritten(found: Description, language: Language, model: str) -> Description:
    """The description in a language model's words, or as it is where the model changed a z-score."""
    from ..describe.rewriting import rewrite

    with errors().status(f"{model} is writing ..."):
        paragraphs = [rewrite(paragraph, language) for paragraph in found.text.splitlines()]
    kept = sum(new == old for new, old in zip(paragraphs, found.text.splitlines(), strict=True))
    if kept:
        _say(f"{kept} of {len(paragraphs)} paragraphs stay as they are: {model} changed a z-score in them")
    return replace(found, text="\n".join(paragraphs))


def _draw(found: Description, target: Path) -> None:
    """Write the figure."""
    from ..describe.figure import description_figure
    from ..files import write_bytes

    with errors().status("drawing ..."):
        picture = description_figure(found)
    write_bytes(target, picture)
    _say(f"figure: {target}")


def _print(found: Description) -> None:
    """The text, and the measures that stand out."""
    from rich.table import Table

    asked, console = found.asked, out()
    for note in asked.notes:
        _say(note)
    console.print(found.text.replace("\n", "\n\n"), markup=False, soft_wrap=True)
    notable = found.notable()
    title = f"{asked.title} beside {len(asked.reference)} scans of {asked.cohort}: |z| of 1 and more"
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("measure")
    for column in ("value", "mean", "SD", "z"):
        table.add_column(column, justify="right")
    table.add_column("")
    for k in notable[:ROWS]:
        numbers = (found.values[k], found.describer.mean[k], found.describer.sd[k])
        table.add_row(
            found.describer.names[k], *(f"{number:.4g}" for number in numbers), f"{found.z[k]:+.1f}", found.word(k)
        )
    console.print()
    console.print(table)
    more = len(notable) - ROWS
    typical = int(found.known.sum()) - len(notable)
    _say(f"{f'{more} more stand out, ' if more > 0 else ''}{typical} measures are typical; all of them:  --json")
    for line in found.unknown:
        _say(f"not known: {line}")


def _say(text: str) -> None:
    """A line on standard error."""
    errors().print(text, markup=False, soft_wrap=True)
