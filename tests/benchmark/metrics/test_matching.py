"""The matcher: free text to field values, against answers labelled by hand."""

from __future__ import annotations

import csv
import math
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainbench.benchmark.metrics import matching
from brainbench.benchmark.metrics.ages import age_range, number
from brainbench.benchmark.metrics.matching import match, split_parts
from brainbench.benchmark.prompts import attribute, attributes, full_answer, question
from brainbench.tasks.questions import DECLARED

SEX = ("female", "male")
AGES = ("<18", "18-35", "36-59", ">=60")
OLD = ("36-59", "60-74", ">=75")
STATUS = ("lower", "middle", "higher")
SCHEMAS = {
    "abide": {"sex": SEX, "age_group": AGES, "diagnosis": ("control", "autism")},
    "adhd": {"sex": SEX, "age_group": ("<18", "18-35"), "diagnosis": ("control", "ADHD")},
    "ukb": {"sex": SEX, "age_group": OLD, "fluid_status": STATUS},
    "aging": {"sex": SEX, "age_group": OLD, "fluid_composite_status": STATUS, "flanker_status": STATUS},
    "adni": {"sex": SEX, "age_group": OLD, "diagnosis": ("CN", "MCI", "AD"), "apoe4": ("negative", "positive")},
}


def labelled() -> list[tuple[bool, str, str, str, dict[str, str]]]:
    """Whether it is known to be read wrongly, schema, paradigm, answer, and what a reader takes from it."""
    found = []
    path = Path(__file__).parent / "labelled_answers.tsv"
    with path.open() as file:
        for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            if not row[0].startswith("#"):
                cohort, paradigm, text, values = (*row, "")[:4]
                wanted = dict(part.split("=", 1) for part in values.split())
                found.append((cohort[0] == "?", cohort.lstrip("?"), paradigm, text.replace("\\n", "\n"), wanted))
    return found


LABELLED = labelled()


def said(text: str, schema: dict[str, tuple[str, ...]], paradigm: str) -> dict[str, str]:
    return {name: label for name, label in match(text, schema, paradigm).items() if label is not None}


def test_the_labelled_set_is_large_and_names_labels_that_exist():
    assert len(LABELLED) >= 200
    for _, cohort, paradigm, _, wanted in LABELLED:
        assert paradigm in ("multi", "open")
        assert all(label in SCHEMAS[cohort][name] for name, label in wanted.items())
    assert sum(wrong for wrong, *_ in LABELLED) <= 0.01 * len(LABELLED)


@pytest.mark.parametrize(("cohort", "paradigm", "text", "wanted"), [row[1:] for row in LABELLED if not row[0]])
def test_answers_are_read_as_a_person_reads_them(cohort, paradigm, text, wanted):
    assert said(text, SCHEMAS[cohort], paradigm) == wanted


@pytest.mark.parametrize("name", attributes())
def test_every_word_of_the_bank_gives_its_label_and_every_negation_takes_it(name):
    found = attribute(name, AGES if name == "age_group" else ())
    schema = {name: found.labels}
    for label in found.labels:
        for word in found.words(label):
            assert said(word, schema, "multi") == {name: label}, word
        for word in found.negations(label):
            left = [other for other in found.labels if other != label]
            assert said(word, schema, "multi") == ({name: left[0]} if len(left) == 1 else {}), word


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_the_answers_that_we_write_are_read_back(name):
    info = DECLARED[name].info
    for k in range(30):
        values = {field: labels[k % len(labels)] for field, labels in info.fields.items()}
        for variety in (0, k + 1):
            assert said(full_answer(info, values, variety), dict(info.fields), info.paradigm) == values
        some = dict(list(values.items())[k % len(values) :])
        assert said(full_answer(info, some), dict(info.fields), info.paradigm) == some


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_a_prompt_answers_nothing(name):
    info = DECLARED[name].info
    for k in range(20):
        for split in ("train", "test"):
            found = said(question(info, split, k), dict(info.fields), "open")
            assert len(found) <= 1, question(info, split, k)


CLAUSES = {
    "sex": {"female": ["she is a woman", "sex: female", "the person is not male"], "male": ["a man", "gender: male"]},
    "age_group": {"<18": ["aged 12", "an adolescent"], "36-59": ["44 years old", "in the forties"]},
    "diagnosis": {"control": ["a healthy control", "no sign of autism"], "autism": ["autistic", "diagnosis: autism"]},
}
UNRELATED = [
    "The default mode network is strongly coupled.", "Motion was low.", "The scan has 200 frames.",
    "Modularity is high, z = 2.3.", "There is nothing unusual in the visual network.", "The gradient is normal.",
]  # fmt: skip


@st.composite
def statements(draw):
    """Clauses that give some fields, and the values that they give."""
    values, clauses = {}, []
    for name, labels in CLAUSES.items():
        label = draw(st.sampled_from([None, *labels]))
        if label:
            values[name] = label
            clauses.append(draw(st.sampled_from(labels[label])))
    return values, clauses


@settings(max_examples=150, deadline=None)
@given(statements(), st.randoms(), st.sampled_from(["; ", ". ", "\n"]), st.sampled_from([str.upper, str.title, str]))
def test_order_case_and_unrelated_sentences_change_nothing(stated, random, joint, case):
    values, clauses = stated
    assert said(joint.join(clauses), SCHEMAS["abide"], "open") == values
    mixed = [*clauses, *random.sample(UNRELATED, 2)]
    random.shuffle(mixed)
    assert said(case(joint.join(mixed)), SCHEMAS["abide"], "open") == values


@settings(max_examples=100, deadline=None)
@given(statements())
def test_saying_the_opposite_too_is_no_answer(stated):
    values, clauses = stated
    opposite = {"female": "the person is a man", "male": "the person is a woman"}
    if "sex" in values:
        found = said(". ".join([*clauses, opposite[values["sex"]]]), SCHEMAS["abide"], "open")
        assert found == {name: label for name, label in values.items() if name != "sex"}


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200), st.sampled_from(["multi", "open"]), st.sampled_from(sorted(SCHEMAS)))
def test_any_text_is_read_without_an_error(text, paradigm, cohort):
    for name, label in match(text, SCHEMAS[cohort], paradigm).items():
        assert label is None or label in SCHEMAS[cohort][name]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 110))
def test_an_age_falls_in_its_group(age):
    wanted = "<18" if age < 18 else "18-35" if age < 36 else "36-59" if age < 60 else ">=60"
    for text in (f"a {age}-year-old", f"aged {age}", f"age: {age}", f"{age} years old"):
        assert said(text, SCHEMAS["abide"], "open") == {"age_group": wanted}
    assert said(f"male | {age} | control", SCHEMAS["abide"], "multi")["age_group"] == wanted


def test_ages_are_ranges_with_their_ends():
    assert age_range("75 or older")[0] == (75, math.inf)
    assert age_range("mid-twenties")[0] == (24, 27)
    assert age_range("18 to 35")[0] == (18, 36)
    assert age_range("under 18") == ((0, 18), False)
    assert age_range("aged 40")[1]
    assert number("ninety-nine") == 99
    assert number("seventeen") == 17


def test_parts_of_several_answers():
    assert split_parts("a | b |") == ["a", "b"]
    assert split_parts("so:\na|b\nc|d") == ["a", "b"]
    assert split_parts("a") == ["a"]


def test_a_field_that_the_bank_lacks_is_matched_by_its_labels():
    schema = {"mood": ("sad", "so_so", "glad"), "hunger": ("sad", "great")}
    assert said("The mood is sad and the hunger is great.", schema, "open") == {"mood": "sad", "hunger": "great"}
    # Both fields have the word, and nothing says which is meant.
    assert said("sad", schema, "open") == {}
    assert said("so-so | great", schema, "multi") == {"mood": "so_so", "hunger": "great"}


@pytest.mark.parametrize("piece", [" ", "80 ", ", ", "a b c: ", "male or ", "not male ", "- ", "\u0130", "?", "a"])
def test_a_hostile_answer_takes_seconds_at_most(piece: str) -> None:
    """Nested searches made minutes of 20,000 characters."""
    start = time.monotonic()
    match(piece * (1_000_000 // len(piece)), SCHEMAS["abide"])
    assert time.monotonic() - start < 10


def test_a_long_sentence_is_read_part_by_part() -> None:
    text = "the scan shows many things of no note, " * 20 + "and the person is female"
    assert match(text, {"sex": SEX})["sex"] == "female"
    assert len(text) > matching.LONGEST_SENTENCE
    assert "".join(matching.parts_of([text])) == text


def test_spaces_do_not_matter() -> None:
    told = "The  person is\u00a0 a   woman \n  \n aged  34 "
    assert match(told, SCHEMAS["abide"]) == match("The person is a woman\naged 34", SCHEMAS["abide"])
