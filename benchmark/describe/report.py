"""A scan's description: text, measures with their z, and what could not be measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..contracts import Progress
from .components import IN_HERTZ
from .describer import Describer
from .reference import Asked
from .words import band, stands_out

SHOWN = 4
"""Names in a list, before it is cut short."""


@dataclass(frozen=True)
class Description:
    """A scan beside its reference.

    Attributes
    ----------
    asked
        The scan and the cohort.
    describer
        Statistics of the cohort.
    values, z
        (measures,) of the scan, NaN where it has none, and as z-scores.
    text
        In words.
    """

    asked: Asked
    describer: Describer
    values: np.ndarray
    z: np.ndarray
    text: str

    @classmethod
    def of(cls, asked: Asked, families: Sequence[str], wording: int, progress: Progress) -> Description:
        """Fit the reference, and measure the scan."""
        describer, _ = Describer.fit([asked.reference], families, progress)
        values = describer.measure(asked.series, asked.tr)
        return cls(asked, describer, values, describer.z(values), describer.text(values, variety=wording))

    @cached_property
    def known(self) -> np.ndarray:
        """(measures,) whether there is a z-score."""
        return self.describer.known(self.values)

    @property
    def unknown(self) -> list[str]:
        """What has no z-score, and why."""
        reasons: dict[str, list[str]] = {}
        for name, value, known in zip(self.describer.names, self.values, self.known, strict=True):
            if not known:
                reasons.setdefault(self._why(name, value), []).append(name.partition(": ")[2])
        return [f"{why}: {_shortened(names)}" for why, names in reasons.items()]

    def _why(self, name: str, value: float) -> str:
        """Why a measure has no z-score."""
        if np.isfinite(value):
            return f"not known of {self.asked.cohort}, or the same in all its scans"
        if any(measure in name for measure in IN_HERTZ) and not self.asked.tr > 0:
            return "the TR is not known (give it with  --tr SECONDS)"
        return "not to be had from this scan"

    def notable(self) -> list[int]:
        """Measures with |z| of 1 and more, the most extreme first."""
        order = np.argsort(-np.abs(self.z), kind="stable")
        return [int(k) for k in order if stands_out(self.z[k])]

    def word(self, measure: int) -> str:
        """A measure's z-score in words."""
        return band(self.z[measure])

    def json(self) -> dict[str, Any]:
        """Everything as plain values, for programs."""
        return {
            "scan": self.asked.title,
            "cohort": self.asked.cohort,
            "reference_scans": len(self.asked.reference),
            "tr": self.asked.tr if self.asked.tr > 0 else None,
            "families": list(self.describer.families),
            "notes": list(self.asked.notes),
            "text": self.text,
            "unknown": self.unknown,
            "measures": [
                {
                    "name": name,
                    "value": float(value) if np.isfinite(value) else None,
                    "mean": float(mean),
                    "sd": float(sd),
                    "z": float(z) if there else None,
                    "word": band(z) if there else None,
                }
                for name, value, mean, sd, z, there in zip(
                    self.describer.names, self.values, self.describer.mean, self.describer.sd, self.z, self.known,
                    strict=True,
                )
            ],
        }  # fmt: skip


def _shortened(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
