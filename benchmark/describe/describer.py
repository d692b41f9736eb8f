"""Measures of scans against the training cohort's, and the text made of them.

The four families are those of fMRI-LM (Table of descriptors, and its reference code), measured without that code's
slips: every z-score is one over the training scans alone, gradient ranges among them; a high modularity is told
as raised; and bands of frequency follow each scan's own TR.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..contracts import Progress, silent
from ..errors import BadData, BadOption
from ..kinds.scans import Atlas, Scans
from . import components, connectivity, gradients, graph
from .networks import Networks
from .scan import Frame, ScanData
from .words import Aspect, tell

VERSION = 1
"""Version of the state that a checkpoint holds: it changes with any measure."""


class Family(NamedTuple):
    """What a family of measures brings."""

    names: Callable[[Networks], list[str]]
    aspects: Callable[[Networks], list[Aspect]]
    measure: Callable[[ScanData, Frame], np.ndarray]


FAMILY = {
    "fc": Family(connectivity.names, connectivity.aspects, connectivity.measure),
    "gradients": Family(gradients.names, gradients.aspects, gradients.measure),
    "graph": Family(graph.names, graph.aspects, graph.measure),
    "components": Family(components.names, components.aspects, components.measure),
}

FAMILIES = tuple(FAMILY)
"""Names of the families, in the order of their measures and of the text."""


@dataclass(frozen=True)
class Describer:
    """Statistics of a training cohort, and the measures and words of a scan beside it.

    Attributes
    ----------
    atlas
        Regions that scans must have.
    families
        Some of `FAMILIES`, in that order.
    frame
        Networks, and the gradients that others are turned to.
    mean, sd
        (measures,) over the training scans. A measure that does not vary, or that no training scan has, has
        an sd of 0: no z is known.
    """

    atlas: Atlas
    families: tuple[str, ...]
    frame: Frame
    mean: np.ndarray
    sd: np.ndarray

    @classmethod
    def fit(
        cls, scans: Sequence[Scans], families: Sequence[str] = ("fc",), progress: Progress = silent
    ) -> tuple[Describer, np.ndarray]:
        """Learn the cohort's statistics from training scans; only one is in memory at a time.

        Parameters
        ----------
        scans
            Views of one or several cohorts of the same atlas.
        families
            Some of `FAMILIES`.
        progress
            Called for every scan.

        Returns
        -------
        The describer, and the values (n, measures) of these scans in their order, with NaN where a scan has none.
        Raises `BadData` without scans or where atlases differ, and `BadOption` for an unknown family.
        """
        chosen = known_families(families)
        atlas = _same_atlas(scans)
        template = None
        if "gradients" in chosen:
            total = sum(map(len, scans))
            template = gradients.template(scans, lambda done: progress("reading mean connectivity", done, total))
        blank = cls(atlas, chosen, Frame(Networks.of(atlas), template), np.empty(0), np.empty(0))
        values = blank.measure_all(scans, progress)
        known = np.isfinite(values)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, values, 0).sum(axis=0) / count
        sd = np.sqrt((np.where(known, values - mean, 0) ** 2).sum(axis=0) / count)
        steady = sd <= 1e-6 * np.abs(mean) + 1e-12
        return cls(atlas, chosen, blank.frame, mean, np.where(steady, 0, sd)), values

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the measures, such as ``fc: within visual``."""
        return tuple(
            f"{family}: {name}" for family in self.families for name in FAMILY[family].names(self.frame.networks)
        )

    def measure(self, series: np.ndarray, tr: float = float("nan")) -> np.ndarray:
        """Measures of one (time, roi) series; NaN where it has none, as power in a band where the TR is not known.

        Raises `BadData` for another number of ROIs.
        """
        if series.ndim != 2 or series.shape[1] != len(self.atlas.labels):
            raise BadData(
                f"a series of shape {series.shape}; expected (time, {len(self.atlas.labels)}): the ROIs of "
                f"{self.atlas.name}",
                "describe scans of the atlas that the statistics were fitted on",
            )
        scan = ScanData(np.asarray(series, dtype=np.float32), tr)
        return np.concatenate([FAMILY[family].measure(scan, self.frame) for family in self.families])

    def measure_all(self, scans: Scans | Sequence[Scans], progress: Progress = silent) -> np.ndarray:
        """Measures (n, measures) of all scans, read one at a time."""
        views = [scans] if isinstance(scans, Scans) else list(scans)
        total = sum(map(len, views))
        out = np.empty((total, len(self.names)))
        row = 0
        for view in views:
            for k in range(len(view)):
                out[row] = self.measure(view.series(k), float(view.tr[k]))
                row += 1
                progress("describing scans", row, total)
        return out

    def z(self, values: np.ndarray) -> np.ndarray:
        """Values (..., measures) as z-scores of the training scans; always finite.

        0, the training scans' mean, stands where none is `known`.
        """
        out: np.ndarray = np.where(self.known(values), (values - self.mean) / np.where(self.sd > 0, self.sd, 1), 0)
        return out

    def known(self, values: np.ndarray) -> np.ndarray:
        """Whether values (..., measures) have a z-score: the scan has one, and the training scans' vary."""
        out: np.ndarray = np.isfinite(values) & (self.sd > 0)
        return out

    def text(self, values: np.ndarray, *, variety: int = 0, extremes: int = 3) -> str:
        """A scan's description, one paragraph a family.

        Parameters
        ----------
        values
            (measures,) of the scan.
        variety
            Seed that picks among wordings; 0 is a fixed one.
        extremes
            How many measures are named at most on either side.
        """
        values, start, paragraphs = np.asarray(values), 0, []
        z = np.where(self.known(values), self.z(values), np.nan)
        for family in self.families:
            stop = start + len(FAMILY[family].names(self.frame.networks))
            aspects = FAMILY[family].aspects(self.frame.networks)
            paragraphs.append(tell(family, aspects, z[start:stop], variety, extremes))
            start = stop
        return "\n".join(paragraphs)

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Everything that `from_state` needs: plain JSON values, and arrays."""
        facts = {
            "version": VERSION,
            "families": list(self.families),
            "atlas": {
                "name": self.atlas.name,
                "labels": list(self.atlas.labels),
                "networks": list(self.atlas.networks),
            },
        }
        arrays = {"mean": self.mean, "sd": self.sd}
        if self.frame.template is not None:
            arrays["template"] = self.frame.template
        return facts, arrays

    @classmethod
    def from_state(cls, facts: dict[str, Any], arrays: dict[str, np.ndarray]) -> Describer:
        """What `state` wrote. Raises `BadData` for anything else, such as what another version wrote."""
        if facts.get("version") != VERSION:
            raise BadData(f"statistics of descriptors of version {facts.get('version')!r}; expected {VERSION}", AGAIN)
        try:
            families = known_families(facts["families"])
            atlas = Atlas.from_meta(facts["atlas"])
            mean, sd = (np.asarray(arrays[name], float) for name in ("mean", "sd"))
            template = np.asarray(arrays["template"], float) if "gradients" in families else None
        except (KeyError, TypeError, ValueError, BadOption) as error:
            raise BadData(f"no statistics of descriptors: {type(error).__name__} {error}", AGAIN) from None
        found = cls(atlas, families, Frame(Networks.of(atlas), template), mean, sd)
        found._check()
        return found

    def _check(self) -> None:
        """Raise `BadData` where arrays do not fit the measures."""
        shape = (len(self.names),)
        for name, values in (("mean", self.mean), ("sd", self.sd)):
            if values.shape != shape or not np.isfinite(values).all():
                raise BadData(f"descriptors: {name} is not finite or not of shape {shape}: {values.shape}", AGAIN)
        template = self.frame.template
        wanted = (len(self.atlas.labels), gradients.COMPONENTS)
        if template is not None and (template.shape != wanted or not np.isfinite(template).all()):
            raise BadData(f"descriptors: template is not finite or not of shape {wanted}: {template.shape}", AGAIN)
        if (self.sd < 0).any():
            raise BadData("descriptors: a negative sd", AGAIN)


AGAIN = "make the checkpoint again"


def known_families(families: Sequence[str]) -> tuple[str, ...]:
    """Families in their fixed order. Raises `BadOption` for an unknown one, or none."""
    unknown = sorted(set(families) - set(FAMILIES))
    if unknown or not families:
        raise BadOption(
            f"no family of descriptors {', '.join(map(repr, unknown))}" if unknown else "no family of descriptors",
            f"families are: {', '.join(FAMILIES)}",
        )
    return tuple(family for family in FAMILIES if family in families)


def _same_atlas(scans: Sequence[Scans]) -> Atlas:
    """The atlas of all views. Raises `BadData` where there is no scan, or where regions differ."""
    if not sum(map(len, scans)):
        raise BadData("no training scan to take the cohort's statistics from", "give training or source scans")
    atlas = scans[0].atlas
    for other in scans[1:]:
        if other.atlas.labels != atlas.labels:
            raise BadData(
                f"scans of other atlases: {atlas.name} ({len(atlas.labels)} ROIs) and {other.atlas.name} "
                f"({len(other.atlas.labels)} ROIs)",
                "describe cohorts of one atlas together",
            )
    return atlas
