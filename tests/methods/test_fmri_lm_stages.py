"""Stages of fMRI-LM one by one: checkpoints, several cohorts, and going on after an interruption."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")

from brainbench.benchmark.contracts import Context, Pretrainable, Source, TaskInfo, Train  # noqa: E402
from brainbench.benchmark.errors import BadData, BadOption  # noqa: E402
from brainbench.benchmark.items import Items  # noqa: E402
from brainbench.benchmark.kinds.scans import Scans  # noqa: E402
from brainbench.benchmark.nn.weights import load_weights  # noqa: E402
from brainbench.methods.fmri_lm import loops  # noqa: E402
from brainbench.methods.fmri_lm.corpus import prepare  # noqa: E402
from brainbench.methods.fmri_lm.method import FMRILM  # noqa: E402

TASK = TaskInfo("pretraining", "pretraining", "")
ASKED = TaskInfo("asked", "classification", "diagnosis", ("control", "autism"), ("site",))


def cohort(count: int, seed: int, rois: int = 6, scale: float = 1.0) -> Scans:
    rng = np.random.default_rng(seed)
    series = [scale * rng.normal(size=(50, rois)).cumsum(axis=0).astype(np.float32) for _ in range(count)]
    table = pd.DataFrame(
        {"tr": 2.0, "frames": 50, "site": [f"s{k % 2}" for k in range(count)]}, index=[str(k) for k in range(count)]
    )
    atlas = {"name": "a", "labels": [f"r{k}" for k in range(rois)], "networks": ["x", "y"] * (rois // 2)}
    return Scans(Items(table, {"series": series}, {"atlas": atlas}), ("site",))


def method(**changes: Any) -> FMRILM:
    sizes = {"width": 16, "depth": 1, "decoder_depth": 1, "frames": 40, "patch": 20, "codes": 8, "code_width": 8}
    quick = {"stage1_epochs": 2, "stage2_epochs": 2, "stage1_batch": 3, "stage2_batch": 3, "stage3_epochs": 1}
    small = FMRILM.presets["small"]
    return FMRILM(**{**small, **sizes, **quick, "drop_path": 0.1, "lm": "tiny-random", "lm_layers": 0, **changes})


def context(folder: Path, **changes: Any) -> Context:
    folder.mkdir(exist_ok=True, parents=True)
    (folder / "save").mkdir(exist_ok=True)
    return Context(**{"task": TASK, "seed": 3, "workdir": folder, "save": folder / "save", **changes})


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_weights(folder)[0]


def same(one: Path, other: Path) -> bool:
    a, b = weights(one), weights(other)
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stages 1 and 2 in one go."""
    folder = tmp_path_factory.mktemp("whole")
    method().pretrain([cohort(8, 0)], context(folder))
    return folder / "save"


def test_the_folder_is_the_last_stage_and_stage_one_has_no_language_part(whole: Path) -> None:
    assert isinstance(method(), Pretrainable)
    assert FMRILM.stages == 3
    last, first = (json.loads((place / "weights.json").read_text()) for place in (whole, whole / "stage1"))
    assert (last["stage"], first["stage"]) == (2, 1)
    assert "lm" in last["structure"]
    assert "lm" not in first["structure"]
    assert {name.partition(".")[0] for name in weights(whole)} == {"tokenizer", "adapter", "language", "descriptors"}
    assert {name.partition(".")[0] for name in weights(whole / "stage1")} == {"tokenizer", "descriptors"}


def test_stage_by_stage_gives_the_weights_of_one_go(whole: Path, tmp_path: Path) -> None:
    scans = [cohort(8, 0)]
    method().pretrain(scans, context(tmp_path / "1", stage=1))
    assert same(tmp_path / "1/save", whole / "stage1")
    method().pretrain(scans, context(tmp_path / "2", stage=2, checkpoint=tmp_path / "1/save"))
    assert same(tmp_path / "2/save", whole)
    assert not (tmp_path / "2/save/stage1").exists()


@pytest.mark.parametrize("step", [1, 3, 6, 7, 10])
def test_an_interrupted_run_goes_on_to_the_same_weights(
    step: int, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six steps a stage: stopped within an epoch, at its end, between the stages and in the second."""
    monkeypatch.setattr(loops, "KEEP_SECONDS", 0.0)
    taken = 0

    def stop(label: str, done: int, total: int) -> None:
        nonlocal taken
        taken += label.startswith("stage")
        if label.startswith("stage") and taken == step:
            raise KeyboardInterrupt

    here = context(tmp_path, resume=tmp_path / "resume")
    with pytest.raises(KeyboardInterrupt):
        method().pretrain([cohort(8, 0)], replace(here, progress=stop))
    seen: list[tuple[str, int]] = []
    method().pretrain([cohort(8, 0)], replace(here, progress=lambda label, done, total: seen.append((label, done))))
    steps = [done for label, done in seen if label.startswith("stage 1")]
    assert steps == list(range(step, 7))
    assert same(tmp_path / "save", whole)


def test_a_damaged_state_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "resume").mkdir()
    (tmp_path / "resume/stage 1.pt").write_bytes(b"nothing")
    with pytest.raises(BadData, match="not the state of an interrupted stage"):
        method().pretrain([cohort(8, 0)], context(tmp_path, resume=tmp_path / "resume"))


def test_stages_that_lack_the_one_before_are_refused(whole: Path, tmp_path: Path) -> None:
    scans = [cohort(8, 0)]
    with pytest.raises(BadOption, match="stage 2 starts from a checkpoint of stage 1"):
        method().pretrain(scans, context(tmp_path, stage=2))
    with pytest.raises(BadOption, match="stage 3 starts from a checkpoint of stage 2"):
        method().pretrain(scans, context(tmp_path, stage=3, checkpoint=whole / "stage1"))
    with pytest.raises(BadOption, match="stage 3 learns from labels"):
        method().pretrain(scans, context(tmp_path, stage=3, checkpoint=whole))
    with pytest.raises(BadOption, match="stage 1 starts from nothing"):
        method().pretrain(scans, context(tmp_path, stage=1, checkpoint=whole))
    with pytest.raises(BadOption, match="has stage 2 already"):
        method().pretrain(scans, context(tmp_path, checkpoint=whole))


def test_sources_add_stage_three_which_starts_a_fit(tmp_path: Path) -> None:
    scans = cohort(8, 0)
    train = Train(scans, np.arange(8) % 2, np.arange(8))
    method().pretrain([scans], context(tmp_path, sources={"asked": Source(ASKED, train)}))
    assert json.loads((tmp_path / "save/weights.json").read_text())["stage"] == 3
    assert (tmp_path / "save/stage2/weights.json").is_file()
    fitted, here = method(), context(tmp_path / "fit", checkpoint=tmp_path / "save", task=ASKED)
    fitted.fit(train, here)
    assert np.allclose(fitted.predict(cohort(3, 5), here).sum(1), 1)


@pytest.mark.parametrize("stage", [1, 2])
def test_a_checkpoint_starts_a_fit_whose_earlier_stages_are_its_own(stage: int, whole: Path, tmp_path: Path) -> None:
    place = whole / "stage1" if stage == 1 else whole
    here = context(tmp_path, task=ASKED, checkpoint=place)
    fitted = method()
    fitted.fit(Train(cohort(6, 4), np.arange(6) % 2, np.arange(6)), here)
    stored = json.loads((place / "weights.json").read_text())["facts"]
    for name in ("stage1", "stage2")[:stage]:
        assert fitted.report()[name] == stored[name]
    assert fitted.report()["stage2"]["steps"] == (4 if stage == 1 else 6)


# Several cohorts


def test_sites_of_two_cohorts_are_told_apart(tmp_path: Path) -> None:
    loud, quiet = cohort(6, 1), cohort(4, 2)
    prepared = prepare([loud, quiet], method(), context(tmp_path))
    assert len(prepared) == len(prepared.texts) == 10
    assert set(prepared.scale.sites) == {"1/s0", "1/s1", "2/s0", "2/s1"}
    alone = prepare([loud], method(), context(tmp_path / "alone"))
    assert set(alone.scale.sites) == {"s0", "s1"}
    assert np.allclose(prepared.inputs.batch(np.arange(6)), alone.inputs.batch(np.arange(6)), atol=1e-3)
    named = prepare([loud, quiet], method(), context(tmp_path / "named"), names=("a", "b"))
    assert set(named.scale.sites) == {"a/s0", "a/s1", "b/s0", "b/s1"}


def test_a_fitted_state_lends_its_statistics(whole: Path, tmp_path: Path) -> None:
    from brainbench.methods.fmri_lm import checkpoint

    state = checkpoint.restore(whole, method(), "cpu")
    prepared = prepare([cohort(4, 9)], method(), context(tmp_path), state)
    assert prepared.scale == state.scale
    assert prepared.describer is state.describer
    assert prepare([cohort(4, 9)], method(), context(tmp_path), state, describe=False).texts == []


def test_cohorts_of_two_atlases_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="one atlas"):
        prepare([cohort(2, 0), cohort(2, 0, rois=8)], method(), context(tmp_path))
    with pytest.raises(BadData, match="no scan"):
        prepare([cohort(2, 0).take(np.arange(0))], method(), context(tmp_path))
