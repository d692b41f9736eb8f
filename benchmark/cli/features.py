"""``brainbench features``: what models make of films and transcripts, and the streams of a cohort."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .executing import choose_device
from .options import JsonOption, errors, out

if TYPE_CHECKING:
    from ..datasets.movies import MovieCohort
    from ..extraction.run import Outcome

app = typer.Typer(
    help="Features of stimuli: extract them, add them to a cohort, list and remove.", no_args_is_help=True
)

CohortOption = Annotated[
    str, typer.Option("--cohort", "-c", metavar="NAME", help="Imported cohort or twin of responses to films.")
]
COHORT = "algonauts2025"

MODALITIES = ("auto", "text", "audio", "video")
POOLS = ("mean", "last")


@app.command("extract")
def extract(
    model: Annotated[
        str, typer.Option("--model", "-m", metavar="NAME", help="Hub name, folder of a saved model, or smollm2.")
    ],
    stimuli: Annotated[Path, typer.Option(metavar="DIR", help="Folder of transcripts (.tsv) or films.")],
    modality: Annotated[str, typer.Option(help="auto | text | audio | video.")] = "auto",
    layers: Annotated[
        str, typer.Option(metavar="LIST", help="Module names or relative depths, separated by commas.")
    ] = "0.5,0.75,1.0",
    context: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            help="How far a chunk's window reaches back [default: 512 tokens of text; 30 s of sound for Whisper, "
            "10 s for others; 4 s of video].",
            show_default=False,
        ),
    ] = None,
    pool: Annotated[str, typer.Option(help="Of a chunk's tokens: mean | last.")] = "mean",
    batch: Annotated[
        int | None,
        typer.Option(metavar="N", help="Windows at once [default: 8; video 4].", show_default=False),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 ...")] = "auto",
    out_: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the features go.")] = Path("features"),
    json_: JsonOption = False,
) -> None:
    """Extract features of every stimulus in a folder: one row per chunk of 1.49 s, for each layer.

    The files are MODEL/SERIES/GROUP/RUN.h5. The same command goes on where an interrupted one stopped; on a GPU
    models run with bf16 autocast.

    Example:  brainbench features extract --model smollm2 --stimuli stimuli/transcripts
    """
    from ..errors import BadOption
    from ..extraction.run import Plan
    from ..extraction.run import extract as work
    from .data import progress_bar

    if modality not in MODALITIES or pool not in POOLS:
        raise BadOption(
            f"--modality {modality} --pool {pool}: not known",
            f"modalities: {', '.join(MODALITIES)}; pools: {', '.join(POOLS)}",
        )
    plan = Plan(
        model=model,
        stimuli=stimuli,
        out=out_,
        modality=None if modality == "auto" else modality,  # type: ignore[arg-type]  # checked above
        layers=tuple(part.strip() for part in layers.split(",") if part.strip()),
        context=context,
        pool="last" if pool == "last" else "mean",
        batch=batch,
        device=choose_device(device),
    )
    try:
        with progress_bar() as progress:
            outcome = work(plan, progress)
    except KeyboardInterrupt:
        errors().print("interrupted: the same command goes on; finished runs are kept")
        raise typer.Exit(130) from None
    _tell(outcome, out_, json_)


def _tell(outcome: Outcome, folder: Path, json_: bool) -> None:
    """Print what came of an extraction; exit code 1 where a stimulus failed."""
    said = errors()
    for path, why in outcome.passed_over.items():
        said.print(f"passed over {path}: {why}", markup=False, soft_wrap=True)
    for run, remarks in outcome.remarks.items():
        said.print(f"{run}: {'; '.join(remarks)}", markup=False, soft_wrap=True)
    for run, why in outcome.failed.items():
        said.print(f"{run} failed: {why}", markup=False, soft_wrap=True)
    if json_:
        import json

        told = {
            "folder": str(outcome.folder),
            "layers": outcome.layers,
            "written": outcome.written,
            "kept": outcome.kept,
            "failed": outcome.failed,
            "passed_over": {str(path): why for path, why in outcome.passed_over.items()},
        }
        print(json.dumps(told, indent=1))
    else:
        counts = f"{len(outcome.written)} runs written, {len(outcome.kept)} were there, {len(outcome.failed)} failed"
        lines = f"{outcome.folder}: {counts}\nlayers: {', '.join(outcome.layers)}"
        if outcome.written or outcome.kept:
            lines += f"\nnext:  brainbench features add {folder}"
        out().print(lines, markup=False, highlight=False, soft_wrap=True)
    if outcome.failed:
        raise typer.Exit(1)


@app.command("add")
def add(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of MODEL/SERIES/GROUP/RUN.h5, or one MODEL.")],
    cohort: CohortOption = COHORT,
    json_: JsonOption = False,
) -> None:
    """Add the streams of a folder to a cohort: its tasks then have them. The files stay where they are.

    Example:  brainbench features add features
    """
    from ..datasets.movie_streams import add_streams
    from .data import progress_bar

    opened = _cohort(cohort)
    with progress_bar() as progress:
        added = add_streams(opened, folder, progress)
    for what, why in added.left_out.items():
        errors().print(f"left out {what}: {why}", markup=False, soft_wrap=True)
    if json_:
        import json

        print(json.dumps({"streams": added.streams, "copied": added.copied, "left_out": added.left_out}, indent=1))
    else:
        for stream, stimuli in added.streams.items():
            out().print(f"{stream}: {stimuli} stimuli", markup=False, highlight=False, soft_wrap=True)
        if added.copied:
            errors().print(f"{added.copied / 1e6:.1f} MB were written anew, for their files are compressed or in parts")
    if not added.streams:
        raise typer.Exit(1)


@app.command("list")
def list_(cohort: CohortOption = COHORT, json_: JsonOption = False) -> None:
    """List the streams of a cohort: their size, the stimuli that have them, and where they are from.

    Example:  brainbench features list
    """
    from ..datasets.movie_streams import streams_table

    rows = streams_table(_cohort(cohort))
    if json_:
        import json

        print(json.dumps(rows, indent=1))
        return
    if not rows:
        errors().print(f"{cohort} has no streams; add some:  brainbench features add DIR", markup=False)
        return
    from rich.table import Table

    table = Table(*rows[0])
    for row in rows:
        table.add_row(*map(str, row.values()))
    out().print(table)


@app.command("remove")
def remove(
    stream: Annotated[str, typer.Argument(metavar="STREAM", help="MODEL/LAYER, as `brainbench features list` has it.")],
    cohort: CohortOption = COHORT,
) -> None:
    """Take a stream that was added out of a cohort. Files that came from elsewhere stay.

    Example:  brainbench features remove smollm2/model.layers.14
    """
    from ..datasets.movie_streams import remove_stream

    stimuli = remove_stream(_cohort(cohort), stream)
    out().print(f"{stream}: removed from {stimuli} stimuli of {cohort}", markup=False, highlight=False, soft_wrap=True)


def _cohort(name: str) -> MovieCohort:
    """The cohort or twin of a name or path. Raises `DataMissing`."""
    from ..datasets.movies import MovieCohort, installed
    from ..errors import DataMissing
    from ..home import cohorts, twins

    places = [cohorts(), twins()]
    for folder in (*(place / name for place in places), Path(name)):
        if folder in installed(folder.parent):
            return MovieCohort.open(folder)
    have = ", ".join(path.name for place in places for path in installed(place)) or "none"
    raise DataMissing(
        f"no responses to films by the name {name!r} (there are: {have})",
        "import some:  brainbench data import algonauts2025 PATH   or name another:  --cohort NAME",
    )
