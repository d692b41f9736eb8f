"""FCN-LLM end to end on simulated scans whose label moves the coupling of two pairs of networks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")

from brainbench.benchmark.contracts import Context, Source, TaskInfo, Train
from brainbench.benchmark.errors import BadData, BadOption, Skipped
from brainbench.benchmark.items import Items
from brainbench.benchmark.kinds.questions import AskedScans
from brainbench.benchmark.kinds.scans import Scans
from brainbench.methods.fcn_llm.method import FCNLLM

NETWORKS = ("Vis", "SomMot", "DorsAttn", "SalVentAttn", "Limbic", "Cont", "Default", "SubCortex")
PAIRS = ((6, 5, -1), (1, 7, 1))
ROIS = 4
TASK = TaskInfo("planted", "classification", "diagnosis", ("control", "autism"), ("site",))
AGE = TaskInfo("age", "regression", "age", (), ("site",))
FIELDS = {"sex": ("female", "male"), "diagnosis": ("control", "autism")}
QUICK = {"stage1_steps": 2, "stage2_steps": 2, "stage1_batch": 8, "stage2_batch": 8}


def scan(rng: np.random.Generator, shift: float) -> np.ndarray:
    """(time, roi) series of eight networks, whose planted pairs are coupled by ``shift`` more or less."""
    coupling = np.triu(rng.normal(0, 0.1, (8, 8)), 1)
    for a, b, sign in PAIRS:
        coupling[min(a, b), max(a, b)] += sign * shift
    coupling = coupling + coupling.T + np.eye(8)
    values, vectors = np.linalg.eigh(coupling)
    signals = rng.normal(size=(150, 8)) @ (vectors * np.sqrt(np.clip(values, 0.05, None))).T
    return (np.repeat(signals, ROIS, axis=1) + rng.normal(0, 0.7, (150, 8 * ROIS))).astype(np.float32)


def planted(count: int, effect: float, seed: int = 0) -> tuple[Scans, np.ndarray]:
    """Scans of two sites, and labels."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count) % 2)
    return as_scans([scan(rng, effect * (label - 0.5)) for label in labels]), labels


def items_of(series: Sequence[np.ndarray], names: tuple[str, ...] = ()) -> Items:
    table = pd.DataFrame(
        {"tr": 2.0, "frames": [len(values) for values in series], "site": [f"s{k % 2}" for k in range(len(series))]},
        index=[f"sub-{k}" for k in range(len(series))],
    )
    labels = names or tuple(f"roi{k}" for k in range(series[0].shape[1]))
    networks = [name for name in NETWORKS for _ in range(ROIS)]
    return Items(table, {"series": list(series)}, {"atlas": {"name": "p", "labels": labels, "networks": networks}})


def as_scans(series: Sequence[np.ndarray], names: tuple[str, ...] = ()) -> Scans:
    return Scans(items_of(series, names), ("site",))


def train_of(scans: Scans, targets: object, rows: np.ndarray) -> Train:
    return Train(scans.take(rows), targets, rows)


def method(**changes: object) -> FCNLLM:
    """The small preset with a tiny random language model."""
    return FCNLLM(**{**FCNLLM.presets["small"], "lm": "tiny-random", "lm_layers": 0, "roi_tokens": 0, **changes})


def context(folder: Path, task: TaskInfo = TASK, **changes: object) -> Context:
    folder.mkdir(exist_ok=True)
    return Context(task, seed=1, workdir=folder, **changes)  # type: ignore[arg-type]


LEARN = {"scales": "subnetwork,brain", "paradigms": "predictive", "stage1_steps": 3, "stage1_rate": 1e-2,
         "stage2_steps": 40, "stage2_epochs": 8, "stage2_rate": 1e-2, "lm_rate": 1e-2}  # fmt: skip


def test_planted_effect_is_read_from_the_scan_and_from_nothing_else(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    scans, labels = planted(160, 0.7)
    rows = np.arange(160)
    here = context(tmp_path, shared=shared)
    found = {}
    for name, changes in {"own": {}, **FCNLLM.controls}.items():
        fitted = method(**LEARN, **changes)
        fitted.fit(train_of(scans, labels[:80], rows[:80]), here)
        found[name] = fitted.predict(scans.take(rows[80:]), here)
    auc = {name: roc_auc_score(labels[80:], values[:, 1]) for name, values in found.items()}
    assert auc["own"] > 0.8
    assert auc["no-lm"] > 0.8
    assert abs(auc["other-scan"] - 0.5) < 0.2
    assert np.ptp(found["text-only"], axis=0).max() < 1e-5  # the same answer for everybody
    assert len(list(shared.glob("fcn-llm-*"))) == 3  # other-scan took the network of the method itself


def test_labels_without_an_effect_give_chance(tmp_path: Path) -> None:
    scans, labels = planted(160, 0.0)
    rows = np.arange(160)
    here = context(tmp_path)
    fitted = method(**LEARN)
    fitted.fit(train_of(scans, labels[:80], rows[:80]), here)
    auc = roc_auc_score(labels[80:], fitted.predict(scans.take(rows[80:]), here)[:, 1])
    assert auc == pytest.approx(0.5, abs=0.2)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """One quick fit with --save, its predictions and its progress."""
    folder = tmp_path_factory.mktemp("quick")
    seen: list[tuple[str, int, int]] = []
    scans, labels = planted(24, 0.5)
    rows = np.arange(24)
    here = context(folder, save=folder / "weights", progress=lambda *args: seen.append(args))
    fitted = method(**QUICK)
    fitted.fit(train_of(scans, labels[:16], rows[:16]), here)
    test = scans.take(rows[16:])
    return {"scans": scans, "labels": labels, "test": test, "p": fitted.predict(test, here), "seen": seen,
            "report": fitted.report(), "save": folder / "weights"}  # fmt: skip


def test_probabilities_report_and_progress(quick: dict) -> None:
    assert quick["p"].shape == (8, 2)
    assert np.allclose(quick["p"].sum(1), 1)
    report = json.loads(json.dumps(quick["report"]))
    assert report["tokens"] == 8 * ROIS + 8 + 1
    assert report["tokens_by_scale"] == {"roi": 32, "subnetwork": 8, "brain": 1}
    assert report["gcn_parameters"] == 32 * 256 + 256 + 256 * 32 + 32
    assert report["subnetworks_from"] == "atlas"
    assert (report["stage1"]["steps"], report["stage2"]["steps"]) == (2, 2)
    assert report["stage1"]["trained_parameters"] < report["stage2"]["trained_parameters"]  # LoRA comes in stage 2
    assert report["tuning"] == "lora"
    assert all(done <= total for _, done, total in quick["seen"])
    assert {"stage 1", "stage 2", "predicting"} <= {label for label, _, _ in quick["seen"]}


def test_same_seed_same_predictions_and_other_test_scans_change_nothing(quick: dict, tmp_path: Path) -> None:
    rows = np.arange(24)
    train = train_of(quick["scans"], quick["labels"][:16], rows[:16])
    again, other = method(**QUICK), method(**QUICK)
    here = context(tmp_path)
    again.fit(train, here)
    assert np.array_equal(again.predict(quick["test"], here), quick["p"])
    assert np.allclose(again.predict(quick["test"].take(np.arange(3)), here), quick["p"][:3], atol=1e-5)
    other.fit(train, replace(here, seed=2))
    assert not np.array_equal(other.predict(quick["test"], here), quick["p"])


def test_saved_weights_predict_the_same_and_start_stage_two(quick: dict, tmp_path: Path) -> None:
    here = context(tmp_path, checkpoint=quick["save"])
    assert np.array_equal(method(**QUICK).predict(quick["test"], here), quick["p"])
    tuned = method(**QUICK)
    tuned.fit(train_of(quick["scans"], quick["labels"][:16], np.arange(16)), here)
    assert tuned.report()["started_from"] == "weights"
    assert not np.array_equal(tuned.predict(quick["test"], here), quick["p"])


def test_checkpoints_that_do_not_fit_are_refused(quick: dict, tmp_path: Path) -> None:
    here = context(tmp_path, checkpoint=quick["save"])
    renamed = as_scans([quick["test"].series(0)], tuple(f"area{k}" for k in range(32)))
    with pytest.raises(BadOption, match="another atlas"):
        method(**QUICK).predict(renamed, here)
    with pytest.raises(BadOption, match="gcn_hidden=256"):
        method(**QUICK, gcn_hidden=32).predict(quick["test"], here)
    with pytest.raises(BadOption, match=r"without|with networks"):
        method(**QUICK, scan="none").predict(quick["test"], here)
    with pytest.raises(BadOption, match="no such checkpoint"):
        method(**QUICK).predict(quick["test"], replace(here, checkpoint=tmp_path))
    with pytest.raises(BadOption, match="before it was fitted"):
        method(**QUICK).predict(quick["test"], context(tmp_path))
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in quick["save"].iterdir():
        (broken / file.name).write_bytes(file.read_bytes()[:2000])
    with pytest.raises(BadData, match="broken"):
        method(**QUICK).predict(quick["test"], replace(here, checkpoint=broken))


@pytest.mark.parametrize(
    "changes",
    [
        {"answer_loss": "tokens", "tuning": "full", "standardise": "none", "gated": False},  # as published
        {"roi_tokens": 12, "density": 0.1},
        {"scales": "subnetwork", "paradigms": "judgment", "ask": "judgment"},
        {"stage1_epochs": 0, "llm": "random", "precision": "bf16", "recompute": True},
    ],
)
def test_every_option_runs_and_is_restored(changes: dict[str, object], tmp_path: Path) -> None:
    scans, labels = planted(12, 0.5)
    here = context(tmp_path, save=tmp_path / "weights")
    fitted = method(**{**QUICK, **changes})
    fitted.fit(train_of(scans, labels, np.arange(12)), here)
    first = fitted.predict(scans, here)
    assert np.isfinite(first).all()
    assert np.ptp(first[:, 1]) > 0
    loaded = method(**{**QUICK, **changes})
    assert np.array_equal(loaded.predict(scans, context(tmp_path, checkpoint=tmp_path / "weights")), first)


def test_numbers_are_parsed_and_failures_counted(tmp_path: Path) -> None:
    scans, _ = planted(16, 0.0)
    ages = np.linspace(20, 60, 16)
    here = context(tmp_path, AGE)
    fitted = method(**QUICK, answer_tokens=3)
    fitted.fit(train_of(scans, ages, np.arange(16)), here)
    found = fitted.predict(scans, here)
    assert found.shape == (16,)
    failures = fitted.report()["parse_failures"]
    assert np.mean(np.isclose(found, ages.mean())) >= failures  # those fall back to the training mean
    assert failures > 0.5  # two steps do not teach a random model to write numbers


def test_no_lm_predicts_numbers(tmp_path: Path) -> None:
    scans, labels = planted(120, 0.8)
    ages = 40.0 + 20 * labels
    rows = np.arange(120)
    fitted = method(**{**LEARN, "llm": "none"})
    here = context(tmp_path, AGE)
    fitted.fit(train_of(scans, ages[:80], rows[:80]), here)
    found = fitted.predict(scans.take(rows[80:]), here)
    assert np.corrcoef(found, ages[80:])[0, 1] > 0.5
    assert fitted.skip(TaskInfo("q", "questions", "answers")) is not None


@pytest.mark.parametrize("paradigm", ["multi", "open"])
def test_questions_are_answered(paradigm: str, tmp_path: Path) -> None:
    scans, labels = planted(12, 0.5)
    items = items_of([scans.series(row) for row in range(12)])
    items.table["prompt"] = "Female or male? Control or autism?"
    asked = AskedScans(items, ("site",))
    truth = [{"sex": FIELDS["sex"][row % 2], "diagnosis": FIELDS["diagnosis"][label]} for row, label in
             enumerate(labels)]  # fmt: skip
    task = TaskInfo("q", "questions", "answers", (), ("site",), fields=FIELDS, paradigm=paradigm)
    here = context(tmp_path, task)
    fitted = method(**QUICK, answer_tokens=4)
    fitted.fit(Train(asked, truth, np.arange(12)), here)
    found = fitted.predict(asked, here)
    assert len(found.texts) == 12
    if paradigm == "open":
        assert found.scores is None
        return
    for text, scores in zip(found.texts, found.scores, strict=True):
        words = text.split(" | ")
        assert list(scores) == ["sex", "diagnosis"]
        for word, (name, values) in zip(words, scores.items(), strict=True):
            assert set(values) == set(FIELDS[name])
            assert sum(values.values()) == pytest.approx(1, abs=1e-5)
            assert word == max(values, key=values.__getitem__)


# Few labels


def few(folder: Path, scans: Scans, labels: np.ndarray, support: np.ndarray, **changes: object) -> Context:
    """A regime of few labels whose source asks the same of the first 60 scans."""
    rows = np.arange(60)
    source = Source(replace(TASK, name="source"), train_of(scans, labels[:60], rows))
    train = train_of(scans, labels[support], support)
    return context(folder, sources={"source": source}, support=train, **changes)


def test_zero_shot_transfers_from_a_source_and_the_network_is_kept(tmp_path: Path) -> None:
    scans, labels = planted(140, 0.7)
    nobody, test = np.arange(0), np.arange(60, 140)
    here = few(tmp_path, scans, labels, nobody, shared=tmp_path / "shared")
    fitted = method(**LEARN)
    fitted.fit(here.support, here)
    first = fitted.predict(scans.take(test), here)
    assert roc_auc_score(labels[test], first[:, 1]) > 0.75
    seen: list[str] = []
    shots = few(tmp_path, scans, labels, np.array([60, 61, 62, 63]), shared=tmp_path / "shared",
                progress=lambda label, *_: seen.append(label))  # fmt: skip
    adapted = method(**LEARN)
    adapted.fit(shots.support, shots)
    assert "adaptation" in seen
    assert "stage 2" not in seen  # the source network was found
    second = adapted.predict(scans.take(test), shots)
    assert not np.array_equal(first, second)
    assert len(list((tmp_path / "shared").glob("fcn-llm-*"))) == 1


def test_a_draw_is_the_same_whether_the_network_was_trained_just_now_or_found(tmp_path: Path) -> None:
    scans, labels = planted(72, 0.5)
    shared, found = tmp_path / "shared", []
    for name in ("trained", "found", "damaged"):
        if name == "damaged":
            (next(shared.glob("fcn-llm-*")) / "weights.safetensors").write_bytes(b"no weights")
        here = few(tmp_path / name, scans, labels, np.arange(60, 64), shared=shared)
        made = method(**QUICK, adapt_rate=1e-2)
        made.fit(here.support, here)
        found.append(made.predict(scans.take(np.arange(64, 72)), here))
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])  # made again


def test_few_labels_without_a_source_are_learned_and_none_at_all_are_refused(tmp_path: Path) -> None:
    scans, labels = planted(8, 0.5)
    support = train_of(scans, labels[:4], np.arange(4))
    here = context(tmp_path, support=support, shared=tmp_path / "shared")
    fitted = method(**QUICK)
    fitted.fit(support, here)
    assert np.isfinite(fitted.predict(scans, here)).all()
    assert "adaptation" not in fitted.report()  # both stages saw the support
    assert not (tmp_path / "shared").exists()  # another draw of support must not find its network
    nobody = train_of(scans, labels[:0], np.arange(0))
    with pytest.raises(Skipped, match="source"):
        method(**QUICK).fit(nobody, context(tmp_path, support=nobody))


def test_pretrained_stages_are_gone_on_from(tmp_path: Path) -> None:
    scans, labels = planted(24, 0.5)
    rows = np.arange(24)
    sources = {"a": Source(TASK, train_of(scans, labels[:16], rows[:16]))}
    here = context(tmp_path, sources=sources, stage=1, save=tmp_path / "one")
    method(**QUICK).pretrain([], here)
    told = json.loads((tmp_path / "one" / "weights.json").read_text())
    assert (told["stage"], told["facts"]["stage1"]["steps"]) == (1, 2)
    seen: list[str] = []
    start = context(tmp_path, checkpoint=tmp_path / "one", progress=lambda label, *_: seen.append(label))
    fitted = method(**QUICK)
    fitted.fit(train_of(scans, labels[:16], rows[:16]), start)
    assert "stage 2" in seen
    assert "stage 1" not in seen
    with pytest.raises(BadOption, match="--task"):
        method(**QUICK).pretrain([], context(tmp_path, save=tmp_path / "none"))
    with pytest.raises(BadOption, match="--checkpoint"):
        method(**QUICK).pretrain([], replace(here, stage=2))


def test_dead_regions_short_scans_and_unseen_sites_do_not_break_a_prediction(quick: dict, tmp_path: Path) -> None:
    series = [quick["test"].series(row).copy() for row in range(3)]
    series[0][:, :9] = 7
    series[1][3:8, 2] = np.nan
    series[2] = series[2][:12]
    here = context(tmp_path, checkpoint=quick["save"])
    assert np.isfinite(method(**QUICK).predict(as_scans(series), here)).all()
    assert np.isfinite(method(**QUICK, scan="other").predict(as_scans(series), here)).all()
