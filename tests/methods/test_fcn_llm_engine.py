"""FCN-LLM and its text-only control through the engine, on a cohort with a planted effect."""

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

SETTINGS = (
    "lm=tiny-random", "lm_layers=0", "scales=subnetwork,brain", "paradigms=predictive", "stage1_steps=3",
    "stage2_steps=60", "stage2_epochs=16", "stage2_rate=1e-2", "lm_rate=1e-2", "standardise=none", "gated=false",
)  # fmt: skip


@pytest.mark.slow
def test_the_planted_effect_is_found_above_text_alone(own_home: Path, run_plan: Callable[..., list[Record]]) -> None:
    write_planted(own_home, effect=2.0, rois=8)
    plan = plan_of("abide1-asd", "fcn-llm", "fcn-llm+text-only", data="real", settings=SETTINGS, folds=2)
    read, told = run_plan(plan, Limits(seconds=600))
    assert read.status == told.status == "ok"
    auc, control = read.scores["auc"], told.scores["auc"]
    assert auc.value is not None
    assert auc.low is not None
    assert auc.value > 0.75
    assert auc.low > 0.6
    assert control.value == pytest.approx(0.5, abs=1e-6)  # one answer for everybody
