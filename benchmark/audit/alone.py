"""L4, L9, L10, L12: what site, motion, scan length or a covariate alone say of the label."""

from __future__ import annotations

from .detector import LABELLED, Case, Detector, Level, Result
from .labels import Agreement

GIVES_AWAY = 0.9
"""AUC (or r) from which a column by itself as good as holds the label."""

SITE = Detector("L4", "site-alone", "the label's share at each site, learned on the training items")
MOTION = Detector("L9", "motion-alone", "mean framewise displacement, in bins")
LENGTH = Detector("L10", "length-alone", "number of frames and TR, in bins")
PROXY = Detector("L12", "covariate-proxies", "each covariate that the task shows, by itself")


def site_alone(case: Case) -> Result:
    """How well the site alone tells the label."""
    return _alone(SITE, case, ("site",))


def motion_alone(case: Case) -> Result:
    """How well head motion alone tells the label."""
    return _alone(MOTION, case, ("motion",))


def length_alone(case: Case) -> Result:
    """How well number of frames and TR alone tell the label."""
    return _alone(LENGTH, case, ("frames", "tr"))


def _alone(detector: Detector, case: Case, names: tuple[str, ...]) -> Result:
    if case.task.kind not in LABELLED:
        return detector.not_covered(f"the truth of {case.task.kind} is no class or number")
    columns = [column for name in names if (column := case.column(name)) is not None and column.nunique() > 1]
    told = " and ".join(str(column.name) for column in columns)
    if not columns:
        return detector.not_covered(f"{' and '.join(names)}: unknown, or the same for all items")
    found = case.labels.alone(case.folds.values(), columns)
    return detector.found(_level(found), f"{told} alone: {found}", value=found.value, error=found.error)


def _level(found: Agreement) -> Level:
    if found.value >= GIVES_AWAY:
        return "leak"
    return "note" if found.above else "ok"


def covariate_proxies(case: Case) -> Result:
    """Whether one of the covariates that methods are shown as good as holds the label."""
    if case.task.kind not in LABELLED:
        return PROXY.not_covered(f"the truth of {case.task.kind} is no class or number")
    shown = {name: column for name in case.task.covariates if (column := case.column(name)) is not None}
    if not shown:
        return PROXY.not_covered("the task shows no covariate that the cohort holds")
    found = {name: case.labels.alone(case.folds.values(), [column]) for name, column in shown.items()}
    told = ", ".join(f"{name} {score.value:.2f}" for name, score in found.items())
    figures = {name: score.value for name, score in found.items()}
    proxies = [name for name, score in found.items() if score.value >= GIVES_AWAY]
    if proxies:
        return PROXY.leak(f"{', '.join(proxies)} as good as holds the label ({case.labels.metric}: {told})", **figures)
    return PROXY.ok(f"no covariate gives the label away ({case.labels.metric} alone: {told})", **figures)
