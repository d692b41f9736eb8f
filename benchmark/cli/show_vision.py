"""``brainbench show reconstructions | captions | localisation``: what was decoded beside what was seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import JsonOption, StoreOption, errors, out, store_path

if TYPE_CHECKING:
    from ...leaderboard.viewed import Viewed

Records = Annotated[
    list[str], typer.Argument(metavar="RECORD...", help="Record ids (their beginnings are enough) of one task.")
]
Brain = Annotated[str | None, typer.Option(metavar="ID", help="Whose brain [default: the first].")]
Images = Annotated[
    list[str] | None, typer.Option("--image", metavar="ID", help="This image; repeat [default: a random draw].")
]
Count = Annotated[int, typer.Option("--count", "-n", min=1, max=50, help="How many items.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE.png", help="Where to write [default: RECORD.png].", show_default=False),
]


def reconstructions(
    records: Records,
    brain: Brain = None,
    image: Images = None,
    count: Count = 6,
    target: Out = None,
    store: StoreOption = None,
) -> None:
    """Draw the seen images beside the decoded ones, a row an image, into a PNG.

    Example:  brainbench show reconstructions nsd-reconstruction--nv2l nsd-reconstruction--brain-diffuser
    """
    from ...leaderboard.viewed_figures import reconstruction_figure

    chosen: dict[str, Any] = {"count": count, "brain": brain, "images": tuple(image or ())}
    shown, name = viewed(records, ("reconstruction",), target, store, chosen)
    write(reconstruction_figure(shown), target, name)


def localisation(
    records: Records,
    brain: Brain = None,
    image: Images = None,
    concept: Annotated[str | None, typer.Option(metavar="WORD", help="Items of this concept only.")] = None,
    count: Count = 8,
    target: Out = None,
    store: StoreOption = None,
) -> None:
    """Draw maps of concepts on glass brains, the true ones first where they are known, into a PNG.

    Example:  brainbench show localisation nsd-localisation--nv2l --concept dog
    """
    from ...leaderboard.viewed_figures import localisation_figure

    chosen: dict[str, Any] = {"count": count, "brain": brain, "images": tuple(image or ()), "concept": concept}
    shown, name = viewed(records, ("localisation",), target, store, chosen)
    write(localisation_figure(shown), target, name)


def captions(
    records: Records,
    brain: Brain = None,
    image: Images = None,
    count: Count = 6,
    references: Annotated[int, typer.Option(min=1, help="References that are printed.")] = 2,
    store: StoreOption = None,
    json_: JsonOption = False,
) -> None:
    """Print what was said of images beside the references.

    Example:  brainbench show captions nsd-caption--nv2l nsd-caption--braincap --image 12
    """
    import json

    from rich.table import Table

    from ...leaderboard.terminal import safe
    from ...leaderboard.viewed_figures import caption_rows

    chosen: dict[str, Any] = {"count": count, "brain": brain, "images": tuple(image or ())}
    shown, _ = viewed(records, ("captioning", "description", "reasoning"), None, store, chosen)
    rows = caption_rows(shown, references)
    if json_:
        print(json.dumps(rows, indent=1))
        return
    asked = any(row["question"] for row in rows)
    columns = ("image", *(("question",) if asked else ()), "references", *shown.predictions)
    table = Table(*map(safe, columns), title=safe(shown.title), title_justify="left", show_lines=True)
    for row in rows:
        told = (row["image"], *((row["question"],) if asked else ()), "\n".join(row["references"]))
        table.add_row(*map(safe, (*told, *row["texts"].values())))
    out().print(table)


def viewed(
    records: list[str], kinds: tuple[str, ...], target: Path | None, store: Path | None, chosen: dict[str, Any]
) -> tuple[Viewed, str]:
    """What the records predicted, and the name of a file for it. Raises `BadOption`."""
    from ...leaderboard.viewed import view
    from ..errors import BadOption
    from ..store import Store
    from .show import default_name

    if target and target.suffix != ".png":
        raise BadOption(f"--out {target}: the figure is a PNG", f"use  --out {target.with_suffix('.png')}")
    place = Store(store_path(store))
    found = [place.find(name) for name in records]
    with errors().status("reading ..."):
        shown = view(found, kinds, lambda label, done, total: None, **chosen)
    return shown, default_name([record.id for record, _ in found], chosen.get("concept"))


def write(picture: bytes, target: Path | None, name: str) -> None:
    """Write the figure and print its path."""
    from ..files import write_bytes

    path = target or Path(name)
    write_bytes(path, picture)
    print(path)
