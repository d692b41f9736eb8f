"""One metric a field: the balanced accuracy of what is answered to one of several questions."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..contracts import Metric
from ..kinds.questions import Answers, Fields
from .answers import given, recalls


class FieldBalanced(Metric):
    """Balanced accuracy of ``field``, over the items of which it is known; no answer is wrong."""

    field: ClassVar[str]

    def resample(self, truth: Fields, prediction: Answers, counts: np.ndarray) -> np.ndarray:
        """Balanced accuracy (B,); NaN where the field is not asked, or the truth holds one label only."""
        if self.field not in truth.schema:
            return np.full(len(counts), np.nan)
        return recalls(truth, given(truth, prediction)[self.field], self.field, counts)


class SexBalanced(FieldBalanced):
    """Of sex."""

    name = "balanced-accuracy:sex"
    title = "Balanced accuracy, sex"
    field = "sex"


class AgeGroupBalanced(FieldBalanced):
    """Of age group."""

    name = "balanced-accuracy:age_group"
    title = "Balanced accuracy, age group"
    field = "age_group"


class DiagnosisBalanced(FieldBalanced):
    """Of diagnosis."""

    name = "balanced-accuracy:diagnosis"
    title = "Balanced accuracy, diagnosis"
    field = "diagnosis"


class Apoe4Balanced(FieldBalanced):
    """Of apoe4."""

    name = "balanced-accuracy:apoe4"
    title = "Balanced accuracy, APOE4"
    field = "apoe4"


class HandednessBalanced(FieldBalanced):
    """Of handedness."""

    name = "balanced-accuracy:handedness"
    title = "Balanced accuracy, handedness"
    field = "handedness"


class FluidStatusBalanced(FieldBalanced):
    """Of fluid status."""

    name = "balanced-accuracy:fluid_status"
    title = "Balanced accuracy, fluid status"
    field = "fluid_status"


class FluidCompositeStatusBalanced(FieldBalanced):
    """Of fluid composite status."""

    name = "balanced-accuracy:fluid_composite_status"
    title = "Balanced accuracy, fluid composite status"
    field = "fluid_composite_status"


class FlankerStatusBalanced(FieldBalanced):
    """Of flanker status."""

    name = "balanced-accuracy:flanker_status"
    title = "Balanced accuracy, flanker status"
    field = "flanker_status"
