"""Stage 3 of fMRI-LM: kinds of questions, controls, and regimes of few labels, on scans with planted effects."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

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
from brainbench.benchmark.kinds.questions import Answers, AskedScans, Fields
from brainbench.benchmark.kinds.scans import Scans, strangers
from brainbench.benchmark.nn.language import ByteTokenizer
from brainbench.benchmark.prompts import question, questions
from brainbench.methods.fmri_lm import pipeline, predicting, tuning
from brainbench.methods.fmri_lm.answering import asker_of
from brainbench.methods.fmri_lm.method import FMRILM
from brainbench.methods.fmri_lm.prompts import Speech

ROIS = 12
ASD = TaskInfo("planted", "classification", "diagnosis", ("control", "autism"), ("site",))
SEX = TaskInfo("planted-sex", "classification", "sex", ("female", "male"), ("site",))
AGE = TaskInfo("planted-age", "regression", "age", (), ("site",))
SCHEMA = {"sex": ("female", "male"), "diagnosis": ("control", "autism")}
MULTI = TaskInfo("planted-multi", "questions", "answers", (), ("site",), fields=SCHEMA, paradigm="multi")
OPEN = replace(MULTI, name="planted-open", paradigm="open")
LEARN: dict[str, Any] = {"stage3_epochs": 12, "stage3_rate": 1e-3, "tuning": "full", "width": 64, "merge": 2}
QUICK: dict[str, Any] = {
    **FMRILM.presets["small"], "lm": "tiny-random", "lm_layers": 0, "codes": 16, "width": 32, "frames": 40, "patch": 40,
    "merge": 4, "stage1_epochs": 1, "stage2_epochs": 1, "stage3_epochs": 1, "adapt_steps": 3,
}  # fmt: skip


def scans_of(labels: np.ndarray, seed: int = 0, rois: int = ROIS, sites: int = 3, prompts: Any = None) -> Scans:
    """Scans whose first ROIs move together where the label is 1."""
    rng = np.random.default_rng(seed)
    series = []
    for label in labels:
        values = rng.normal(size=(60, rois))
        values[:, : rois // 2] += 1.5 * label * values[:, :1]
        series.append((100 + values).astype(np.float32))
    table = pd.DataFrame({"tr": 2.0, "frames": 60, "site": [f"s{k % sites}" for k in range(len(labels))]})
    table.index = pd.Index([f"sub-{k}" for k in range(len(labels))])
    if prompts is not None:
        table["prompt"] = prompts
    atlas = {"name": f"planted{rois}", "labels": [f"roi{k}" for k in range(rois)],
             "networks": ["Vis", "Default"] * (rois // 2)}  # fmt: skip
    items = Items(table, {"series": series}, {"atlas": atlas})
    return Scans(items, ("site",)) if prompts is None else AskedScans(items, ("site",))


def labels_of(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).permutation(np.arange(count) % 2)


def train_of(count: int, seed: int = 0, **changes: Any) -> Train:
    labels = labels_of(count, seed)
    return Train(scans_of(labels, seed, **changes), labels, np.arange(count))


def context_of(folder: Path, task: TaskInfo = ASD, **changes: Any) -> Context:
    folder.mkdir(exist_ok=True)
    return Context(task, seed=1, workdir=folder, **changes)


def method(**changes: Any) -> FMRILM:
    return FMRILM(**{**QUICK, **changes})


def control(name: str) -> FMRILM:
    return method(**FMRILM.controls[name])


def fitted(made: FMRILM, train: Train, here: Context) -> FMRILM:
    made.fit(train, here)
    return made


# Kinds of questions


def asked(task: TaskInfo, count: int, split: Any) -> list[str]:
    return [question(task, split, k) for k in range(count)]


def fields_of(labels: np.ndarray) -> Fields:
    """The diagnosis is planted; sex is the same in all but one, and one diagnosis is not known."""
    rows = [{"sex": "female", "diagnosis": SCHEMA["diagnosis"][label]} for label in labels]
    rows[0] = {"sex": "male"}
    return Fields(rows, SCHEMA, "multi")


@pytest.mark.parametrize("task", [MULTI, OPEN])
def test_questions_are_answered_in_text_with_scores(task: TaskInfo, tmp_path: Path) -> None:
    labels = labels_of(16)
    train = Train(scans_of(labels, prompts=asked(task, 16, "train")), fields_of(labels), np.arange(16))
    test = scans_of(labels_of(5, 2), 2, prompts=asked(task, 5, "test"))
    here = context_of(tmp_path, task, save=tmp_path / "weights")
    made = fitted(method(stage3_epochs=2), train, here)
    answers = made.predict(test, here)
    assert isinstance(answers, Answers)
    assert len(answers.texts) == len(answers.scores or []) == 5
    for row in answers.scores or []:
        assert {name: tuple(scores) for name, scores in row.items()} == SCHEMA
        assert [sum(scores.values()) for scores in row.values()] == pytest.approx([1, 1])
    again = method().predict(test, context_of(tmp_path / "again", task, checkpoint=tmp_path / "weights"))
    assert isinstance(again, Answers)
    assert again.texts == answers.texts


def test_multiple_answers_are_in_the_order_of_the_fields_with_their_choices() -> None:
    """The text that is learned, and where in it each field is decided; a field that is not known is no choice."""
    asker, rng = asker_of(MULTI, Speech(ByteTokenizer())), np.random.default_rng(0)
    example = asker.example([1, 2], {"sex": "male", "diagnosis": "control"}, rng)
    assert ByteTokenizer().decode(example.answer) == " male | control"
    assert example.answer[-1] == ByteTokenizer.eos
    for choice, (field, label) in zip(example.choices, (("sex", "male"), ("diagnosis", "control")), strict=True):
        right = choice.candidates[choice.truth]
        assert ByteTokenizer().decode(right).strip() == label
        assert list(example.answer[choice.after : choice.after + len(right)]) == list(right)
        assert len(choice.candidates) == len(SCHEMA[field])
    partly = asker.example([1, 2], {"diagnosis": "autism"}, rng)
    assert ByteTokenizer().decode(partly.answer) == " unknown | autism"
    assert [choice.truth for choice in partly.choices] == [1]


def test_open_answers_state_every_field_in_many_wordings() -> None:
    asker, rng = asker_of(OPEN, Speech(ByteTokenizer())), np.random.default_rng(0)
    examples = [asker.example([1], {"sex": "male", "diagnosis": "control"}, rng) for _ in range(40)]
    texts = {ByteTokenizer().decode(example.answer) for example in examples}
    assert len(texts) > 5
    assert all("male" in text and "control" in text for text in texts)
    assert [choice.truth for choice in examples[0].choices] == [1, 0]
    said = [ByteTokenizer().decode(ids) for ids in examples[0].choices[0].candidates]
    assert said[0] != said[1]
    assert said[0].replace("female", "male") == said[1]


def test_numbers_are_in_the_units_of_the_target(tmp_path: Path) -> None:
    labels = labels_of(60)
    ages = 40 + 20.0 * labels
    train = Train(scans_of(labels), ages, np.arange(60))
    here = context_of(tmp_path, AGE)
    made = fitted(method(**LEARN), train, here)
    test = labels_of(40, 5)
    found = made.predict(scans_of(test, 5), here)
    assert isinstance(found, np.ndarray)
    assert found.shape == (40,)
    assert 40 < found.mean() < 60
    assert np.corrcoef(found, test)[0, 1] > 0.5


def test_labels_keep_their_order(tmp_path: Path) -> None:
    """Where the coupled scans are of the first class, its probability tells them."""
    train, test = train_of(40), labels_of(40, 3)
    turned = Train(train.inputs, 1 - train.targets, train.groups)
    here = context_of(tmp_path, replace(ASD, classes=("autism", "control")))
    found = fitted(method(**LEARN), turned, here).predict(scans_of(test, 3), here)
    assert roc_auc_score(test, found[:, 0]) > 0.8


@pytest.mark.parametrize("loss", ["labels", "tokens"])
def test_planted_effect_is_found(loss: str, tmp_path: Path) -> None:
    test, here = labels_of(40, 3), context_of(tmp_path)
    found = fitted(method(**LEARN, answer_loss=loss), train_of(40), here).predict(scans_of(test, 3), here)
    assert roc_auc_score(test, found[:, 1]) > 0.8


def test_wordings_of_the_test_are_never_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: set[str] = set()
    original = tuning.Lesson.question

    def listen(self: tuning.Lesson, k: int, number: int) -> str:
        heard.add(original(self, k, number))
        return original(self, k, number)

    told: list[str] = []
    spoken = predicting.predict
    monkeypatch.setattr(tuning.Lesson, "question", listen)
    monkeypatch.setattr(predicting, "predict", lambda *args: (told.extend(args[4]), spoken(*args))[1])
    here = context_of(tmp_path)
    fitted(method(stage3_epochs=4), train_of(24), here).predict(scans_of(labels_of(3)), here)
    assert len(heard) > 10
    assert heard <= set(questions(ASD, "train"))
    assert told
    assert all(any(wording in text for wording in questions(ASD, "test")) for text in told)
    assert not any(wording in text for wording in heard for text in told)


# Controls


def replaced(scans: Scans, change: Any) -> Scans:
    """The same scans with other series."""
    items = scans._items
    series = [change(scans.series(row)) for row in range(len(scans))]
    return Scans(Items(items.table, {"series": series}, items.meta), ("site",))


def reversed_time(series: np.ndarray) -> np.ndarray:
    """Another series with the same connectivity."""
    return series[::-1].copy()


def noise(series: np.ndarray) -> np.ndarray:
    return np.random.default_rng(int(series[0, 0] * 1e4)).normal(size=series.shape).astype(np.float32)


@pytest.mark.parametrize(("name", "change"), [("question-only", noise), ("text-only", reversed_time)])
def test_text_controls_see_no_series(name: str, change: Any, tmp_path: Path) -> None:
    """Other series behind the same text: the same predictions bit for bit, where the method itself changes its mind."""
    test, here = scans_of(labels_of(6, 4), 4), context_of(tmp_path)
    made = fitted(control(name), train_of(16), here)
    assert np.array_equal(made.predict(test, here), made.predict(replaced(test, change), here))
    there = context_of(tmp_path / "main")
    main = fitted(method(), train_of(16), there)
    assert not np.array_equal(main.predict(test, there), main.predict(replaced(test, noise), there))


def test_text_only_is_told_the_description_and_question_only_is_not(tmp_path: Path) -> None:
    test = scans_of(labels_of(8, 4), 4)
    found = {}
    for name in ("text-only", "question-only"):
        here = context_of(tmp_path / name)
        found[name] = fitted(control(name), train_of(16), here).predict(test, here)
    assert len(np.unique(found["text-only"][:, 1])) > 1
    assert np.ptp(found["question-only"][:, 1]) < 1e-6


def test_another_subjects_scan_is_shown_in_place_of_ones_own(tmp_path: Path) -> None:
    """The control's prediction of a scan is the method's prediction of the scan that was shown."""
    test = scans_of(labels_of(9, 4), 4)
    here = context_of(tmp_path, shared=tmp_path / "shared")
    main = fitted(method(), train_of(16), here)
    seen: list[str] = []
    there = context_of(tmp_path / "other", shared=tmp_path / "shared", progress=lambda label, *_: seen.append(label))
    swapped = fitted(control("other-scan"), train_of(16), there)
    rows = strangers(9, 1)
    assert not any("stage" in label for label in seen)
    assert np.allclose(swapped.predict(test, there), main.predict(test, here)[rows], atol=1e-5)


@pytest.mark.parametrize("task", [ASD, MULTI, AGE])
def test_linear_head_reads_the_planted_effect_without_a_language_model(task: TaskInfo, tmp_path: Path) -> None:
    labels, test = labels_of(60), labels_of(40, 3)
    prompts = None if task is not MULTI else asked(task, 60, "train")
    targets: Any = {"classification": labels, "questions": fields_of(labels), "regression": 30.0 + labels}[task.kind]
    here = context_of(tmp_path, task, save=tmp_path / "weights")
    made = fitted(
        method(answer_by="pooled", stage3_epochs=6), Train(scans_of(labels, prompts=prompts), targets, labels), here
    )
    scans = scans_of(test, 3, prompts=None if prompts is None else asked(task, 40, "test"))
    found = made.predict(scans, here)
    if isinstance(found, Answers):
        values = np.array([row["diagnosis"]["autism"] for row in found.scores or []])
        assert all(" | " in text for text in found.texts)
    else:
        values = found if found.ndim == 1 else found[:, 1]
    assert roc_auc_score(test, values) > 0.8
    again = method(answer_by="pooled").predict(scans, context_of(tmp_path / "b", task, checkpoint=tmp_path / "weights"))
    assert np.array_equal(found, again) if isinstance(found, np.ndarray) else found == again


# Regimes


def few(folder: Path, train: Train, task: TaskInfo = SEX, **changes: Any) -> Context:
    """A context of few labels of ``task``, with the autism labels of another cohort."""
    source = Source(ASD, changes.pop("source", None) or train_of(40, 7))
    return context_of(folder, task, sources={"asd": source}, support=train, **changes)


def test_zero_shot_answers_from_sources_alone(tmp_path: Path) -> None:
    """The source asks for the same effect under the same names: it carries over without a label."""
    nobody, test = Train(scans_of(labels_of(0)), labels_of(0), labels_of(0)), labels_of(40, 3)
    here = few(tmp_path, nobody, ASD)
    made = fitted(method(**LEARN), nobody, here)
    assert roc_auc_score(test, made.predict(scans_of(test, 3), here)[:, 1]) > 0.8
    assert made.report()["sources"] == ["asd"]
    assert "adaptation" not in made.report()
    with pytest.raises(Skipped, match="no source to learn from"):
        method().fit(nobody, context_of(tmp_path / "none", ASD, support=nobody))


def test_draws_share_the_source_model_and_adapt_it(tmp_path: Path) -> None:
    """The second draw trains nothing but its few steps, and is what it would be alone."""
    shared, test, seen = tmp_path / "shared", scans_of(labels_of(6, 3), 3), []
    draws = [train_of(4, seed) for seed in (11, 12)]
    here = few(tmp_path / "a", draws[0], shared=shared)
    first = fitted(method(), draws[0], here).predict(test, here)
    there = few(tmp_path / "b", draws[1], shared=shared, progress=lambda label, *_: seen.append(label))
    made = fitted(method(), draws[1], there)
    second = made.predict(test, there)
    assert "adapting to the labelled scans" in seen
    assert not any(label.startswith("stage") for label in seen)
    assert made.report()["adaptation"]["scans"] == 4
    assert made.report()["adaptation"]["steps"] == 3
    assert not np.array_equal(first, second)
    apart = few(tmp_path / "c", draws[1])
    assert np.array_equal(fitted(method(), draws[1], apart).predict(test, apart), second)


def test_few_labels_without_a_source_are_learned_alone(tmp_path: Path) -> None:
    train = train_of(4)
    here = context_of(tmp_path, ASD, support=train, shared=tmp_path / "shared")
    assert np.isfinite(fitted(method(), train, here).predict(scans_of(labels_of(3)), here)).all()
    assert not (tmp_path / "shared").exists()


def test_joint_training_learns_own_and_source_labels(tmp_path: Path) -> None:
    here = context_of(tmp_path, SEX, sources={"asd": Source(ASD, train_of(16, 7))})
    made = fitted(method(), train_of(16), here)
    prompts = made.report()["prompts"]
    assert any("autism" in text for text in prompts)
    assert any("female" in text for text in prompts)
    assert np.isfinite(made.predict(scans_of(labels_of(3)), here)).all()


def test_sites_of_two_cohorts_keep_their_own_scale(tmp_path: Path) -> None:
    """Equally named sites of the task and of a source are two sites."""
    here = context_of(tmp_path, SEX, sources={"asd": Source(ASD, train_of(16, 7))})
    made = fitted(method(), train_of(16), here)
    assert set(made._fitted.state.scale.sites) == {f"{cohort}s{k}" for cohort in ("", "asd/") for k in range(3)}


def test_sources_of_another_atlas_are_refused(tmp_path: Path) -> None:
    train = train_of(4)
    with pytest.raises(BadData, match="source asd has another atlas"):
        method().fit(train, few(tmp_path, train, source=train_of(8, 7, rois=8)))


def test_a_number_needs_a_unit(tmp_path: Path) -> None:
    nobody = Train(scans_of(labels_of(0)), np.zeros(0), labels_of(0))
    with pytest.raises(Skipped, match="in which unit"):
        method().fit(nobody, few(tmp_path, nobody, AGE))


def test_shared_models_are_told_apart_by_what_they_depend_on(tmp_path: Path) -> None:
    from brainbench.methods.fmri_lm.sharing import key

    here = context_of(tmp_path)
    main = key(method(), 3, ["a"], here)
    assert key(method(), 2, ["a"], here) == key(control("text-only"), 2, ["a"], here)
    assert main == key(control("other-scan"), 3, ["a"], here) == key(method(adapt_steps=9), 3, ["a"], here)
    others = [
        key(control("text-only"), 3, ["a"], here),
        key(method(width=64), 3, ["a"], here),
        key(method(), 3, ["b"], here),
        key(method(), 3, ["a"], replace(here, seed=2)),
        key(method(), 2, ["a"], here),
    ]
    assert len({main, *others}) == 6
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("one text")
    before = key(method(corpus=str(corpus)), 2, ["a"], here)
    corpus.write_text("another text")
    assert key(method(corpus=str(corpus)), 2, ["a"], here) != before


def test_a_damaged_shared_model_is_made_again(tmp_path: Path) -> None:
    train, shared = train_of(16), tmp_path / "shared"
    test = scans_of(labels_of(4, 2), 2)
    first = fitted(method(), train, here := context_of(tmp_path, shared=shared)).predict(test, here)
    for place in shared.glob("fmri-lm-stage*"):
        (place / "weights.safetensors").write_bytes(b"no weights")
    assert np.array_equal(fitted(method(), train, here).predict(test, here), first)
    for place in shared.glob("fmri-lm-stage*"):
        (place / "weights.json").write_text("{}")
    assert np.array_equal(fitted(method(), train, here).predict(test, here), first)


def test_a_checkpoint_of_other_regions_is_refused_even_of_as_many(tmp_path: Path) -> None:
    train = train_of(12)
    fitted(method(), train, context_of(tmp_path, save=tmp_path / "weights"))
    theirs = Items(train.inputs._items.table, train.inputs._items.arrays, {
        "atlas": {"name": "other", "labels": [f"area{k}" for k in range(ROIS)]}
    })  # fmt: skip
    with pytest.raises(BadOption, match="of other, which are others"):
        method().fit(
            replace(train, inputs=Scans(theirs, ("site",))), context_of(tmp_path, checkpoint=tmp_path / "weights")
        )


@pytest.mark.parametrize("task", [ASD, AGE, MULTI, OPEN])
def test_a_scan_is_answered_alike_alone_and_among_others(task: TaskInfo, tmp_path: Path) -> None:
    """Prompts of other lengths beside it, and what else is padded, change nothing."""
    labels = labels_of(16)
    targets: Any = {"regression": 40.0 + 10 * labels, "questions": fields_of(labels)}.get(task.kind, labels)
    prompts = asked(task, 16, "train") if task.fields else None
    here = context_of(tmp_path, task)
    made = fitted(method(), Train(scans_of(labels, prompts=prompts), targets, np.arange(16)), here)
    test = scans_of(labels_of(9, 2), 2, prompts=asked(task, 9, "test") if task.fields else None)
    together = made.predict(test, here)
    for row in range(0, 9, 2):
        alone = made.predict(test.take(np.array([row])), here)
        if isinstance(together, Answers):
            assert alone.texts[0] == together.texts[row]
            for name, shares in alone.scores[0].items():
                assert shares == pytest.approx(together.scores[row][name], abs=1e-5)
        else:
            assert np.allclose(alone[0], together[row], rtol=1e-5, atol=1e-5)


def test_tags_and_chat_template_run(tmp_path: Path) -> None:
    here = context_of(tmp_path)
    made = fitted(method(tags="yes", chat="yes", patch=20), train_of(12), here)
    assert made.report()["prompts"][0].endswith("### Answer:\n\n")
    assert np.isfinite(made.predict(scans_of(labels_of(3)), here)).all()
    assert pipeline.speech_of(made, made._fitted.state).chat
