"""Twins of the resting-state cohorts: their sites, counts, ages, TR and lengths, and planted traits.

Which energies a trait owns, and which way it moves them, is our choice; in autism the direction is the one
that the literature reports most often (weaker Default-Frontoparietal, stronger Somatomotor-Subcortex
connectivity). Effects are set for plausible best scores: AUC near 0.9 for sex and autism, 0.85 for
Alzheimer's disease against controls, 0.8 for ADHD (more where a site has one class only), 0.65 for carriers
of APOE4; Pearson r near 0.75 for age (more where a site tells the age) and 0.5 for cognition. They say
nothing about biology. Assumed of all: class, sex and age of a person have the joint law of the site tables;
cognition is independent of everything else; motion is independent of all traits; relatives are no more
alike than strangers.
"""

from __future__ import annotations

from pathlib import Path

from ..contracts import Progress, silent
from ..datasets.cohort import Cohort
from ..errors import BadOption
from .gaussian import PAIRS, Plant, Single
from .people import Score, Subtypes
from .targets import NORMS, NOT_ASKED
from .twin import TwinSpec, write_twin

ASD_EFFECT = 0.34
ADHD_EFFECT = 0.21
AD_EFFECT = 0.37
APOE4_EFFECT = 0.12
SEX_EFFECT = 0.5
AGE_EFFECT = 0.33
COGNITION_EFFECT = 0.155
"""Log factors on a pair's energies: of one class against the other (of Alzheimer's disease against controls),
an allele, or a standard deviation."""

ALONE = 2**0.5
"""A trait that owns one energy instead of two needs this much more effect for the same score."""

DEFAULT_CONTROL, MOTOR_SUBCORTEX, VISUAL_ATTENTION = PAIRS
SALIENCE = Single("SalVentAttn", 1)

DIAGNOSIS = {"diagnosis": (0, 1)}

FROM_TABLE = (
    "Site counts by diagnosis and sex and site ages from the public phenotype table; TR, frames and motion by site "
    "as the source columns of {name}_scans.csv say. Motion does not depend on diagnosis (assumed)."
)

FROM_SUMMARIES = (
    "No table of this cohort was read: sites, counts and ages are what {name}_sites.csv says with its sources, "
    "mostly assumed; TR, frames and motion as the source columns of {name}_scans.csv say. {note}"
)


def _case_control(name: str, case: str, effect: float, subtypes: Subtypes | None = None) -> TwinSpec:
    """Diagnosis on two pairs, age on the third, sex on a single network."""
    return TwinSpec(
        dataset=name,
        plants=(
            Plant("diagnosis", effect, (DEFAULT_CONTROL, MOTOR_SUBCORTEX)),
            Plant("sex", ALONE * SEX_EFFECT, (SALIENCE,)),
            Plant("age", AGE_EFFECT, (VISUAL_ATTENTION,)),
        ),
        source=FROM_TABLE.format(name=name),
        column="diagnosis",
        classes=("control", case),
        labels=DIAGNOSIS,
        people={"subtypes": subtypes},
    )


def _toolbox(name: str, families: tuple[float, ...], note: str) -> TwinSpec:
    """Sex, age and the fluid composite on a pair each, flanker on a single network."""
    return TwinSpec(
        dataset=name,
        plants=(
            Plant("sex", SEX_EFFECT, (MOTOR_SUBCORTEX,)),
            Plant("age", AGE_EFFECT, (VISUAL_ATTENTION,)),
            Plant("fluid_composite", COGNITION_EFFECT, (DEFAULT_CONTROL,)),
            Plant("flanker", ALONE * COGNITION_EFFECT, (SALIENCE,)),
        ),
        source=FROM_SUMMARIES.format(name=name, note=note),
        people={
            "scores": tuple(Score(score, *NORMS[score], 40, 160) for score in ("fluid_composite", "flanker")),
            "families": families,
        },
    )


UKB = TwinSpec(
    dataset="ukb",
    plants=(
        Plant("sex", SEX_EFFECT, (MOTOR_SUBCORTEX,)),
        Plant("age", AGE_EFFECT, (VISUAL_ATTENTION,)),
        Plant("fluid", COGNITION_EFFECT, (DEFAULT_CONTROL,)),
    ),
    source=FROM_SUMMARIES.format(
        name="ukb", note="A thousand people stand for the tens of thousands who were scanned."
    ),
    people={"scores": (Score("fluid", *NORMS["fluid"], 0, 13),)},
)

ADNI = TwinSpec(
    dataset="adni",
    plants=(
        Plant("diagnosis", AD_EFFECT, (DEFAULT_CONTROL,)),
        Plant("sex", SEX_EFFECT, (MOTOR_SUBCORTEX,)),
        Plant("age", AGE_EFFECT, (VISUAL_ATTENTION,)),
        Plant("apoe4", ALONE * APOE4_EFFECT, (SALIENCE,)),
    ),
    source=FROM_SUMMARIES.format(
        name="adni", note="Shares of APOE4 alleles by diagnosis are assumed; of age they are independent."
    ),
    column="diagnosis",
    classes=("CN", "MCI", "AD"),
    labels={"ad": (0, NOT_ASKED, 1), "cn_mci_ad": (0, 1, 2), "cn_vs_rest": (0, 1, 1)},
    people={"alleles": ((0.72, 0.25, 0.03), (0.50, 0.39, 0.11), (0.34, 0.47, 0.19))},
)

ADHD_KINDS = Subtypes("adhd_type", "control", {"combined": 160, "hyperactive": 11, "inattentive": 111})
"""How many of each kind the public table holds."""

SPECS = {
    spec.dataset: spec
    for spec in (
        _case_control("abide1", "autism", ASD_EFFECT),
        _case_control("abide2", "autism", ASD_EFFECT),
        _case_control("adhd200", "ADHD", ADHD_EFFECT, ADHD_KINDS),
        UKB,
        _toolbox("hcp", (0.15, 0.45, 0.40), "Most people have one or two relatives in the cohort (assumed)."),
        _toolbox("hcp-aging", (), ""),
        _toolbox(
            "abcd",
            (0.82, 0.17, 0.01),
            "A thousand children stand for more than eleven thousand; about a third have a sibling in the cohort "
            "(assumed).",
        ),
        ADNI,
    )
}


def simulate(
    name: str, size: str, path: Path, seed: int = 0, effect: float | None = None, progress: Progress = silent
) -> Cohort:
    """Write the twin of a data set.

    Parameters
    ----------
    name
        Data set, one of `SPECS`. Raises `BadOption` for another.
    size
        "small", "full" or a number of people.
    path
        The cohort's folder; one that exists is replaced.
    seed
        Another seed draws other people from the same population.
    effect
        Effect of the main planted trait (the diagnosis where there is one, else sex); the default when
        None, 0 for none.
    """
    if name not in SPECS:
        raise BadOption(f"{name} has no simulated twin", f"there are twins of: {', '.join(SPECS)}")
    return write_twin(SPECS[name], size, path, seed, effect, progress)
