"""``brainbench data``: bring scans in, look at them, make twins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import JsonOption, errors, out

if TYPE_CHECKING:
    from ..contracts import Leaves, Progress
    from ..datasets.recordings.dataset import RecordingsDataset

MIN_FRAMES = 50
"""Default of ``import --min-frames``."""

app = typer.Typer(
    help="List, fetch, import, check and simulate data.\n\nExample:  brainbench data list",
    no_args_is_help=True,
    rich_markup_mode=None,
)

DatasetArgument = Annotated[
    str,
    typer.Argument(metavar="DATASET", help="Such as abide1, or a part such as netsim:1; see `brainbench data list`."),
]


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A progress bar on standard error."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=errors(), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def move(label: str, done: int, total: int) -> None:
            if label not in tasks:
                tasks[label] = bar.add_task(label, total=total)
            bar.update(tasks[label], completed=done, total=total)

        yield move


@app.command("list")
def list_(json_: JsonOption = False) -> None:
    """List installed cohorts and twins, and the known data sets with how to get each.

    Example:  brainbench data list
    """
    from .data_views import print_listing

    print_listing(json_)


@app.command("get")
def get(
    dataset: DatasetArgument,
    to: Annotated[Path | None, typer.Option(metavar="DIR", help="Where the files go [default: ./DATASET].")] = None,
    atlas: Annotated[
        str | None, typer.Option(help="cc200 or cc400, of abide1 [default: cc400].", show_default=False)
    ] = None,
) -> None:
    """Download an open data set; repeat the command to continue an interrupted download.

    Example:  brainbench data get abide1 --to ./abide1
    """
    from ..datasets.fetch import get as fetch

    with progress_bar() as progress:
        folder = fetch(dataset, to or Path(dataset.partition(":")[0]), atlas, progress=progress)
    out().print(f"{folder}\nnext:  brainbench data import {dataset} {folder}", markup=False, soft_wrap=True)
    if dataset == "algonauts2025":
        from ..datasets.algonauts_get import films_command

        errors().print(f"the films (109 GB), where wanted:  {films_command(folder)}", markup=False, soft_wrap=True)


@app.command("import")
def import_(
    dataset: Annotated[
        str, typer.Argument(metavar="DATASET", help="Such as abide1, netsim, nsd; own for a cohort of your own.")
    ],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Folder (or archive) that holds the series.")],
    name: Annotated[str | None, typer.Option(metavar="COHORT", help="Name of the cohort [default: DATASET].")] = None,
    format_: Annotated[
        str, typer.Option("--format", help="auto | abide-npz | abide-1d | athena-1d | bids | nifti | volumes | table.")
    ] = "auto",
    participants: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Participants table [default: the one in PATH]; repeat to join several."),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=COLUMN", help="Where a value stands, such as diagnosis=dx; repeat for several."),
    ] = None,
    code: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME:CODES", help="What codes mean, such as diagnosis:1=autism,2=control."),
    ] = None,
    min_frames: Annotated[int, typer.Option(min=2, metavar="N", help="Shorter scans are left out.")] = MIN_FRAMES,
    atlas: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="Which atlas; for NIfTI, the label image.")
    ] = None,
    atlas_table: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Names and networks of the ROIs, one row each.")
    ] = None,
    select: Annotated[
        list[str] | None, typer.Option(metavar="ENTITY=VALUE", help="Only these BIDS files, such as task=rest.")
    ] = None,
    confounds: Annotated[
        str | None, typer.Option(metavar="COLUMNS", help="NIfTI: confounds to regress out, such as 'rot_*,trans_*'.")
    ] = None,
    tr: Annotated[float | None, typer.Option(metavar="SECONDS", help="TR where files and table do not say.")] = None,
    grid: Annotated[
        int | None, typer.Option(min=4, metavar="N", help="volumes: voxels along each axis [default: 96].")
    ] = None,
    orientation: Annotated[
        str | None,
        typer.Option(
            metavar="source-target|target-source",
            help="Networks: row of a graph's matrix is the cause, or the effect [default: as documented].",
        ),
    ] = None,
    leaves: Annotated[
        str | None,
        typer.Option(
            metavar="ids|salted|aggregates",
            help="What of records on it may leave the lab [default: as the data set's card says; aggregates for own].",
        ),
    ] = None,
    coco: Annotated[
        Path | None, typer.Option(metavar="DIR", help="nsd: COCO's annotation files [default: near PATH].")
    ] = None,
    texts: Annotated[
        Path | None, typer.Option(metavar="FILE", help="nsd: JSON of BLIP2 captions, descriptions, dialogues by image.")
    ] = None,
    sessions: Annotated[
        int | None, typer.Option(min=1, max=40, metavar="N", help="nsd: take the first N sessions [default: 37].")
    ] = None,
    pixels: Annotated[
        int | None, typer.Option(min=16, metavar="N", help="nsd: side of training pictures [default: 256].")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Import scans as a cohort. Nothing is dropped silently: each scan left out has its reason.

    Formats: npz files with one array a scan (abide-npz), Preprocessed Connectomes .1D files (abide-1d), Athena's
    .1D files of ADHD-200 (athena-1d), BIDS derivatives with *_timeseries.tsv (bids), 4-D images with a label atlas
    (nifti) or as they are (volumes), any folder of .npz, .npy, .1D, .tsv or .csv series (table).

    Networks with known graphs (netsim, sanchez, cdrl, mtl) are recognised by their layouts, and all that the
    folder or archive holds are installed; `brainbench data list` says which files are expected.

    Responses to images: nsd takes NSD's own tree or one HDF5 or NPZ file a brain, brainhub the copy that `data get`
    brings. Responses to films: algonauts2025 takes the challenge's tree, whole or the subjects that are there.

    Example:  brainbench data import own ./derivatives --name my-cohort --column diagnosis=dx --code
    diagnosis:1=autism,2=control
    """
    from ..datasets.algonauts_import import import_algonauts
    from ..datasets.importer import import_cohort
    from ..datasets.layout import Options
    from ..datasets.recordings.importer import import_recordings
    from ..errors import BadOption
    from .data_views import print_import
    from .movie_views import SETS as MOVIES
    from .movie_views import print_movie_import
    from .recordings_views import print_recordings_import
    from .response_views import SETS, print_response_import, run_import

    seen = {"coco": coco, "texts": texts, "sessions": sessions, "pixels": pixels}
    cohort_only = (name, participants, column, code, atlas, atlas_table, select, confounds, leaves)
    plain = not any(cohort_only) and format_ == "auto" and min_frames == MIN_FRAMES and not grid
    if dataset in SETS:
        if not plain or tr or orientation:
            raise BadOption(
                f"{dataset} takes --coco, --texts, --sessions, --pixels and --json only", "leave out others"
            )
        with progress_bar() as progress:
            responses = run_import(dataset, path, seen, progress)
        print_response_import(responses, json_)
        return
    if given := [f"--{option}" for option, value in seen.items() if value is not None]:
        raise BadOption(f"{dataset} takes no {given[0]}, which is of nsd", "leave it out")
    if dataset in MOVIES:
        others = (name, participants, column, code, atlas, select, confounds, tr, grid, orientation, leaves)
        if any(others) or format_ != "auto" or min_frames != MIN_FRAMES:
            raise BadOption(f"{dataset} takes --atlas-table and --json only", "leave out the other options")
        with progress_bar() as progress:
            films = import_algonauts(path, atlas_table, progress=progress)
        print_movie_import(films, json_)
        return
    if networks := find_networks(dataset):
        if not plain:
            raise BadOption(f"{dataset} takes --orientation, --tr and --json only", "leave out the other options")
        with progress_bar() as progress:
            found = import_recordings(networks, path, orientation=orientation, tr=tr, progress=progress)
        print_recordings_import(found, json_)
        return
    if orientation:
        raise BadOption(f"{dataset} holds no graphs", "leave out --orientation")
    options = Options(
        participants=participants[0] if participants else None,
        more_tables=tuple(participants[1:]) if participants else (),
        columns=pairs(column, "--column"),
        codes=codes(code),
        min_frames=min_frames,
        atlas=atlas,
        atlas_table=atlas_table,
        select=pairs(select, "--select"),
        grid=(grid, grid, grid) if grid else None,
        confounds=tuple(part.strip() for part in (confounds or "").split(",") if part.strip()),
        tr=tr,
    )
    with progress_bar() as progress:
        report = import_cohort(
            dataset, path, name=name, format=format_, options=options, leaves=known_policy(leaves), progress=progress
        )
    print_import(report, json_)


@app.command("check")
def check(
    cohort: Annotated[
        str, typer.Argument(metavar="COHORT", help="Name of an installed cohort or network, or its folder.")
    ],
    similar: Annotated[
        float, typer.Option(min=0.5, max=1, help="Correlation of FC above which two subjects are near-duplicates.")
    ] = 0.95,
    json_: JsonOption = False,
) -> None:
    """Read every scan and say what is wrong, subject by subject. Exit code 1 when there are errors.

    Of responses to images, such as nsd: what each brain has and lacks. Of responses to films, such as algonauts2025:
    what is missing by movie and subject, lengths beside the features, and r between two showings.

    A data set of networks without a part, such as netsim, checks all installed parts, in one line each.

    Example:  brainbench data check abide1
    """
    from ..datasets.check import check_cohort
    from ..datasets.movie_check import check_movies
    from ..datasets.movie_manifest import MANIFEST as MOVIES
    from ..datasets.recordings.checks import check_recordings
    from ..datasets.recordings.store import MANIFEST
    from ..datasets.response_check import check_responses
    from ..datasets.response_manifest import MANIFEST as RESPONSES
    from .data_views import find_cohort, print_check
    from .movie_views import print_movie_check
    from .recordings_rows import part_folders
    from .recordings_views import print_parts_check, print_recordings_check
    from .response_views import print_response_check

    if parts := part_folders(cohort):
        if print_parts_check(parts, json_):
            raise typer.Exit(1)
        return
    folder = find_cohort(cohort)
    if (folder / MANIFEST).is_file():
        with progress_bar() as progress:
            networks = check_recordings(folder, progress)
        print_recordings_check(networks, json_)
        errors_found = networks.errors
    elif (folder / RESPONSES).is_file():
        with progress_bar() as progress:
            responses = check_responses(folder, progress)
        print_response_check(responses, json_)
        errors_found = responses.errors
    elif (folder / MOVIES).is_file():
        with progress_bar() as progress:
            films = check_movies(folder, progress)
        print_movie_check(films, json_)
        errors_found = films.errors
    else:
        with progress_bar() as progress:
            report = check_cohort(folder, similar=similar, progress=progress)
        print_check(report, json_)
        errors_found = report.errors
    if errors_found:
        raise typer.Exit(1)


@app.command("simulate")
def simulate(
    dataset: DatasetArgument,
    size: Annotated[
        str, typer.Option(help="small | full | a number: people, images of nsd, TRs of algonauts2025.")
    ] = "small",
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another twin.")] = 0,
    photos: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Of nsd: show these photographs of COCO too; then  --data simulated:photos"),
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Of algonauts2025: responses to these features; then  --data simulated:features"
        ),
    ] = None,
) -> None:
    """Make the simulated twin of a data set: same schema, a planted effect, a known best score.

    Example:  brainbench data simulate abide2 --size small
    """
    from ..datasets.twins import make_twin

    with progress_bar() as progress:
        twin = make_twin(dataset, size, seed, progress, photos, features)
    out().print(str(twin.path), markup=False, soft_wrap=True)


@app.command("where")
def where(
    cohort: Annotated[str, typer.Argument(metavar="COHORT", help="Name of an installed cohort or twin.")],
) -> None:
    """Print the folder of a cohort.

    Example:  brainbench data where abide1
    """
    from .data_views import find_cohort

    out().print(str(find_cohort(cohort)), markup=False, soft_wrap=True)


def known_policy(text: str | None) -> Leaves | None:
    """What ``--leaves`` says. Raises `BadOption`."""
    from ..contracts import LEAVES
    from ..errors import BadOption

    found = [policy for policy in LEAVES if policy == text]
    if text is not None and not found:
        raise BadOption(f"--leaves {text}: expected {', '.join(LEAVES)}")
    return found[0] if found else None


def find_networks(dataset: str) -> RecordingsDataset | None:
    """A data set of networks, or a part of it; None for cohorts, of which ``own`` is always one.

    Raises `UnknownName` for a data set that nobody provides.
    """
    from ..datasets.recordings.dataset import RecordingsDataset
    from ..registry import load_dataset

    found = None if dataset == "own" else load_dataset(dataset)
    return found if isinstance(found, RecordingsDataset) else None


def pairs(texts: list[str] | None, option: str) -> dict[str, str]:
    """``NAME=VALUE`` texts as a mapping. Raises `BadOption`."""
    from ..errors import BadOption

    found = {}
    for text in texts or []:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise BadOption(f"{option} {text!r}: expected NAME=VALUE", f"such as  {option} diagnosis=dx")
        found[name] = value
    return found


def codes(texts: list[str] | None) -> dict[str, dict[str, str]]:
    """``NAME:CODE=VALUE,CODE=VALUE`` texts as mappings by name. Raises `BadOption`."""
    from ..errors import BadOption

    found: dict[str, dict[str, str]] = {}
    for text in texts or []:
        name, colon, listed = text.partition(":")
        if not (name.strip() and colon and listed.strip()):
            raise BadOption(
                f"--code {text!r}: expected NAME:CODE=VALUE,...", "such as  --code diagnosis:1=autism,2=control"
            )
        found.setdefault(name.strip(), {}).update(pairs(listed.split(","), "--code"))
    return found
