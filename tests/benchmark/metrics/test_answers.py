"""Metrics on answers: by hand, against the repeated items of a resample, and for what is not known."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from brainbench.benchmark.errors import UnknownName
from brainbench.benchmark.kinds.questions import Answers, Fields
from brainbench.benchmark.metrics.answers import (
    AllFieldsAccuracy,
    AnsweredRate,
    BalancedFieldAccuracy,
    FieldAccuracy,
    FieldsAUC,
    right,
)
from brainbench.benchmark.registry import load_metric

SCHEMA = {"sex": ("female", "male"), "diagnosis": ("CN", "MCI", "AD")}
TRUTH = Fields(
    [{"sex": "female", "diagnosis": "CN"}, {"sex": "male"}, {"diagnosis": "AD", "sex": "male"}, {"diagnosis": "MCI"}],
    SCHEMA,
    "multi",
)
SAID = Answers(["female | AD", "male | CN", "no idea", "male | mild cognitive impairment"])
EVERY = (
    FieldAccuracy,
    AllFieldsAccuracy,
    AnsweredRate,
    BalancedFieldAccuracy,
    FieldsAUC,
    partial(BalancedFieldAccuracy, "sex"),
    partial(BalancedFieldAccuracy, "diagnosis"),
)


def drawn(n: int, seed: int) -> tuple[Fields, Answers]:
    """Random truths, some unknown, and random answers with scores."""
    rng = np.random.default_rng(seed)
    values, texts, scores = [], [], []
    for _ in range(n):
        row = {name: str(rng.choice(labels)) for name, labels in SCHEMA.items() if rng.random() < 0.8}
        values.append(row)
        told = {name: dict(zip(labels, rng.dirichlet(np.ones(len(labels))).tolist(), strict=True))
                for name, labels in SCHEMA.items()}  # fmt: skip
        scores.append(told)
        texts.append(" | ".join(max(own, key=own.__getitem__) for own in told.values()))
    return Fields(values, SCHEMA, "multi"), Answers(texts, scores)


def test_a_small_case_by_hand():
    nan = np.nan
    np.testing.assert_array_equal(right(TRUTH, SAID), [[1, 0], [1, nan], [0, 0], [nan, 1]])
    assert FieldAccuracy().items(TRUTH, SAID).tolist() == [0.5, 1, 0, 1]
    assert AllFieldsAccuracy().items(TRUTH, SAID).tolist() == [0, 1, 0, 1]
    assert AnsweredRate().items(TRUTH, SAID).tolist() == [1, 1, 0, 1]
    # Sex: recall 1 of female, 1/2 of male. Diagnosis: CN 0, AD 0, MCI 1.
    assert BalancedFieldAccuracy("sex").score(TRUTH, SAID) == pytest.approx(0.75)
    assert BalancedFieldAccuracy("diagnosis").score(TRUTH, SAID) == pytest.approx(1 / 3)
    assert BalancedFieldAccuracy().score(TRUTH, SAID) == pytest.approx((0.75 + 1 / 3) / 2)
    assert np.isnan(FieldsAUC().score(TRUTH, SAID))  # no scores
    assert np.isnan(BalancedFieldAccuracy("flanker_status").score(TRUTH, SAID))  # not asked


@pytest.mark.parametrize("metric", EVERY)
@pytest.mark.parametrize("seed", range(3))
def test_counts_are_repeated_items(metric, seed):
    truth, answers = drawn(30, seed)
    counts = np.random.default_rng(seed).multinomial(30, np.ones(30) / 30, size=8)
    expected = []
    for row in counts:
        rows = np.repeat(np.arange(30), row)
        again = Fields([truth[k] for k in rows], SCHEMA, "multi")
        expected.append(
            metric().score(again, Answers([answers.texts[k] for k in rows], [answers.scores[k] for k in rows]))
        )
    np.testing.assert_allclose(metric().resample(truth, answers, counts), expected, atol=1e-12)


def test_balanced_accuracy_and_auc_are_those_of_scikit_learn():
    truth, answers = drawn(200, 7)
    known = [k for k, row in enumerate(truth) if "diagnosis" in row]
    y = [truth[k]["diagnosis"] for k in known]
    picked = [answers.texts[k].split(" | ")[1] for k in known]
    assert BalancedFieldAccuracy("diagnosis").score(truth, answers) == pytest.approx(balanced_accuracy_score(y, picked))
    share = np.array([[answers.scores[k]["diagnosis"][label] for label in SCHEMA["diagnosis"]] for k in known])
    codes = [SCHEMA["diagnosis"].index(label) for label in y]
    diagnosis = roc_auc_score(codes, share, multi_class="ovr")
    known = [k for k, row in enumerate(truth) if "sex" in row]
    sex = roc_auc_score([truth[k]["sex"] == "male" for k in known], [answers.scores[k]["sex"]["male"] for k in known])
    assert FieldsAUC().score(truth, answers) == pytest.approx((diagnosis + sex) / 2)


def test_the_commonest_label_has_the_chance_level_and_hiding_does_not_pay():
    truth, _ = drawn(400, 1)
    same = Answers(["female | CN"] * 400)
    assert BalancedFieldAccuracy().score(truth, same) == pytest.approx((1 / 2 + 1 / 3) / 2)
    # Who answers only the sure half of the items gains nothing: no answer is wrong.
    sure = Answers([f"{row.get('sex')} | {row.get('diagnosis')}" if k % 2 else "?" for k, row in enumerate(truth)])
    assert 0.4 < BalancedFieldAccuracy().score(truth, sure) < 0.6
    assert 0.4 < AnsweredRate().score(truth, sure) < 0.6
    # Scores of one field alone: the other counts as undecided.
    half = Answers(same.texts, [{"sex": {"female": 1.0 * (row.get("sex") == "female"), "male": 0.5}} for row in truth])
    assert FieldsAUC().score(truth, half) == pytest.approx(0.75)


def test_answers_without_declared_fields_are_read_as_written():
    truth = Fields([{"sex": "female", "Diagnosis": "autism"}, {"sex": "male"}])
    told = Answers(["Sex: Female; diagnosis: control", "I think he is male"])
    assert FieldAccuracy().items(truth, told).tolist() == [0.5, 0]
    assert AnsweredRate().items(truth, told).tolist() == [1, 0]
    # The first value of a field counts, so listing every value does not help.
    assert FieldAccuracy().score(Fields([{"sex": "male"}]), Answers(["sex: female; sex: male"])) == 0
    assert np.isnan(BalancedFieldAccuracy().score(truth, told))


def test_a_metric_without_parts_takes_none() -> None:
    assert load_metric("balanced-field-accuracy:sex").score(TRUTH, SAID) == BalancedFieldAccuracy("sex").score(
        TRUTH, SAID
    )
    with pytest.raises(UnknownName, match="no parts"):
        load_metric("auc:sex")
