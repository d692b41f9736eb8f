"""fMRI-LM end to end, on simulated scans whose label moves the coupling of a few network pairs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")

from brainbench.benchmark.contracts import Context, TaskInfo, Train
from brainbench.benchmark.errors import BadData, BadOption, ExtraMissing
from brainbench.benchmark.items import Items
from brainbench.benchmark.kinds.scans import Scans
from brainbench.methods.fmri_lm.method import FMRILM

NETWORKS = ("Vis", "SomMot", "DorsAttn", "SalVentAttn", "Limbic", "Cont", "Default", "SubCortex")
PAIRS = ((6, 0, 1), (6, 3, -1), (5, 1, 1), (7, 1, -1))
ROIS = 5
TASK = TaskInfo("planted", "classification", "diagnosis", ("control", "autism"), ("site",))


def scan(rng: np.random.Generator, base: np.ndarray, shift: float) -> np.ndarray:
    """(time, roi) series of eight networks, whose planted pairs are coupled by ``shift`` more or less."""
    coupling = base + np.triu(rng.normal(0, 0.1, base.shape), 1)
    for a, b, sign in PAIRS:
        coupling[min(a, b), max(a, b)] += sign * shift
    coupling = np.triu(coupling, 1) + np.triu(coupling, 1).T + np.eye(len(base))
    values, vectors = np.linalg.eigh(coupling)
    root = vectors * np.sqrt(np.clip(values, 0.05, None))
    time = int(rng.integers(120, 200))
    networks = rng.normal(size=(time, len(base)))
    for t in range(1, time):
        networks[t] = 0.5 * networks[t - 1] + np.sqrt(0.75) * networks[t]
    series = np.repeat(networks @ root.T, ROIS, axis=1) + rng.normal(0, 0.7, (time, ROIS * len(base)))
    return (100 + 5 * series).astype(np.float32)


def planted(count: int, effect: float, seed: int = 0, networks: bool = True) -> tuple[Scans, np.ndarray]:
    """Scans of four sites, and labels."""
    rng = np.random.default_rng(seed)
    base = np.triu(rng.normal(0, 0.1, (8, 8)), 1)
    labels = rng.permutation(np.arange(count) % 2)
    series = [scan(rng, base, effect * (label - 0.5)) for label in labels]
    table = pd.DataFrame(
        {"tr": 2.0, "frames": [len(values) for values in series], "site": [f"s{k % 4}" for k in range(count)]},
        index=[f"sub-{k}" for k in range(count)],
    )
    atlas = {
        "name": "planted",
        "labels": [f"roi{k}" for k in range(8 * ROIS)],
        "networks": [name for name in NETWORKS for _ in range(ROIS)] if networks else [],
    }
    return Scans(Items(table, {"series": series}, {"atlas": atlas}), ("site",)), labels


def method(**changes: object) -> FMRILM:
    """The small preset with a tiny random language model."""
    return FMRILM(**{**FMRILM.presets["small"], "lm": "tiny-random", "lm_layers": 0, "codes": 64, **changes})


QUICK = {"stage1_epochs": 1, "stage2_epochs": 1, "stage3_epochs": 1, "width": 32}


def context(folder: Path, **changes: object) -> Context:
    folder.mkdir(exist_ok=True)
    return Context(TASK, seed=1, workdir=folder, **changes)  # type: ignore[arg-type]


def fit_and_score(folder: Path, effect: float) -> float:
    scans, labels = planted(200, effect)
    fitted = method(stage1_epochs=2, stage3_epochs=10, width=64)
    here = context(folder)
    fitted.fit(Train(scans.take(np.arange(80)), labels[:80], np.arange(80)), here)
    probabilities = fitted.predict(scans.take(np.arange(80, 200)), here)
    return float(roc_auc_score(labels[80:], probabilities[:, 1]))


def test_planted_effect_is_learned(tmp_path: Path) -> None:
    assert fit_and_score(tmp_path, 0.6) > 0.75


def test_no_effect_gives_chance(tmp_path: Path) -> None:
    assert fit_and_score(tmp_path, 0.0) == pytest.approx(0.5, abs=0.16)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """One quick fit with --save, its predictions and its progress."""
    folder = tmp_path_factory.mktemp("quick")
    seen: list[tuple[str, int, int]] = []
    scans, labels = planted(24, 0.5)
    here = context(folder, save=folder / "weights", progress=lambda *args: seen.append(args))
    fitted = method(**QUICK)
    fitted.fit(Train(scans.take(np.arange(16)), labels[:16], np.arange(16)), here)
    test = scans.take(np.arange(16, 24))
    return {"scans": scans, "labels": labels, "test": test, "p": fitted.predict(test, here), "seen": seen,
            "report": fitted.report(), "save": folder / "weights"}  # fmt: skip


def test_probabilities_report_and_progress(quick: dict) -> None:
    assert quick["p"].shape == (8, 2)
    assert np.allclose(quick["p"].sum(1), 1)
    report = json.loads(json.dumps(quick["report"]))
    assert report["lm"] == "tiny-random"
    assert (report["lm_layers"], report["lm_layers_available"]) == (2, 2)
    assert report["tokenizer_parameters"] > 0
    for stage, steps in (("stage1", 1), ("stage2", 2), ("stage3", 2)):
        assert report[stage]["steps"] == steps
        assert np.isfinite(list(report[stage]["loss_end"].values())).all()
    labels = {label for label, _, _ in quick["seen"]}
    assert {"stage 1: tokenizer", "stage 2: alignment", "stage 3: instruction tuning", "predicting"} <= labels
    assert all(0 < done <= total for _, done, total in quick["seen"])


def test_same_seed_same_predictions_and_another_seed_others(quick: dict, tmp_path: Path) -> None:
    train = Train(quick["scans"].take(np.arange(16)), quick["labels"][:16], np.arange(16))
    again, other = method(**QUICK), method(**QUICK)
    here = context(tmp_path)
    again.fit(train, here)
    assert np.array_equal(again.predict(quick["test"], here), quick["p"])
    other.fit(train, replace(here, seed=2))
    assert not np.array_equal(other.predict(quick["test"], here), quick["p"])


def test_saved_weights_predict_the_same_and_start_stage_three(quick: dict, tmp_path: Path) -> None:
    here = context(tmp_path, checkpoint=quick["save"])
    loaded = method(**QUICK)
    assert np.array_equal(loaded.predict(quick["test"], here), quick["p"])
    tuned = method(**QUICK)
    tuned.fit(Train(quick["scans"].take(np.arange(16)), quick["labels"][:16], np.arange(16)), here)
    assert tuned.report()["started_from"] == "weights"
    assert all("### Question" in text for text in tuned.report()["prompts"])
    assert not np.array_equal(tuned.predict(quick["test"], here), quick["p"])


def test_checkpoint_of_other_sizes_or_damaged_is_refused(quick: dict, tmp_path: Path) -> None:
    here = context(tmp_path, checkpoint=quick["save"])
    with pytest.raises(BadOption, match="--set width=32"):
        method(**{**QUICK, "width": 64}).predict(quick["test"], here)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "weights.json").write_bytes((quick["save"] / "weights.json").read_bytes())
    (broken / "weights.safetensors").write_bytes((quick["save"] / "weights.safetensors").read_bytes()[:1000])
    with pytest.raises(BadData, match=r"weights\.safetensors"):
        method(**QUICK).predict(quick["test"], replace(here, checkpoint=broken))
    with pytest.raises(BadOption, match="no fMRI-LM checkpoint"):
        method(**QUICK).predict(quick["test"], replace(here, checkpoint=tmp_path))
    with pytest.raises(BadOption, match="before it was fitted"):
        method(**QUICK).predict(quick["test"], context(tmp_path))


@pytest.mark.parametrize(
    "changes",
    [
        {"patch": 40},
        {"description": True},
        {"answer_loss": "tokens"},
        {"tuning": "full"},
        {"pool": "mean", "init": "published", "standardise": "none", "augment": False},
    ],
)
def test_every_option_runs(changes: dict[str, object], tmp_path: Path) -> None:
    """Several time steps, description in the prompt, published answer loss, full tuning, no atlas networks."""
    scans, labels = planted(12, 0.5, networks=False)
    here = context(tmp_path, save=tmp_path / "weights")
    fitted = method(**{**QUICK, **changes})
    fitted.fit(Train(scans, labels, np.arange(12)), here)
    first = fitted.predict(scans, here)
    assert np.isfinite(first).all()
    loaded = method(**{**QUICK, **changes})
    assert np.array_equal(loaded.predict(scans, context(tmp_path, checkpoint=tmp_path / "weights")), first)


def test_bad_scans_do_not_break_a_prediction(quick: dict, tmp_path: Path) -> None:
    """Dead ROIs, NaN, a short scan and a site that training lacked."""
    series = [quick["test"].series(row).copy() for row in range(3)]
    series[0][:, :9] = 7
    series[1][3:8, 2] = np.nan
    series[2] = series[2][:20]
    table = pd.DataFrame({"tr": 2.0, "frames": [len(s) for s in series], "site": "elsewhere"}, index=["a", "b", "c"])
    atlas = {"name": "planted", "labels": list(quick["test"].atlas.labels), "networks": []}
    scans = Scans(Items(table, {"series": series}, {"atlas": atlas}), ("site",))
    here = context(tmp_path, checkpoint=quick["save"])
    assert np.isfinite(method(**QUICK).predict(scans, here)).all()


@pytest.mark.slow
def test_packaged_smollm2_reads_scans(tmp_path: Path) -> None:
    """The default language model, first layer only."""
    scans, labels = planted(12, 0.5)
    here = context(tmp_path)
    fitted = method(**{**QUICK, "lm": "smollm2", "lm_layers": 1})
    try:
        fitted.fit(Train(scans, labels, np.arange(12)), here)
    except ExtraMissing as error:
        pytest.skip(str(error))
    assert np.isfinite(fitted.predict(scans, here)).all()
    assert (fitted.report()["lm_layers"], fitted.report()["lm_layers_available"]) == (1, 30)
