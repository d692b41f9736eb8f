"""Nine people, each scanned under placebo and psilocybin, as a lab's own cohort: grouped and ungrouped scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from brainbench import Task
from brainbench.benchmark.audit.grouping import ungrouped_split
from brainbench.benchmark.audit.report import Wanted, audit_all, open_case
from brainbench.benchmark.datasets.importer import import_cohort
from brainbench.benchmark.datasets.layout import Options
from brainbench.benchmark.errors import BadSplit
from brainbench.benchmark.splits import KFold, refuse_crossing

PLACEBO, PSILOCYBIN = 2, 3
"""Columns of the source's table, counted from 0."""

TASK = Task(
    name="psilocybin", title="Placebo or psilocybin", family="own", version=1, kind="classification",
    dataset="own:psilocybin", target="condition", classes=("placebo", "psilocybin"), split=KFold(4), metrics=("auc",),
)  # fmt: skip


@pytest.fixture
def cohort(shared, tmp_path, own_home):
    """The recordings as files of a lab: one .npy a scan, and a table."""
    h5py = pytest.importorskip("h5py")
    source = shared / "psilocybin_aal90" / "psilotc.mat"
    if not source.is_file():
        pytest.skip("the psilocybin data are not here")
    rows = []
    with h5py.File(source) as file:
        cells = file["tc_aal"]
        for person in range(cells.shape[1]):
            for column, condition in ((PLACEBO, "placebo"), (PSILOCYBIN, "psilocybin")):
                scan = f"sub-{person + 1:02d}_ses-{condition}"
                np.save(tmp_path / f"{scan}.npy", file[cells[column, person]][:].astype(np.float32))
                rows.append({"participant_id": f"sub-{person + 1:02d}", "session_id": f"ses-{condition}",
                             "condition": condition})  # fmt: skip
    pd.DataFrame(rows).to_csv(tmp_path / "participants.csv", index=False)
    options = Options(tr=2.0, columns={"condition": "condition"})
    return import_cohort("own", tmp_path, name="psilocybin", options=options)


def test_a_persons_two_conditions_stay_together_and_ignoring_that_misleads(cohort, monkeypatch):
    import brainbench.benchmark.audit.report as report

    monkeypatch.setattr(report, "load_task", lambda name: (TASK, name))
    opened = open_case(Wanted("psilocybin", "real"))
    case = opened.case
    assert (len(case.items), case.table["subject"].nunique()) == (18, 9)
    refuse_crossing(case.split, case.table)
    apart = case.split.model_copy(update={"folds": {"f": {"train": tuple(case.table.index[::2]),
                                                          "test": tuple(case.table.index[1::2])}}})  # fmt: skip
    with pytest.raises(BadSplit, match="9 groups are in both train and test"):
        refuse_crossing(apart, case.table)
    result = ungrouped_split(case)
    assert result.level == "note"
    assert result.figures["ungrouped"] < result.figures["grouped"]
    assert "100% of those scanned more than once" in result.message
    levels = {found.detector: found.level for found in audit_all(opened, Wanted("psilocybin", "real"), None)}
    assert "leak" not in levels.values()
    assert levels["fingerprint"] == "not covered"  # 18 scans have no spread to tell an outlier by
