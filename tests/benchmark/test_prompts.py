"""The prompt bank: enough wordings, none of the test set's seen in training, each a proper sentence."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from brainbench import TaskInfo
from brainbench.benchmark.prompts import (
    Band,
    answer_words,
    attribute,
    attribute_for,
    attribute_of,
    attributes,
    band_of,
    full_answer,
    listed,
    question,
    questions,
)
from brainbench.benchmark.prompts.bank import _read
from brainbench.benchmark.registry import load_task
from brainbench.tasks import PHENOTYPES

AGES = ("<18", "18-35", "36-59", ">=60")
NAMED = [*(f"{cohort}-{target}" for cohort, targets in PHENOTYPES.items() for target in targets), "abide1-asd"]
FIELDS = {"sex": ("female", "male"), "age_group": AGES, "diagnosis": ("control", "autism")}


def of(name: str):
    return attribute(name, AGES if name == "age_group" else ())


@pytest.mark.parametrize("name", attributes())
def test_every_attribute_has_many_wordings_and_others_at_test(name):
    train, test = of(name).questions("train"), of(name).questions("test")
    assert len(train) >= 24
    assert len(test) >= 8
    assert len({text.lower() for text in train}) == len(train)
    assert not {text.lower() for text in train} & {text.lower() for text in test}


def test_stems_and_wordings_of_the_test_are_all_held_out():
    stems = _read("stems")
    for kind, texts in stems["train"].items():
        assert not set(texts) & set(stems["test"][kind])
    for entry in _read("attributes").values():
        for kind, texts in entry["train"].items():
            assert not set(texts) & set(entry["test"][kind])


@pytest.mark.parametrize("name", attributes())
def test_questions_are_whole_sentences(name):
    for text in (*of(name).questions("train"), *of(name).questions("test")):
        assert re.fullmatch(r"[A-Z<][^{}]*[.?]", text), text
        assert not re.search(r"  |\(\)|\( | ,|\?\.|\.\.", text), text
        assert text.count("(") == text.count(")")


@pytest.mark.parametrize("name", NAMED)
def test_every_task_of_the_suite_is_in_the_bank(name):
    info = load_task(name)[0].info
    found = attribute_of(info)
    assert found is not None
    assert found.labels == info.classes
    assert (found.name == "age_group") == ("age-group" in name)


def test_attributes_are_told_apart():
    status = ("lower", "middle", "higher")
    assert attribute_for("flanker_status", status).name == "flanker_status"
    assert attribute_for("fluid_status:1", status).name == "fluid_status"
    assert attribute_for("something", status) is None  # three attributes have these labels
    assert attribute_for("dx", ("control", "ADHD")).name == "adhd"
    assert attribute_for("dx", ("ADHD", "control")).labels == ("ADHD", "control")
    assert attribute_for("age", ()).name == "age"
    assert attribute_for("weight", ()) is None
    assert attribute_for("age_group:40,60", ("<40", "40-59", ">=60")).name == "age_group"


def test_labels_have_words_and_negations():
    for name in attributes():
        found = of(name)
        for label in found.labels:
            assert found.words(label)[0] == label
            assert len(found.words(label)) >= 2
            assert found.negations(label)
            others = {word.lower() for other in found.labels if other != label for word in found.words(other)}
            assert not {word.lower() for word in found.words(label)} & others, (name, label)


def test_bands_hold_what_their_labels_say():
    assert [band_of(label) for label in AGES[:3]] == [Band(0, 18), Band(18, 36), Band(36, 60)]
    assert band_of(">=60").low == 60
    assert band_of("young") is None
    words = of("age_group")
    assert "child" in words.words("<18")
    assert "young adult" in words.words("18-35")
    assert "elderly" in words.words(">=60")
    # Where two bands share the old, the word gives neither.
    assert "elderly" not in attribute("age_group", ("60-74", ">=75")).words(">=75")


def test_an_unknown_target_is_asked_by_its_classes():
    info = TaskInfo("mood", "classification", "mood", ("sad", "so-so", "glad"))
    for split in ("train", "test"):
        texts = questions(info, split)
        assert all("sad, so-so or glad" in text for text in texts)
        assert question(info, split, len(texts) + 1) == texts[1]
    assert not set(questions(info, "train")) & set(questions(info, "test"))
    assert answer_words(info) == ["sad", "so-so", "glad"]
    assert question(TaskInfo("w", "regression", "body_mass", ()), "train").count("body mass") == 1


@pytest.mark.parametrize("paradigm", ["multi", "open"])
def test_several_fields_are_asked_in_many_ways(paradigm):
    info = TaskInfo("x", "questions", "fields", fields=FIELDS, paradigm=paradigm)
    made = {split: {question(info, split, k) for k in range(200)} for split in ("train", "test")}
    assert len(made["train"]) >= 24
    assert len(made["test"]) >= 8
    assert not made["train"] & made["test"]
    for text in made["train"] | made["test"]:
        assert "|" in text or paradigm == "open"
        assert "control" in text
        assert "18-35" in text
        assert not re.search(r"[{}]|  ", text)
    assert question(info, "train", 5) == question(info, "train", 5)


def test_answers_have_the_form_that_is_asked_for():
    info = TaskInfo("x", "questions", "fields", fields=FIELDS, paradigm="multi")
    assert full_answer(info, {"sex": "male", "age_group": "<18", "diagnosis": "control"}) == "male | <18 | control"
    assert full_answer(info, {"diagnosis": "autism"}) == "unknown | unknown | autism"
    told = replace(info, paradigm="open")
    plain = full_answer(told, {"sex": "male", "diagnosis": "autism"})
    assert plain == "The person is male; the diagnosis is autism."
    assert len({full_answer(told, {"sex": "male", "diagnosis": "autism"}, k) for k in range(1, 40)}) >= 6
    assert full_answer(told, {}) == "Nothing can be said."


def test_the_bank_is_plain_text_of_ours():
    for name in ("attributes", "stems", "shared_words"):
        text = json.dumps(_read(name), ensure_ascii=True)
        assert "\\u" not in text, name
    assert listed(("a",)) == "a"
