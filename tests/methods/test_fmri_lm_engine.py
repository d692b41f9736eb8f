"""fMRI-LM through the engine, on a cohort with a planted effect: its row, its controls, and few labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from support import plan_of, write_planted

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")

from brainbench.benchmark.processes import Limits
from brainbench.benchmark.record import Record

TINY = (
    "lm=tiny-random", "lm_layers=0", "width=64", "frames=40", "patch=40", "merge=2", "codes=16", "stage1_epochs=1",
    "stage2_epochs=1", "stage3_epochs=12", "stage3_rate=1e-3", "tuning=full", "adapt_steps=3",
)  # fmt: skip


@pytest.mark.slow
def test_the_planted_effect_is_found_and_not_without_the_scan(
    own_home: Path, run_plan: Callable[..., list[Record]]
) -> None:
    write_planted(own_home, effect=2.0, rois=8)
    names = ("fmri-lm", "fmri-lm+question-only", "fmri-lm+other-scan")
    plan = plan_of("abide1-asd", *names, data="real", settings=TINY, folds=2)
    found, asked, swapped = run_plan(plan, Limits(seconds=600))
    assert found.status == asked.status == swapped.status == "ok"
    assert (found.scores["auc"].value or 0) > 0.75
    assert asked.scores["auc"].value == pytest.approx(0.5, abs=0.01)
    assert swapped.scores["auc"].value == pytest.approx(0.5, abs=0.2)
