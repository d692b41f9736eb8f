from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from nv2l_world import TINY, context, training, unseen

from brainbench.benchmark.errors import BadOption
from brainbench.methods.nv2l.method import NV2L

KINDS = ("captioning", "description", "reasoning", "reconstruction", "grounding", "localisation")


def tiny(**options) -> NV2L:
    return NV2L(**{**NV2L.presets["small"], **TINY, **options})


def run(folder, kind, method, **more):
    method.fit(training(folder, kind), context(folder, kind, **more))
    test, truth = unseen(folder, kind)
    return method.predict(test, context(folder, kind, **more)), test, truth


def check(kind, predicted, test) -> None:
    assert len(predicted) == len(test)
    for row in range(len(test)):
        value = predicted[row]
        if kind in ("captioning", "description", "reasoning"):
            assert isinstance(value, str)
        elif kind == "reconstruction":
            assert value.dtype == np.uint8
            assert value.shape[0] == value.shape[1] >= 16
        elif kind == "grounding":
            assert value.shape[1:] == (4,)
        else:
            assert value.shape == test[row].shape
            assert value.min() >= 0
            assert np.isfinite(value).all()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_fitted_and_predicted_without_labels(tmp_path, kind):
    method = tiny()
    predicted, test, _ = run(tmp_path, kind, method)
    check(kind, predicted, test)
    told = json.loads(json.dumps(method.report()))
    assert told["brain"][0]["tokens_kept"] > 0
    assert told["brain"][0]["encoder_parameters"] > 0
    assert "pixels" in told["features"]
    assert len(told["brain"]) == (2 if kind == "localisation" else 1)
    assert ("language" in told) == (kind not in ("reconstruction", "localisation"))


@pytest.mark.parametrize("control", NV2L.controls)
@pytest.mark.parametrize("kind", ["captioning", "reconstruction"])
def test_each_ablation_runs(tmp_path, control, kind):
    method = tiny(**NV2L.controls[control])
    if method.skip(context(tmp_path, kind).task):
        assert (control, kind) == ("no-llm", "reconstruction")
        return
    predicted, test, _ = run(tmp_path, kind, method)
    check(kind, predicted, test)


def test_the_same_seed_gives_the_same_words(tmp_path):
    one, _, _ = run(tmp_path, "captioning", tiny())
    same, _, _ = run(tmp_path, "captioning", tiny())
    assert one == same


def test_controls_share_the_encoder_that_they_have_in_common(tmp_path, monkeypatch):
    from brainbench.methods.nv2l import sharing

    made = []
    original = sharing.fit_encoder
    monkeypatch.setattr(sharing, "fit_encoder", lambda *given: made.append(1) or original(*given))
    shared = tmp_path / "shared"
    for control in ({}, {"llm": "none"}, {"step2_epochs": 2}, {"vae": False}):
        run(tmp_path, "captioning", tiny(**control), shared=shared)
    assert len(made) == 2


def test_words_follow_the_brain(tmp_path):
    """With little noise and enough steps the answers tell what each brain saw, and not what it saw before."""
    method = tiny(epochs=40, step1_epochs=2, step2_epochs=25, step2_batch=16, words_width=64, words_layers=2,
                  width=48, dialogues="brief,reasoning")  # fmt: skip
    method.fit(training(tmp_path, "reasoning", range(32)), context(tmp_path, "reasoning"))
    test, truth = unseen(tmp_path, "reasoning", range(40, 48))
    said = method.predict(test, context(tmp_path, "reasoning"))
    right = [text == dict(seen.dialogue)[asked] for text, seen, asked in zip(said, truth, test.questions, strict=True)]
    assert np.mean(right) > 0.7
    turned = [said[row] == dict(truth[row - 2].dialogue)[test.questions[row]] for row in range(len(said))]
    assert np.mean(turned) < np.mean(right)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decoder": "paint"}, "decoder="),
        ({"beta": 1.5}, "beta="),
        ({"dialogues": "brief,gossip"}, "gossip"),
        ({"step1_batch": 0}, "step1_batch"),
        ({"words_heads": 3, "words_width": 32}, "words_heads"),
        ({"zscore": "no"}, "zscore"),
    ],
)
def test_bad_options_are_refused(tmp_path, options, message):
    with pytest.raises(BadOption, match=message):
        tiny(**options).fit(training(tmp_path, "captioning", range(2)), context(tmp_path, "captioning"))


def test_predicting_before_fitting_is_refused(tmp_path):
    with pytest.raises(BadOption, match="before it was fitted"):
        tiny().predict(unseen(tmp_path, "captioning")[0], context(tmp_path, "captioning"))


def test_the_paper_preset_has_the_published_numbers():
    paper = NV2L(**NV2L.presets["paper"])
    paper.verify()
    assert (paper.layers, paper.width, paper.patch, paper.alpha) == (16, 768, 14, 1 / 64)
    assert (paper.step1_rate, paper.step1_epochs, paper.step1_batch, paper.step2_batch) == (2e-5, 1, 32, 24)
    assert (paper.beta, paper.decoder, paper.features, paper.tune_encoder) == (0.93, "unclip", "clip-vit-l-14", False)
