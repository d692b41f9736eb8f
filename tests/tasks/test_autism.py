"""The autism tasks and their regimes."""

from __future__ import annotations

import pytest

from brainbench.benchmark.errors import BadOption
from brainbench.benchmark.registry import load_task
from brainbench.benchmark.splits import External, KFold, SiteOut


@pytest.mark.parametrize("name", ["abide1-asd", "abide2-asd"])
def test_tasks_keep_the_target_out_of_the_covariates(name: str) -> None:
    task, _ = load_task(name)
    assert task.classes == ("control", "autism")
    assert task.target not in task.covariates
    assert task.metrics[0] == "auc"
    assert task.split == KFold(5)
    assert not task.pooled


def test_regimes_change_the_split() -> None:
    assert load_task("abide1-asd@site-out")[0].split == SiteOut(None)
    grouped = load_task("abide1-asd@site-out:5")[0]
    assert (grouped.split, grouped.name) == (SiteOut(5), "abide1-asd@site-out:5")
    assert load_task("abide1-asd@repeats:3")[0].split == KFold(5, repeats=3)
    other = load_task("abide1-asd@external:lab")[0]
    assert (other.split, other.test_dataset) == (External(), "lab")


@pytest.mark.parametrize("regime", ["site-out:one", "site-out:1", "external", "repeats", "repeats:x", "nothing"])
def test_wrong_arguments_are_answered(regime: str) -> None:
    with pytest.raises(BadOption):
        load_task(f"abide1-asd@{regime}")


def test_published_numbers_are_found() -> None:
    assert load_task("abide2-asd")[0].published == ("ABIDE2", "ASD")
    assert load_task("abide1-asd")[0].published is None
