"""Sex, age, cognition, dementia, ADHD and genotype, from a resting-state scan: one task a cohort and target.

Thresholds follow the released code of fMRI-LM where it states them (z beyond 1.5, at least one APOE4
allele) and are ours elsewhere (age groups); ``@z:1`` and ``@edges:40,60`` change them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..benchmark.contracts import Task
from .labels import STATUS, AtLeast, Bands, Codes, Status
from .regimes import SPLITS, band_names, other_edges, other_z, with_shots
from .scans import CLASSIFICATION, REGRESSION, without


@dataclass(frozen=True)
class Cohort:
    """A cohort that tasks name.

    Attributes
    ----------
    title
        As printed; ``printed`` is how papers' tables call it.
    youngest, oldest
        Ages that it holds, in years.
    """

    title: str
    printed: str
    youngest: int
    oldest: int


COHORTS = {
    "abide1": Cohort("ABIDE I", "ABIDE1", 6, 64),
    "abide2": Cohort("ABIDE II", "ABIDE2", 5, 64),
    "adhd200": Cohort("ADHD-200", "ADHD200", 7, 27),
    "ukb": Cohort("UK Biobank", "UKB", 44, 83),
    "hcp": Cohort("HCP Young Adult", "HCP", 22, 37),
    "hcp-aging": Cohort("HCP Aging", "HCP-Aging", 36, 100),
    "abcd": Cohort("ABCD", "ABCD", 8, 12),
    "adni": Cohort("ADNI", "ADNI", 54, 98),
}

AGE_EDGES = (18.0, 36.0, 60.0, 75.0)
"""Years; ours, the papers do not print theirs."""

UKB_FLUID = (5.60236, 2.01301)
"""Mean and deviation of UK Biobank's fluid intelligence score in the released code of fMRI-LM."""

TOOLBOX = (100.0, 15.0)
"""Norm of the NIH Toolbox' age-adjusted scores."""


def sex(dataset: str) -> Task:
    """Female or male."""
    cohort = COHORTS[dataset]
    return replace(
        CLASSIFICATION, name=f"{dataset}-sex", title=f"Sex, {cohort.title}", family="sex", dataset=dataset,
        target="sex", classes=("female", "male"), covariates=without("sex"), published=(cohort.printed, "sex"),
    )  # fmt: skip


def age(dataset: str) -> Task:
    """Age in years."""
    cohort = COHORTS[dataset]
    return replace(
        REGRESSION, name=f"{dataset}-age", title=f"Age in years, {cohort.title}", family="age", dataset=dataset,
        target="age", covariates=without("age"), published=(cohort.printed, "age"),
    )  # fmt: skip


def age_group(dataset: str) -> Task:
    """Age group, of those that the cohort's ages touch."""
    cohort = COHORTS[dataset]
    edges = tuple(edge for edge in AGE_EDGES if cohort.youngest < edge <= cohort.oldest)
    names = [*band_names(AGE_EDGES)]
    first = sum(edge <= cohort.youngest for edge in AGE_EDGES)
    classes = tuple(names[first : first + len(edges) + 1])
    return replace(
        CLASSIFICATION, name=f"{dataset}-age-group", title=f"Age group, {cohort.title}", family="age",
        dataset=dataset, target="age_group", classes=classes, covariates=without("age"),
        label=Bands("age", edges, classes), regimes={**SPLITS, "edges": other_edges},
        published=(cohort.printed, "age group"),
    )  # fmt: skip


def score(dataset: str, column: str, words: str) -> Task:
    """A cognitive score."""
    cohort = COHORTS[dataset]
    return replace(
        REGRESSION, name=f"{dataset}-{column.replace('_', '-')}", title=f"{words.capitalize()}, {cohort.title}",
        family="cognition", dataset=dataset, target=column, published=(cohort.printed, words),
    )  # fmt: skip


def status(dataset: str, column: str, words: str, norm: tuple[float, float]) -> Task:
    """A cognitive score lower, in the middle of, or higher than its norm."""
    cohort = COHORTS[dataset]
    return replace(
        CLASSIFICATION, name=f"{dataset}-{column.replace('_', '-')}-status",
        title=f"{words.capitalize()} status, {cohort.title}", family="cognition", dataset=dataset,
        target=f"{column}_status", classes=STATUS, label=Status(column, *norm), regimes={**SPLITS, "z": other_z},
        published=(cohort.printed, f"{words} status"),
    )  # fmt: skip


ADHD = replace(
    CLASSIFICATION, name="adhd200-adhd", title="ADHD or control, ADHD-200", family="adhd", dataset="adhd200",
    target="diagnosis", classes=("control", "ADHD"), published=("ADHD200", "ADHD"),
)  # fmt: skip

AD = replace(
    CLASSIFICATION, name="adni-ad", title="Alzheimer's disease or cognitively normal, ADNI", family="dementia",
    dataset="adni", target="ad", classes=("CN", "AD"), label=Codes(("diagnosis",), {"CN": "CN", "AD": "AD"}),
)  # fmt: skip

CN_MCI_AD = replace(
    AD, name="adni-cn-mci-ad", title="Normal, mild impairment or Alzheimer's disease, ADNI", target="cn_mci_ad",
    classes=("CN", "MCI", "AD"), label=Codes(("diagnosis",), {name: name for name in ("CN", "MCI", "AD")}),
)  # fmt: skip

CN_VS_REST = replace(
    AD, name="adni-cn-vs-rest", title="Cognitively normal or anything else, ADNI", target="cn_vs_rest",
    classes=("CN", "rest"),
    description=f"What the released code of fMRI-LM calls AD: CN against SMC, EMCI, MCI and AD together; LMCI is left "
    f"out. {AD.description}",
    label=Codes(
        ("diagnosis_code", "diagnosis"),
        {"CN": "CN", **{name: "rest" for name in ("SMC", "EMCI", "MCI", "AD", "Dementia")}},
    ),
    published=("ADNI", "AD"),
)  # fmt: skip

APOE4 = replace(
    CLASSIFICATION, name="adni-apoe4", title="APOE4 carrier, ADNI", family="genotype", dataset="adni",
    target="apoe4_carrier", classes=("negative", "positive"), label=AtLeast("apoe4", 1),
)  # fmt: skip

VOLUMES_SEX = replace(
    sex("hcp"), name="hcp-volumes-sex", title="Sex, HCP Young Adult, 4-D volumes", dataset="hcp-volumes",
    inputs=("volume",), published=None,
)  # fmt: skip

COMPOSITE, FLANKER = ("fluid_composite", "fluid composite"), ("flanker", "flanker")

_ALL = (
    *(sex(name) for name in COHORTS),
    *(age(name) for name in COHORTS),
    *(age_group(name) for name in ("abide1", "abide2", "ukb", "hcp-aging", "adni")),
    score("ukb", "fluid", "fluid intelligence"),
    status("ukb", "fluid", "fluid intelligence", UKB_FLUID),
    *(score(name, *COMPOSITE) for name in ("hcp", "hcp-aging", "abcd")),
    *(status(name, *COMPOSITE, TOOLBOX) for name in ("hcp", "hcp-aging", "abcd")),
    *(score(name, *FLANKER) for name in ("hcp", "hcp-aging", "abcd")),
    *(status(name, *FLANKER, TOOLBOX) for name in ("hcp", "hcp-aging", "abcd")),
    ADHD,
    AD,
    CN_MCI_AD,
    CN_VS_REST,
    APOE4,
    VOLUMES_SEX,
)

DECLARED = {task.name: with_shots(task) if task is not VOLUMES_SEX else task for task in _ALL}
"""Task name -> task."""
