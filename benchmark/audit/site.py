"""L4: how well site is read from the scans, and what a method's score owes to it."""

from __future__ import annotations

import numpy as np

from ..record import Record
from ..splits import KFold
from .detector import LABELLED, Case, Detector, Result
from .labels import Labels
from .look import has_series
from .probe import gram, ridge
from .said import Said

FOLDS = 5

CRAMER = Detector("L4", "site-and-class", "counts of every class at every site", covers=("classification",))
READ = Detector("L4", "site-in-scans", "a linear probe on FC that tells the site")
SITES = Detector("L4", "score-by-site", "the method's scores within each site", covers=("classification",))
GAP = Detector("L4", "site-out-gap", "the method's record beside its record with sites left out")

MATTERS = 0.03

READABLE = 0.25
"""Share of the way from chance to perfect from which scans tell their site."""


def site_imbalance(case: Case) -> Result:
    """How far site tells the class (Cramer's V)."""
    import pandas as pd

    site = case.column("site")
    if case.task.kind != "classification" or site is None or site.nunique() < 2:
        return CRAMER.not_covered("needs classes and two sites")
    counts = pd.crosstab(site, case.table[case.task.target]).to_numpy(float)
    if min(counts.shape) < 2:
        return CRAMER.not_covered("one class only")
    expected = counts.sum(1, keepdims=True) * counts.sum(0, keepdims=True) / counts.sum()
    v = float((((counts - expected) ** 2 / expected).sum() / counts.sum() / (min(counts.shape) - 1)) ** 0.5)
    message = f"Cramer's V of site and class is {v:.2f}: read the row site-only beside this one"
    return CRAMER.found("note" if v > 0.1 else "ok", message, v=v)


def site_in_scans(case: Case) -> Result:
    """How well a linear probe tells the site from FC. It harms only where site also tells the label."""
    import pandas as pd

    site = case.column("site")
    if not has_series(case.items) or site is None or site.nunique() < 2:
        return READ.not_covered("needs ROI series and two sites")
    known = np.flatnonzero(site.notna())
    codes, names = pd.factorize(site, sort=True)
    table = case.table.assign(_site=site.astype(str)).iloc[known]
    if table["group"].nunique() < 2 * FOLDS:
        return READ.not_covered(f"fewer than {2 * FOLDS} subjects")
    sites = Labels.of_classes(np.maximum(codes, 0), len(names))
    kernel, index = gram(case.look.fc), case.table.index
    right = np.zeros(len(case.items), bool)
    for fold in KFold(FOLDS).folds(table, "_site", case.seed):
        train, test = (index.get_indexer(pd.Index(list(ids))) for ids in (fold.train, fold.test))
        score = ridge(kernel, sites.columns, train, test)
        guess = score.argmax(axis=1) if score.shape[1] > 1 else (score[:, 0] > 0.5).astype(int)
        right[test] = guess == codes[test]
    recall = float(np.mean([right[codes == k].mean() for k in range(len(names))]))
    told_from = 1 / len(names) + READABLE * (1 - 1 / len(names))
    told = f"balanced accuracy {recall:.2f} for {len(names)} sites (chance {1 / len(names):.2f})"
    figures = {"balanced_accuracy": recall, "sites": len(names)}
    if case.task.kind in LABELLED and case.labels.alone(case.folds.values(), [site]).above and recall > told_from:
        return READ.note(f"{told}: scans tell the site, and the site tells the label", **figures)
    return READ.ok(f"{told}; site by itself does not tell the label here", **figures)


def score_by_site(case: Case, said: Said) -> Result:
    """A method's AUC among the people of each site, where both classes have enough."""
    import pandas as pd

    site = case.column("site")
    if case.task.kind != "classification" or site is None:
        return SITES.not_covered("needs classes and sites")
    codes = pd.factorize(site)[0][said.rows]
    names = site.to_numpy()[said.rows]
    by_site: dict[str, float] = {}
    for code in np.unique(codes[codes >= 0]):
        mine = np.flatnonzero(codes == code)
        if case.labels.columns[said.rows[mine]].sum(axis=0).min() >= 5 and (
            (1 - case.labels.columns[said.rows[mine]]).sum(axis=0).min() >= 5
        ):
            by_site[str(names[mine[0]])] = case.labels.agreement(said.rows[mine], said.ranks[mine])
    if not by_site:
        return SITES.not_covered("no site has five people of each class")
    overall = case.labels.agreement(said.rows, said.ranks)
    inside = said.inside(case, codes)
    low = min(by_site, key=lambda name: by_site[name])
    high = max(by_site, key=lambda name: by_site[name])
    told = (
        f"AUC {overall:.3f} over all, {inside.value:.3f} among people of one site; {len(by_site)} sites with five "
        f"of each class: {by_site[low]:.2f} ({low}) to {by_site[high]:.2f} ({high})"
    )
    figures = {"overall": overall, "within_site": inside.value, **by_site}
    if overall - inside.value > MATTERS and overall > 0.5 + MATTERS:
        return SITES.note(f"{told}: part of the score is the site", **figures)
    return SITES.ok(told, **figures)


def site_out_gap(case: Case, ours: Record, out: Record | None) -> Result:
    """Headline under the task's split beside that with sites left out."""
    base = case.task.name.partition("@")[0]
    if out is None:
        return GAP.not_covered(
            f"no record; make one:  brainbench run --task {base}@site-out --method {ours.method.ref}"
        )
    name = case.task.metrics[0]
    mine, theirs = (record.scores[name].value if name in record.scores else None for record in (ours, out))
    if mine is None or theirs is None:
        return GAP.not_covered(f"one of the records has no {name}")
    gap = mine - theirs if ours.scores[name].higher_is_better else theirs - mine
    told = f"{name} {mine:.3f} here, {theirs:.3f} with sites left out"
    figures = {"here": mine, "site_out": theirs, "gap": gap}
    if case.task.kind == "classification" and gap > MATTERS:
        return GAP.note(f"{told}: the score leans on sites seen in training", **figures)
    return GAP.ok(told, **figures)
