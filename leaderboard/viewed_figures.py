"""Figures of what was seen and what was decoded. They need matplotlib (extra ``figures``); glass brains nilearn too."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..benchmark.errors import BadData, needing
from ..benchmark.kinds.seen import Responses, Space
from ..benchmark.metrics.images import PixCorr
from .viewed import Viewed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE = 1.5
"""Inches of a picture."""

DPI = 130

HEAD = np.array([[-72.0, 72.0], [-107.0, 75.0], [-65.0, 85.0]])
"""Millimetres of the glass head from left to right, back to front and below to above; a grid is stretched into it."""


def reconstruction_figure(shown: Viewed) -> bytes:
    """PNG of a grid: a row an image, the seen one first, then a column a record, with PixCorr below each.

    Raises `ExtraMissing` without matplotlib, `BadData` where images are not at hand.
    """
    figure, axes = grid(len(shown.images), 1 + len(shown.predictions))
    for row, (name, seen) in enumerate(zip(shown.images, shown.seen, strict=True)):
        truth = seen.image()
        draw(axes[row][0], truth, "seen" if row == 0 else "", f"image {name}")
        for column, (label, pictures) in enumerate(shown.predictions.items(), 1):
            score = PixCorr().items([seen], [pictures[row]])[0]
            draw(axes[row][column], pictures[row], label if row == 0 else "", f"PixCorr {score:.2f}")
    return saved(figure, shown.title)


def localisation_figure(shown: Viewed) -> bytes:
    """PNG of glass brains: a row a concept, the true map first where it is known, then a column a record.

    Maps are means over the items of a concept, each scaled to 0 .. 1. The grid is stretched into the drawn head:
    the picture is not registered to a standard space.
    """
    with needing("neuro", "nilearn", "nibabel"):
        import nibabel  # noqa: F401
    concepts = sorted(set(shown.items.table["concept"]))
    maps = {**({"true": true_maps(shown)} if true_maps(shown) else {}), **shown.predictions}
    responses = Responses(shown.items)
    space = next(iter(responses.spaces.values()))
    figure, axes = grid(len(concepts), len(maps), wide=2.6, layout=None)
    figure.subplots_adjust(left=0.02, right=0.99, bottom=0.01, top=1 - 0.75 / figure.get_figheight(), hspace=0.15)
    for row, concept in enumerate(concepts):
        here = [k for k, asked in enumerate(responses.concepts) if asked == concept]
        for column, (label, found) in enumerate(maps.items()):
            mean = np.mean([scaled(found[k]) for k in here], axis=0)
            axes[row][column].set_title(f"{label}: {concept}", fontsize=8, parse_math=False)
            glass(axes[row][column], space, mean)
    return saved(figure, f"{shown.title}\nmeans over items; not registered to a standard space")


def true_maps(shown: Viewed) -> list[np.ndarray]:
    """The true weights of each item's concept; empty where one of them is not known."""
    known = shown.items.arrays.get("relevance", [None])
    if any(one is None for one in known):
        return []
    return [shown.items.read("relevance", row) for row in range(len(shown.items))]


def scaled(values: np.ndarray) -> np.ndarray:
    """A map on 0 .. 1; 0 where it is flat."""
    low, high = float(values.min()), float(values.max())
    return (values - low) / (high - low) if high > low else np.zeros_like(values, dtype=float)


def glass(axes: Any, space: Space, values: np.ndarray) -> None:
    """Draw a (voxels,) map as a glass brain."""
    import nibabel
    from nilearn.plotting import plot_glass_brain

    affine = np.eye(4)
    affine[:3, :3] = np.diag((HEAD[:, 1] - HEAD[:, 0]) / np.array(space.shape))
    affine[:3, 3] = HEAD[:, 0]
    image = nibabel.Nifti1Image(space.volume(values), affine)
    plot_glass_brain(image, axes=axes, vmin=0, vmax=1, threshold=None, colorbar=False, annotate=False)
    axes.set_axis_on()
    axes.set_frame_on(False)
    axes.set_xticks([])
    axes.set_yticks([])


def grid(rows: int, columns: int, wide: float = 1.0, layout: Any = "constrained") -> tuple[Figure, list[list[Any]]]:
    """A figure with empty panels. Raises `ExtraMissing`, or `BadData` where there is nothing to draw."""
    with needing("figures", "matplotlib"):
        from matplotlib.figure import Figure
    if not rows or not columns:
        raise BadData("nothing to draw: no item was chosen")
    figure = Figure(figsize=(SIDE * wide * columns, (SIDE + 0.25) * rows + 0.6), dpi=DPI, layout=layout)
    panels = figure.subplots(rows, columns, squeeze=False)
    return figure, [list(line) for line in panels]


def draw(axes: Any, picture: np.ndarray, title: str, below: str) -> None:
    """One picture without ticks."""
    axes.imshow(picture)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title, fontsize=8, parse_math=False)
    axes.set_xlabel(below, fontsize=6, parse_math=False)


def saved(figure: Figure, title: str) -> bytes:
    """The figure as PNG under its title."""
    figure.suptitle(title, fontsize=7, parse_math=False)
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()


def caption_rows(shown: Viewed, references: int) -> list[dict[str, Any]]:
    """For each item: image, question, references and what each record said."""
    questions: Sequence[str] = (
        list(shown.items.table["question"]) if "question" in shown.items.table else [""] * len(shown.items)
    )
    return [
        {
            "image": image,
            "question": question,
            "references": list(seen.references[:references]),
            "texts": {label: texts[row] for label, texts in shown.predictions.items()},
        }
        for row, (image, question, seen) in enumerate(zip(shown.images, questions, shown.seen, strict=True))
    ]
