"""Central caption: the right text, one a question, and quickly."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from brainbench.baselines import central_caption
from brainbench.baselines.central_caption import CentralCaption, most_central
from brainbench.benchmark.contracts import Context, TaskInfo, Train
from brainbench.benchmark.errors import BadData
from brainbench.benchmark.kinds.seen import Stimulus
from brainbench.benchmark.metrics.captions import CiderD
from brainbench.benchmark.metrics.captions_ngrams import cider_between
from brainbench.benchmark.metrics.tokens import PLAIN

BRAINHUB = Path(os.environ.get("BRAINBENCH_SHARED", "../shared")) / "data" / "brainhub" / "caption"

IMAGES = [
    ["a red cat on a mat", "a cat on a mat a mat"],
    ["two dogs run in the park", "a cat on a red mat"],
    ["a man rides a horse", "a bus"],
    ["", "the cat sits on the mat"],
]


def train(images, questions=None, groups=None):
    targets = [Stimulus(references=tuple(texts)) for texts in images]
    inputs = SimpleNamespace(questions=questions or [""] * len(images))
    return Train(inputs, targets, np.arange(len(images)) if groups is None else np.array(groups))


def context(tmp_path):
    return Context(TaskInfo("t", "captioning", "references"), 0, tmp_path)


def test_likeness_of_two_texts_is_cider_with_frozen_frequencies():
    texts = [text for told in IMAGES for text in told]
    owner = np.repeat(np.arange(4), 2)
    found = cider_between(PLAIN(texts), owner, np.arange(8))
    # The metric on one reference, beside three images that keep the document frequencies of the whole.
    for row, said in enumerate(texts):
        truth = [Stimulus(references=tuple(told)) for told in IMAGES]
        for image in range(4):
            expected = CiderD().variant("plain").items(truth, [said] * 4)[image]
            assert found[row, 2 * image : 2 * image + 2].mean() == pytest.approx(expected, abs=1e-12)


def test_the_central_text_is_that_of_a_plain_loop(monkeypatch):
    texts = [text for told in IMAGES for text in told]
    likeness = cider_between(PLAIN(texts), np.repeat(np.arange(4), 2), np.arange(8))
    means = [np.mean([likeness[a, b] for b in range(8) if b != a]) for a in range(8)]
    assert most_central(IMAGES) == texts[int(np.argmax(means))]
    monkeypatch.setattr(central_caption, "MOST", 3)
    assert most_central(IMAGES) in (texts[0], texts[4], texts[7], texts[3])
    assert most_central([["only"]]) == "only"


def test_one_text_a_question_and_one_for_unknown_questions(tmp_path):
    method = CentralCaption()
    images = [["yes"], ["a red cat"], ["yes"], ["a red bus", "a red cat"], ["no"], []]
    questions = ["is it?", "what is it?", "is it?", "what is it?", "is it?", "what is it?"]
    method.fit(train(images, questions, [0, 0, 1, 1, 2, 2]), context(tmp_path))
    said = method.predict(SimpleNamespace(questions=["what is it?", "is it?", "who?"]), context(tmp_path))
    assert said[:2] == ["a red cat", "yes"]
    assert said[2] in {"yes", "a red cat"}
    assert method.report()["questions"] == 2
    with pytest.raises(BadData, match="no training item"):
        CentralCaption().fit(train([[], []]), context(tmp_path))


@pytest.mark.skipif(not BRAINHUB.is_dir(), reason="needs BrainHub's captions in BRAINBENCH_SHARED")
def test_real_captions_take_seconds_and_score_above_a_random_one(tmp_path):
    told = list(json.loads((BRAINHUB / "fmri_cococap.json").read_text()).values())
    begun = time.perf_counter()
    method = CentralCaption()
    method.fit(train(told[:500]), context(tmp_path))
    assert time.perf_counter() - begun < 20
    truth = [Stimulus(references=tuple(texts)) for texts in told[500:]]
    metric = CiderD().variant("plain")
    central = metric.score(truth, method.predict(SimpleNamespace(questions=[""] * len(truth)), context(tmp_path)))
    others = [metric.score(truth, [texts[0]] * len(truth)) for texts in told[:20]]
    assert central > max(others)
