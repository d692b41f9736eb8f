"""Autism or control, from a resting-state scan."""

from __future__ import annotations

from dataclasses import replace

from ..benchmark.contracts import Task
from ..benchmark.errors import BadOption
from ..benchmark.splits import External, KFold, SiteOut


def site_out(task: Task, argument: str) -> Task:
    """Leave one site out, or with a number one of that many groups of sites."""
    if argument and not (argument.isdecimal() and int(argument) >= 2):
        raise BadOption(
            f"{task.name}@site-out:{argument}: not a number of groups",
            f"use  {task.name}@site-out  or  {task.name}@site-out:5",
        )
    split = SiteOut(int(argument) if argument else None)
    return replace(task, split=split, title=f"{task.title}, sites left out")


def external(task: Task, argument: str) -> Task:
    """Train on the task's cohort, test on an imported one with the same target and ROIs."""
    if not argument:
        raise BadOption(f"{task.name}@external: which cohort?", f"use  {task.name}@external:NAME")
    return replace(task, split=External(), test_dataset=argument, title=f"{task.title}, tested on {argument}")


def repeated(task: Task, argument: str) -> Task:
    """Five folds, so many times over with other shuffles."""
    if not (argument.isdecimal() and int(argument) >= 1):
        raise BadOption(f"{task.name}@repeats:{argument}: not a number", f"use  {task.name}@repeats:5")
    return replace(task, split=KFold(5, repeats=int(argument)))


DESCRIPTION = (
    "Five folds, stratified by site and class, a subject's scans together. @site-out leaves each site out in turn: "
    "its headline is the mean over sites with at least five people of each class, because scores of models trained "
    "on other sites are not on one scale; the pooled score stands beside it. @site-out:5 groups the sites into five "
    "folds. @external:NAME trains on this cohort and tests on another."
)

ABIDE1_ASD = Task(
    name="abide1-asd",
    title="Autism or control, ABIDE I",
    description=DESCRIPTION,
    family="autism",
    version=1,
    kind="classification",
    dataset="abide1",
    target="diagnosis",
    classes=("control", "autism"),
    covariates=("age", "sex", "site", "motion", "frames"),
    split=KFold(5),
    metrics=("auc", "accuracy", "balanced-accuracy", "macro-f1"),
    regimes={"site-out": site_out, "external": external, "repeats": repeated},
)

ABIDE2_ASD = replace(
    ABIDE1_ASD, name="abide2-asd", title="Autism or control, ABIDE II", dataset="abide2", published=("ABIDE2", "ASD")
)
