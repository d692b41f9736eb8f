"""What tests of the whole path share: mock plugins, plans, and cohorts with a planted effect."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from brainbench.benchmark.datasets.cohort import SEAL, SEALED, write_cohort
from brainbench.benchmark.files import seal
from brainbench.benchmark.plan import Plan, Request, make_plan

MOCKS = Path(__file__).parent / "plugins" / "mocks.py"
ROGUES = Path(__file__).parent / "plugins" / "rogues.py"
ROIS = 16


def plan_of(task: str, *methods: str, **options: object) -> Plan:
    """A plan; names without a dot are those of the mock plugins."""

    def full(name: str) -> str:
        return name if "-" in name or ":" in name or name.islower() else f"{MOCKS}:{name}"

    request = Request((full(task),), tuple(map(full, methods)), **options)  # type: ignore[arg-type]
    return make_plan(request, lambda label, done, total: None)


def write_planted(
    home: Path, name: str = "abide1", *, n: int = 120, effect: float = 0.8, seed: int = 0, shuffled: bool = False,
    prefix: str = "s", copy_of_first: bool = False, rois: int = ROIS,
) -> None:  # fmt: skip
    """A cohort in which autism couples the first two ROIs; shuffled labels break the link."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    given = rng.permutation(labels) if shuffled else labels
    with write_cohort(home / "cohorts" / name, rois=rois) as writer:
        first = None
        for k in range(n):
            series = rng.normal(size=(60 + k % 7, rois))
            series[:, 1] += effect * labels[k] * series[:, 0]
            first = series if first is None else first
            row = {"subject": f"{prefix}{k}", "family": f"{prefix}{k}", "site": f"site{k // 2 % 4}",
                   "age": 10 + k % 9, "sex": ("female", "male")[k // 2 % 2], "motion": 0.1, "tr": 2.0,
                   "diagnosis": ("control", "autism")[given[k]]}  # fmt: skip
            writer.add(f"{prefix}{k}", first if copy_of_first and k % 10 == 0 else series, row)
        writer.finish({
            "name": name, "dataset": "abide1", "origin": "real", "source": "a test", "importer": {}, "left_out": {},
            "atlas": {"name": f"test{rois}", "labels": [f"r{k}" for k in range(rois)],
                      "networks": [f"net{k % 4}" for k in range(rois)]},
        })  # fmt: skip


def reseal(cohort: Path) -> None:
    """Seal a cohort whose manifest or table a test has changed, as if it had been written so."""
    (cohort / SEAL).write_text(seal(cohort, SEALED))
