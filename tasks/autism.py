"""Autism or control, from a resting-state scan."""

from __future__ import annotations

from dataclasses import replace

from ..benchmark.contracts import Task
from .regimes import with_shots
from .scans import CLASSIFICATION, COVARIATES

ABIDE1_ASD = with_shots(
    replace(
        CLASSIFICATION,
        name="abide1-asd",
        title="Autism or control, ABIDE I",
        family="autism",
        version=2,
        dataset="abide1",
        target="diagnosis",
        classes=("control", "autism"),
        covariates=COVARIATES,
    )
)

ABIDE2_ASD: Task = replace(
    ABIDE1_ASD, name="abide2-asd", title="Autism or control, ABIDE II", dataset="abide2", published=("ABIDE2", "ASD")
)
