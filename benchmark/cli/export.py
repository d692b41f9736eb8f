"""``brainbench export``: the board's numbers for other software, and files that a challenge takes."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import JsonOption, StoreOption, errors, store_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...leaderboard.exporting import Rows
    from ..datasets.codabench import Accepted

app = typer.Typer(
    help="Write all scores for other software, or the file that a challenge takes.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

FileOption = Annotated[Path, typer.Option("--out", metavar="FILE", help="Where to write.")]
SubmissionsOption = Annotated[
    Path | None,
    typer.Option(
        "--submissions",
        metavar="DIR",
        help="Accepted submissions [default: $BRAINBENCH_SUBMISSIONS, else ./submissions if there].",
        show_default=False,
    ),
]


@app.callback()
def _group() -> None:
    """Write all scores for other software, or the file that a challenge takes."""


@app.command("jsonl")
def jsonl(target: FileOption, submissions: SubmissionsOption = None, store: StoreOption = None) -> None:
    """Write all scores as JSON lines: one object for each record and metric.

    Example:  brainbench export jsonl --out results.jsonl
    """
    from ...leaderboard.exporting import write_jsonl

    write(write_jsonl, target, ".jsonl", submissions, store)


@app.command("csv")
def as_csv(target: FileOption, submissions: SubmissionsOption = None, store: StoreOption = None) -> None:
    """Write all scores as CSV: one row for each record and metric; safe to open in a spreadsheet.

    Example:  brainbench export csv --out results.csv
    """
    from ...leaderboard.exporting import write_csv

    write(write_csv, target, ".csv", submissions, store)


@app.command("parquet")
def parquet(target: FileOption, submissions: SubmissionsOption = None, store: StoreOption = None) -> None:
    """Write all scores as Parquet: one row for each record and metric, with what each column means.

    Example:  brainbench export parquet --out results.parquet
    """
    from ...leaderboard.exporting import write_parquet

    write(write_parquet, target, ".parquet", submissions, store)


@app.command("huggingface")
def huggingface(
    target: Annotated[Path, typer.Option("--out", metavar="DIR", help="New folder to write.")],
    submissions: SubmissionsOption = None,
    store: StoreOption = None,
) -> None:
    """Write a folder that Hugging Face's datasets loads: a data set card, and a Parquet file an origin.

    Example:  brainbench export huggingface --out brainbench-results
    """
    from ...leaderboard.huggingface import write_folder

    write(write_folder, target, "", submissions, store)


def write(
    writer: Callable[[Rows, Path], int], target: Path, suffix: str, submissions: Path | None, store: Path | None
) -> None:
    """Write the long table; what may not leave is told on standard error. Raises `StoreError` without any row."""
    from itertools import chain, islice

    from ...leaderboard.gathered import gather, submissions_folder
    from ...leaderboard.longform import LeftOut, long_rows
    from ..errors import BadOption, StoreError
    from ..store import Store

    if suffix and target.suffix != suffix:
        raise BadOption(f"--out {target}: the file ends in {suffix}", f"use  --out {target.with_suffix(suffix)}")
    left_out = LeftOut()
    place = gather(Store(store_path(store)), submissions_folder(submissions))
    rows = long_rows(place, left_out)
    first = list(islice(rows, 1))
    for reason in () if first else left_out.reasons:
        errors().print(f"left out: {reason}", markup=False, soft_wrap=True)
    if not first:
        raise StoreError(
            f"no record in {place.store.path} to export",
            "run something first:  brainbench run --task abide2-asd --method fc-svm",
        )
    count = writer(chain(first, rows), target)
    for reason in left_out.reasons:
        errors().print(f"left out: {reason}", markup=False, soft_wrap=True)
    errors().print(f"{count} rows of {sum(map(place.count, place.places))} records", markup=False, soft_wrap=True)
    print(target)


@app.command("algonauts2025")
def algonauts2025(
    record: Annotated[
        str | None,
        typer.Argument(metavar="RECORD", help="Record of algonauts2025-friends or -ood (its beginning is enough)."),
    ] = None,
    target: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE.zip", help="Where to write [default: RECORD.zip].", show_default=False),
    ] = None,
    check: Annotated[
        Path | None, typer.Option("--check", metavar="FILE.zip", help="Check this file; write nothing.")
    ] = None,
    phase: Annotated[
        str | None, typer.Option(metavar="friends|ood", help="Phase to check for [default: by the name inside].")
    ] = None,
    counts: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Folder with the challenge's sub-0X_..._fmri_samples.npy, or JSON {subject: {run: TRs}} "
            "[default: the record's data, or what is installed].",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Seed to take [default: the first].")] = None,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="Write a file of simulated data, to try the format.")
    ] = False,
    store: StoreOption = None,
    json_: JsonOption = False,
) -> None:
    """Write the Codabench zip of a record and check it, or check a zip that was made elsewhere.

    Nothing in a file that is checked is run, and nothing is unpacked to disk.

    Example:  brainbench export algonauts2025 algonauts2025-ood--medarc --out ood.zip

    Example:  brainbench export algonauts2025 --check ood.zip --counts download/algonauts_2025.competitors/fmri
    """
    from ...leaderboard.exported import check as check_file
    from ...leaderboard.exported import export
    from ..errors import BadOption
    from ..store import Store

    if check and (target or simulated or seed is not None):
        raise BadOption("--check writes nothing and takes no --out, --seed or --simulated", "leave one of them out")
    if target and target.suffix != ".zip":
        raise BadOption(f"--out {target}: the file is a zip", f"use  --out {target.with_suffix('.zip')}")
    found = Store(store_path(store)).find(record) if record else None
    with errors().status("checking ..." if check else "writing ..."):
        if check:
            accepted = check_file(check, silent, phase=phase, counts=counts, record=found[0] if found else None)
        elif found and phase is None:
            path = target or Path(f"{found[0].id}.zip")
            accepted = export(*found, path, silent, counts=counts, seed=seed, simulated=simulated)
        else:
            hint = (
                "a record tells its phase: leave --phase out" if found else "name a RECORD, or give  --check FILE.zip"
            )
            raise BadOption("nothing to export", hint)
    tell(accepted)
    print(json.dumps(asdict(accepted), indent=1) if json_ else accepted.file)


def silent(label: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def tell(accepted: Accepted) -> None:
    """What was accepted, on standard error; that it is of simulated data is said loudly."""
    from ..datasets.codabench import FILES, SUBJECTS

    console = errors()

    def say(text: str, style: str = "") -> None:
        console.print(text, style=style, markup=False, soft_wrap=True)

    say(
        f"accepted: {FILES[accepted.phase]}, {len(SUBJECTS)} subjects, {accepted.runs} runs, {accepted.rows:,} TRs of "
        f"{accepted.parcels:,} parcels; numbers of TRs by {accepted.source}"
    )
    for note in accepted.notes:
        say(f"note: {note}", "yellow")
    if accepted.simulated:
        say(
            "SIMULATED DATA: this file was made on a simulated twin. It shows the format and must not be submitted: "
            "it says nothing of the challenge's films.",
            "bold red",
        )
