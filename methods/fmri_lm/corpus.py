"""Label-free scans as stages 1 and 2 need them: normalised series on scratch disk, site scale, descriptor texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...benchmark.contracts import Context
from ...benchmark.describe import Describer
from ...benchmark.errors import BadData
from ...benchmark.kinds.scans import Scans
from ...benchmark.preprocess import SiteScale, robust_z, to_frames
from .inputs import Inputs, scratch
from .options import Options

if TYPE_CHECKING:
    from .state import State


@dataclass(frozen=True)
class Prepared:
    """Scans of one or several cohorts, one after another.

    Attributes
    ----------
    inputs
        The tokenizer's input of every scan.
    texts
        Descriptor text of every scan; empty where none was asked for.
    scale
        Site scale; a site of a named cohort is called ``COHORT/SITE``.
    describer
        Statistics of the descriptors.
    """

    inputs: Inputs
    texts: list[str]
    scale: SiteScale
    describer: Describer

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def rois(self) -> int:
        """Number of ROIs."""
        return int(self.inputs.series.shape[1])


def prepare(
    cohorts: Sequence[Scans],
    options: Options,
    context: Context,
    fitted: State | None = None,
    *,
    names: Sequence[str] = (),
    label: str = "training",
    describe: bool = True,
) -> Prepared:
    """Normalise and describe every scan, one in memory at a time.

    Parameters
    ----------
    cohorts
        Label-free scans of one atlas. Raises `BadData` for cohorts of several, or without any scan.
    fitted
        A model whose site scale and descriptor statistics are used; they are fitted on these scans when None.
    names
        Names of the cohorts, so that equally named sites of two are told apart; a single cohort has
        none, several are numbered.
    label
        Shown beside the progress bar, and part of the scratch file's name.
    describe
        Whether descriptor texts are needed.
    """
    rois = refuse_other_atlases(cohorts)
    keys = [
        key for scans, name in zip(cohorts, cohort_names(cohorts, names), strict=True) for key in sites(scans, name)
    ]
    series = scratch(context.workdir / f"fmri-lm-{label}.npy", len(keys), rois, options.frames)
    power = np.empty(len(keys))
    for row, raw in enumerate(scans.series(number) for scans in cohorts for number in range(len(scans))):
        z = to_frames(robust_z(raw), options.frames)
        series[row] = z.T
        power[row] = np.mean(np.square(z, dtype=np.float64))
        context.progress(f"reading {label} scans", row + 1, len(keys))
    scale = SiteScale.fit(power, keys) if fitted is None else fitted.scale
    describer, texts = described(cohorts, options, context, fitted, describe)
    return Prepared(Inputs(series, scale.of(keys)), texts, scale, describer)


def described(
    cohorts: Sequence[Scans], options: Options, context: Context, fitted: State | None, describe: bool
) -> tuple[Describer, list[str]]:
    """Statistics of the descriptors, and the text of every scan where texts are needed."""
    if fitted is None:
        describer, values = Describer.fit(cohorts, options.families, context.progress)
    elif describe:
        describer, values = fitted.describer, fitted.describer.measure_all(cohorts, context.progress)
    else:
        return fitted.describer, []
    return describer, [describer.text(row, extremes=options.describe_pairs) for row in values]


def refuse_other_atlases(cohorts: Sequence[Scans]) -> int:
    """The number of ROIs that all cohorts share; `BadData` where they differ, or where there is no scan."""
    labels = {scans.atlas.labels for scans in cohorts}
    if len(labels) > 1:
        raise BadData(
            f"cohorts of {len(labels)} atlases ({', '.join(str(len(names)) for names in labels)} ROIs)",
            "take cohorts of one atlas",
        )
    if not sum(map(len, cohorts)):
        raise BadData("no scan to learn from", "name a cohort that holds scans")
    return len(next(iter(labels)))


def cohort_names(cohorts: Sequence[Scans], names: Sequence[str]) -> list[str]:
    """A name for each cohort: as given, "" for a single one, else its number from 1."""
    if names:
        return list(names)
    return [""] if len(cohorts) == 1 else [str(number + 1) for number in range(len(cohorts))]


def sites(scans: Scans, cohort: str) -> list[str]:
    """Site of each scan, after its cohort's name where there is one; "" for all where the task shows no site."""
    return [f"{cohort}/{site}" if cohort else site for site in scans.sites]
