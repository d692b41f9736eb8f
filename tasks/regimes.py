"""Regimes that tasks on scans share: other splits, another cohort to test on, other thresholds."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import pairwise

from ..benchmark.contracts import Task
from ..benchmark.errors import BadOption
from ..benchmark.shots import Shots
from ..benchmark.splits import External, Given, KFold, SiteOut
from .labels import Bands, Status


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


def hidden(task: Task, argument: str) -> Task:
    """Test people whose labels somebody keeps: predictions are made here, and scored where the truth is."""
    if not argument:
        raise BadOption(f"{task.name}@hidden: which cohort?", f"use  {task.name}@hidden:NAME")
    return replace(
        task,
        split=Given(),
        dataset=f"own:{argument}",
        withheld=True,
        published=None,
        title=f"{task.title}, hidden labels",
    )


def repeated(task: Task, argument: str) -> Task:
    """Five folds, so many times over with other shuffles."""
    if not (argument.isdecimal() and int(argument) >= 1):
        raise BadOption(f"{task.name}@repeats:{argument}: not a number", f"use  {task.name}@repeats:5")
    return replace(task, split=KFold(5, repeats=int(argument)))


def other_z(task: Task, argument: str) -> Task:
    """Lower and higher begin at another number of standard deviations."""
    assert isinstance(task.label, Status)
    (z,) = _numbers(task, "z", argument, "1")
    if z <= 0:
        raise BadOption(f"{task.name}@z:{argument}: not above 0", f"use  {task.name}@z:1")
    return replace(
        task,
        label=replace(task.label, z=z),
        target=f"{task.target}:{argument}",
        title=f"{task.title}, beyond {z:g} sd",
        published=None,
    )


def other_edges(task: Task, argument: str) -> Task:
    """Age groups with other edges."""
    assert isinstance(task.label, Bands)
    edges = _numbers(task, "edges", argument, "40,60")
    if list(edges) != sorted(set(edges)):
        raise BadOption(f"{task.name}@edges:{argument}: not rising", f"use  {task.name}@edges:40,60")
    names = band_names(edges)
    label = Bands(task.label.source, edges, names)
    return replace(task, label=label, classes=names, target=f"{task.target}:{argument}", published=None)


def _numbers(task: Task, name: str, argument: str, example: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in argument.split(","))
    except ValueError:
        raise BadOption(f"{task.name}@{name}:{argument}: not numbers", f"use  {task.name}@{name}:{example}") from None


def band_names(edges: tuple[float, ...]) -> tuple[str, ...]:
    """Names of the bands between edges in whole years: ``<18``, ``18-35``, ``>=36``."""
    inner = [f"{low:g}-{high - 1:g}" for low, high in pairwise(edges)]
    return (f"<{edges[0]:g}", *inner, f">={edges[-1]:g}")


def few_labels(task: Task, argument: str, count: int | None) -> Task:
    """So many labelled scans in all, and the labels of the source tasks; None for all of the untested half."""
    names = chosen_sources(task, argument)
    lent = f", sources: {', '.join(names)}" if names else ", no sources"
    shown = {None: "all labels of a half", 0: "no label"}.get(count, f"{count} labels")
    return replace(
        task,
        title=f"{task.title}, {shown}{lent}",
        split=Shots(count),
        interval="draws" if count else "subjects",
        few=count is not None,
        sources=names,
        uses_sources=bool(names),
        published=None,
    )


def joint(task: Task, argument: str) -> Task:
    """The task's own folds, and the labels of the source tasks beside its own."""
    names = chosen_sources(task, argument)
    if not names:
        raise BadOption(f"{task.name}@joint: with which tasks?", f"use  {task.name}@joint:TASK,TASK")
    return replace(task, title=f"{task.title}, with {', '.join(names)}", sources=names, uses_sources=True)


def chosen_sources(task: Task, argument: str) -> tuple[str, ...]:
    """The source tasks named after a colon; the task's own when none are, and none for ``none``."""
    if not argument:
        return task.sources
    names = tuple(dict.fromkeys(name.strip() for name in argument.split(",") if name.strip()))
    if task.name in names:
        raise BadOption(f"{task.name} cannot be its own source", "name other tasks, or none")
    if "none" in names and len(names) > 1:
        raise BadOption(f"sources {argument}: none stands alone", "name tasks, or none")
    if argument != ",".join(names):  # the same sources under a second name would be run twice
        spelled = f"write  {','.join(names)}" if names else "name tasks, or none"
        raise BadOption(f"sources {argument!r}: each once, a comma between and no space", spelled)
    return () if names == ("none",) else names


def shot_counts(task: Task) -> tuple[int, ...]:
    """Numbers of labelled scans that a task offers: those that its classes can share."""
    if not task.classes:
        return REGRESSION_SHOTS
    each = len(task.classes)
    return tuple(sorted({each, 2 * each, 5 * each} | {k for k in CLASS_SHOTS if k % each == 0}))


def with_shots(task: Task, source: str = "ukb-sex", instead: str = "hcp-sex") -> Task:
    """The task with its regimes of few labels. The source is that of the fMRI-LM paper; its own is another."""
    counts: dict[str, int | None] = {f"{k}-shot": k for k in shot_counts(task)}
    counts = {"zero-shot": 0, **counts, "all-shot": None}
    regimes = {name: partial(few_labels, count=count) for name, count in counts.items()}
    sources = (instead if task.name == source else source,)
    return replace(task, regimes={**task.regimes, **regimes, "joint": joint}, sources=sources)


CLASS_SHOTS = (2, 4, 10)
REGRESSION_SHOTS = (4, 10, 20)

SPLITS = {"site-out": site_out, "external": external, "repeats": repeated, "hidden": hidden}
"""Regime name -> function, of every task on a cohort of scans."""
