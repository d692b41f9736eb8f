"""``brainbench show parcels | networks | course``: what encoding records reach, where, and when."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import JsonOption, StoreOption, errors, store_path
from .show_vision import write

if TYPE_CHECKING:
    from ...leaderboard.encoded import Found

Records = Annotated[
    list[str], typer.Argument(metavar="RECORD...", help="Record ids (their beginnings are enough) of one task.")
]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE.png", help="Where to write [default: RECORD.png].", show_default=False),
]
Subject = Annotated[str | None, typer.Option(metavar="ID", help="One subject, such as sub-01 [default: the mean].")]


def parcels(
    records: Records,
    subject: Subject = None,
    movie: Annotated[str | None, typer.Option(metavar="NAME", help="One film, such as life [default: all].")] = None,
    atlas: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.nii.gz",
            help="Volume of the parcels, numbered from 1 [default: of the installed data; without any, a flat panel].",
            show_default=False,
        ),
    ] = None,
    target: Out = None,
    store: StoreOption = None,
    json_: JsonOption = False,
) -> None:
    """Draw a map of Pearson r by parcel into a PNG, a row a record: on the surface, or flat without a volume.

    Example:  brainbench show parcels algonauts2025-val--medarc algonauts2025-val--delayed-ridge --movie life
    """
    from ...leaderboard.encoded import parcel_scores
    from ...leaderboard.encoded_figures import parcel_figure

    found = found_of(records, target, store)
    with errors().status("scoring parcels ..."):
        shown = parcel_scores(found, silent, subject=subject, movie=movie, atlas=atlas)
    if json_:
        rows = zip(shown.atlas.names, shown.atlas.networks, strict=True)
        lines = [
            {
                "parcel": k + 1,
                "name": name,
                "network": network,
                **{label: float(r[k]) for label, r in shown.scores.items()},
            }
            for k, (name, network) in enumerate(rows)
        ]
        print(json.dumps({"title": shown.title, "parcels": lines}, indent=1))
        return
    if shown.atlas.volume is None:
        errors().print("no volume of the parcels is at hand: a flat panel is drawn (see --atlas)", style="yellow")
    with errors().status("drawing ..."):
        picture = parcel_figure(shown)
    write(picture, target, name_of(found, "parcels", subject, movie))


def networks(records: Records, target: Out = None, store: StoreOption = None, json_: JsonOption = False) -> None:
    """Draw Pearson r by network with intervals into a PNG, records side by side, and what a twin allows.

    Example:  brainbench show networks algonauts2025-val--medarc algonauts2025-val--delayed-ridge
    """
    from ...leaderboard.encoded import network_scores
    from ...leaderboard.encoded_figures import network_figure

    found = found_of(records, target, store)
    with errors().status("scoring networks ..."):
        shown = network_scores(found, silent)
    if json_:
        scores = {
            label: {name: score.model_dump(mode="json") for name, score in each.items()}
            for label, each in shown.scores.items()
        }
        print(json.dumps({**asdict(shown), "scores": scores}, indent=1))
        return
    write(network_figure(shown), target, name_of(found, "networks"))


def course(
    records: Records,
    stimulus: Annotated[str, typer.Option("--stimulus", metavar="NAME", help="Stimulus or run, such as s06e01a.")],
    subject: Annotated[str, typer.Option(metavar="ID", help="Whose responses.")] = "sub-01",
    parcel: Annotated[
        list[str] | None,
        typer.Option(
            metavar="N|NAME|best",
            help="Number from 1, name, network (its best), or best; repeat [default: best].",
            show_default=False,
        ),
    ] = None,
    target: Out = None,
    store: StoreOption = None,
    json_: JsonOption = False,
) -> None:
    """Draw the predicted beside the measured time course of parcels into a PNG, a row a parcel.

    Example:  brainbench show course algonauts2025-val--medarc --stimulus s06e01a --parcel Vis --parcel Default
    """
    from ...leaderboard.encoded import BEST, courses
    from ...leaderboard.encoded_figures import course_figure

    found = found_of(records, target, store)
    with errors().status("reading ..."):
        shown = courses(found, silent, stimulus=stimulus, subject=subject, parcels=tuple(parcel or (BEST,)))
    if json_:
        lines = [
            {
                "parcel": one.parcel, "r": one.r, "measured": None if one.measured is None else one.measured.tolist(),
                "predicted": {label: values.tolist() for label, values in one.predicted.items()},
            }
            for one in shown.courses
        ]  # fmt: skip
        print(json.dumps({"title": shown.title, "tr": shown.tr, "courses": lines}))
        return
    write(course_figure(shown), target, name_of(found, stimulus, subject))


def found_of(records: list[str], target: Path | None, store: Path | None) -> Found:
    """The records by their names. Raises `BadOption` for a file that is no PNG."""
    from ..errors import BadOption
    from ..store import Store

    if target and target.suffix != ".png":
        raise BadOption(f"--out {target}: the figure is a PNG", f"use  --out {target.with_suffix('.png')}")
    place = Store(store_path(store))
    return [place.find(name) for name in records]


def name_of(found: Found, *told: str | None) -> str:
    """``RECORD-WHAT.png``."""
    from .show import default_name

    return default_name([record.id for record, _ in found], "-".join(word for word in told if word))


def silent(label: str, done: int, total: int) -> None:
    """Progress that nobody watches."""
