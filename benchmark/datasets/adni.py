"""Alzheimer's Disease Neuroimaging Initiative."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from ..contracts import DatasetCard
from .cells import code_of
from .dataset import TwinnedCohort
from .scheme import SEX, Scheme
from .tables import find_column, is_missing

if TYPE_CHECKING:
    import pandas as pd

FIRST_VISIT = "bl"
FIRST_NAMES = ("bl", "sc", "scmri", "init", "baseline")

DIAGNOSIS = {"cn": "CN", "smc": "CN", "mci": "MCI", "emci": "MCI", "lmci": "MCI", "ad": "AD", "dementia": "AD"}
"""Code of DX, DX_bl or Group (lower case) -> diagnosis. Significant memory concern counts as cognitively normal:
such people have normal scores, and ADNI's own DX calls them CN. The code itself stays in ``diagnosis_code``."""

GENOTYPES = {"2/2": "0", "2/3": "0", "3/3": "0", "2/4": "1", "3/4": "1", "4/4": "2", "-4": "n/a", "-1": "n/a"}
"""Genotype, or ADNI's codes for not known -> number of e4 alleles."""

VISIT, YEARS = ("viscode",), ("years_bl", "years.bl")
AT_VISIT, AT_BASELINE = ("dx",), ("dx_bl", "dx.bl", "group", "research group")


def months(label: str) -> int | None:
    """Months since baseline of a visit: of ``m12``, ``M012`` or ``y1`` 12, of ``bl`` 0; None for others."""
    plain = label.strip().lower()
    if plain in FIRST_NAMES:
        return 0
    hit = re.fullmatch(r"([my])(\d{1,3})", plain)
    return int(hit[2]) * (12 if hit[1] == "y" else 1) if hit else None


def visits(labels: Collection[str]) -> Mapping[str, str]:
    """Session label -> visit, so that ``bl`` is ``M00`` and ``m12`` is ``M012``."""
    after = {label: months(label) for label in labels}
    return {label: label if m is None else f"m{m:02d}" if m else FIRST_VISIT for label, m in after.items()}


def finer_code(at_visit: str, at_baseline: str) -> str:
    """The diagnosis of a visit; as the finer code of the baseline where that says the same."""
    if is_missing(at_visit):
        return at_baseline
    same = DIAGNOSIS.get(code_of(at_visit)) == DIAGNOSIS.get(code_of(at_baseline))
    return at_baseline if same and not is_missing(at_baseline) else at_visit


def at_visit(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Ages at the visit, subjects without underscores, and ``diagnosis_code`` from DX and DX_bl."""
    table, notes = table.copy(), []
    subject, visit = find_column(table, SUBJECTS), find_column(table, VISIT)
    now, before = find_column(table, AT_VISIT), find_column(table, AT_BASELINE)
    if subject:
        table[subject] = table[subject].str.replace("_", "", regex=False)
    if (now or before) and not find_column(table, ("diagnosis_code",)):
        table["diagnosis_code"] = _codes(table, now, before, visit)
        if not now and visit:
            notes.append(f"no column DX: the diagnosis at baseline ({before!r}) is taken for every visit")
    age, years = find_column(table, ("age",)), find_column(table, YEARS)
    if age and (years or visit):
        table[age] = [_plus(cell, after) for cell, after in zip(table[age], _years(table, years, visit), strict=True)]
        notes.append(f"ages at the visit: column {age!r} (at baseline) plus {years or visit!r}")
    return table, notes


def _codes(table: pd.DataFrame, now: str | None, before: str | None, visit: str | None) -> list[str]:
    """The code of each row; that of the baseline says nothing of a later visit whose own is not known."""
    unknown = [""] * len(table)
    old = list(table[before]) if before else unknown
    if not now:
        return old
    later = [bool(months(label)) for label in table[visit]] if visit else [False] * len(table)
    rows = zip(table[now], old, later, strict=True)
    return ["" if is_missing(cell) and late else finer_code(cell, first) for cell, first, late in rows]


def _years(table: pd.DataFrame, years: str | None, visit: str | None) -> list[float]:
    """Years since baseline of each row, 0 where not known."""
    import pandas as pd

    if years:
        return [float(value) for value in pd.to_numeric(table[years], errors="coerce").fillna(0)]
    return [(months(str(label)) or 0) / 12 for label in table[visit]]


def _plus(cell: str, years: float) -> str:
    """A cell with years added; what is no number stays as it is."""
    try:
        return str(float(cell) + years)
    except ValueError:
        return cell


SUBJECTS = ("ptid", "subject", "subject id", "participant_id")

SCHEME = Scheme(
    subject_keys=SUBJECTS,
    columns={
        "session": (*VISIT, "session"),
        "site": ("site", "siteid"),
        "age": ("age",),
        "sex": ("ptgender", "sex", "gender"),
        "diagnosis": ("diagnosis_code", *AT_VISIT, *AT_BASELINE, "diagnosis"),
        "diagnosis_code": ("diagnosis_code", *AT_VISIT, *AT_BASELINE),
        "apoe4": ("apoe4", "genotype"),
    },
    codes={"sex": SEX, "diagnosis": DIAGNOSIS, "apoe4": GENOTYPES},
    required=("diagnosis",),
    subject_pattern=r"(\d{3})_?(S)_?(\d{4,5})",
    limits={"apoe4": (0, 2)},
    prepare=at_visit,
    sessions=visits,
    first_session=FIRST_VISIT,
)


class ADNI(TwinnedCohort):
    """ADNI."""

    name = "adni"
    scheme = SCHEME
    card = DatasetCard(
        title="Alzheimer's Disease Neuroimaging Initiative",
        summary="Resting-state fMRI (ADNI-GO, 2, 3 and 4) of people of 55 years and more, cognitively normal, with "
        "mild cognitive impairment or with dementia, many sites, repeated visits. Targets: diagnosis (CN, MCI, AD), "
        "APOE e4.",
        access="gated: application at adni.loni.usc.edu; extract ROI series, then `brainbench data import adni PATH`",
        licence="ADNI Data Use Agreement",
        expected="one series a scan, named by PTID and visit (sub-011S0002_ses-M12, or 011_S_0002), and ADNIMERGE.csv: "
        "PTID, VISCODE, DX, DX_bl (CN, SMC, EMCI, LMCI, MCI, AD, Dementia), AGE (at baseline; Years_bl is added), "
        "PTGENDER, APOE4, SITE. SMC counts as CN, EMCI and LMCI as MCI, Dementia as AD; the code stays as "
        "diagnosis_code. MMSE and CDR make the diagnosis and are not imported. TR differs between scanners "
        "(mostly 3.0 s): side-cars or --tr say it",
        citation="Jack et al. 2008, Journal of Magnetic Resonance Imaging 27:685",
        counts="grows; about 1,000 people with resting-state fMRI",
        leaves="aggregates",
    )
