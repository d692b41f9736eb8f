from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from nv2l_world import TINY, context, scene, told, training

from brainbench.benchmark.kinds.seen import Stimulus
from brainbench.benchmark.nn.captioner import Turn
from brainbench.benchmark.nn.training import reproducible
from brainbench.methods.nv2l import dialogue
from brainbench.methods.nv2l.language import BrainTalk, Said, drawn, fit_language, longest_answer
from brainbench.methods.nv2l.method import NV2L
from brainbench.methods.nv2l.options import DIALOGUES
from brainbench.methods.nv2l.sharing import kept_encoder
from brainbench.methods.nv2l.training import one_a_response

RNG = np.random.default_rng


def stimulus(number=0):
    row = told(number)
    boxes = {name: np.array(found) for name, found in json.loads(row["boxes"]).items()}
    pairs = tuple(map(tuple, json.loads(row["dialogue"])))
    return Stimulus(tuple(row["captions"]), row["description"], boxes, pairs)


def tiny(**options):
    return NV2L(**{**NV2L.presets["small"], **TINY, **options})


def brain_of(folder, method, kind="captioning", count=8):
    """A trained brain side on features of the words themselves, and its training rows."""
    train = training(folder, kind, range(count))
    features = RNG(0).normal(size=(count, 5)).astype(np.float32)[train.groups]
    encoder = kept_encoder(train.inputs, features, None, train.groups, method, context(folder, kind))
    return encoder, train, one_a_response(train.inputs, train.groups)


def test_there_are_six_types_with_as_many_wordings_as_published():
    assert len(set(dialogue.BRIEF)) == 14
    assert len(set(dialogue.DETAILED)) == 20
    made = {kind: dialogue.conversation(stimulus(), kind, RNG(0)) for kind in tiny().dialogues_used}
    assert len(made) == 6
    assert made["brief"][0].answers == stimulus().captions
    assert made["detailed"][0].answers == (stimulus().description,)
    assert [turn.question for turn in made["continuous"]] == ["what colour is it?", "where is it?"]
    assert len(made["reasoning"]) == 1
    assert made["reasoning"][0].answers == (dict(stimulus().dialogue)[made["reasoning"][0].question],)
    assert made["prompt"][0].answers[0].endswith(f", {scene(0)[1]}")
    assert scene(0)[1] in made["localisation"][0].question


@pytest.mark.parametrize("kind", DIALOGUES)
def test_an_image_without_what_a_dialogue_needs_has_none(kind):
    assert dialogue.conversation(Stimulus(), kind, RNG(0)) == []


def test_boxes_are_told_in_words_and_read_back():
    boxes = np.array([[0.1, 0.1, 0.2, 0.2], [0.304, 0.0, 1.0, 0.55]])
    text = dialogue.box_words(boxes)
    assert text == "30 0 100 55"
    assert dialogue.box_of_words(text) == pytest.approx(np.array([[0.3, 0, 1, 0.55]]))
    for wrong in ("", "the left side", "1 2 3", "50 0 40 10", "0 0 10 101", "1 2 3 4 5"):
        assert dialogue.box_of_words(wrong).shape == (0, 4)


def test_tests_are_asked_what_their_kind_asks():
    assert dialogue.asked_at_test("captioning", ["", ""], ["", ""]) == [dialogue.BRIEF[0]] * 2
    assert dialogue.asked_at_test("reasoning", ["why?"], [""]) == ["why?"]
    assert "ball" in dialogue.asked_at_test("grounding", [""], ["ball"])[0]


def test_dialogues_are_drawn_from_all_types_and_favour_what_is_asked():
    stimuli = [stimulus(number) for number in range(300)]
    rows = np.arange(300)
    every = drawn(tiny(asked_share=0.0), stimuli, rows, "brief", RNG(0))
    assert len(every) == 300
    brief = np.mean([said.turns[0].question in dialogue.BRIEF for said in every])
    assert 0.1 < brief < 0.25
    favoured = drawn(tiny(asked_share=0.5), stimuli, rows, "brief", RNG(0))
    assert 0.5 < np.mean([said.turns[0].question in dialogue.BRIEF for said in favoured]) < 0.68
    only = drawn(tiny(dialogues="detailed"), stimuli, rows, "brief", RNG(0))
    assert all(said.turns[0].question in dialogue.DETAILED for said in only)
    assert drawn(tiny(), [Stimulus()], np.array([0]), "brief", RNG(0)) == []


def states_of(encoder):
    return {name: value.clone() for name, value in encoder.networks["all"].state_dict().items()}


@pytest.mark.parametrize("tune", [False, True])
def test_step_two_tunes_the_encoder_only_where_asked(tmp_path, tune):
    method = tiny(tune_encoder=tune)
    encoder, train, rows = brain_of(tmp_path, method)
    before = states_of(encoder)
    fit_language(method, encoder, train.inputs, train.targets, rows, context(tmp_path, "captioning"))
    changed = [name for name, value in states_of(encoder).items() if not torch.equal(value, before[name])]
    assert bool(changed) == tune
    assert not any(name.startswith("to_features") for name in changed)  # tokens are of the layer before


def test_step_one_trains_the_projector_alone(tmp_path):
    method = tiny(step2_epochs=0, taught_epochs=0)
    encoder, train, rows = brain_of(tmp_path, method)
    here = context(tmp_path, "captioning")
    decoder, facts = fit_language(method, encoder, train.inputs, train.targets, rows, here)
    with reproducible(here):
        fresh, _ = fit_language(
            tiny(step1_epochs=0, step2_epochs=0, taught_epochs=0), encoder, train.inputs, train.targets, rows, here
        )
    assert torch.equal(decoder.language.table, fresh.language.table)
    moved, start = decoder.projector.layers[0].weight, fresh.projector.layers[0].weight
    assert not torch.equal(moved, start)
    assert facts["step1"]["trained_parameters"] == facts["projector_parameters"]
    assert facts["step2"] == {"samples": 0}


def test_step_two_trains_projector_and_language_model(tmp_path):
    encoder, train, rows = brain_of(tmp_path, tiny())
    here = context(tmp_path, "captioning")
    decoder, facts = fit_language(tiny(), encoder, train.inputs, train.targets, rows, here)
    assert facts["step2"]["trained_parameters"] == facts["projector_parameters"] + facts["lm_parameters"]
    assert facts["tuning"] == "full"
    assert not any(weight.requires_grad for weight in decoder.parameters())


def test_another_language_model_takes_low_rank_adapters(tmp_path):
    pytest.importorskip("peft")
    method = tiny(lm="tiny-random", tuning="lora", lora_rank=2, step2_batch=16, dialogues="reasoning")
    encoder, train, rows = brain_of(tmp_path, method, count=4)
    here = context(tmp_path, "reasoning")
    decoder, facts = fit_language(method, encoder, train.inputs, train.targets, rows, here)
    assert facts["tuning"] == "lora"
    assert 0 < facts["step2"]["trained_parameters"] - facts["projector_parameters"] < 10_000
    tokens = encoder.embed(train.inputs).tokens
    assert len(decoder.generate(tokens[:2], ["what colour is it?"] * 2, 3)) == 2


def test_tokens_come_in_the_order_of_rows_over_brains(tmp_path):
    method = tiny(language_trials=False)
    encoder, train, _ = brain_of(tmp_path, method)
    decoder, _ = fit_language(
        method, encoder, train.inputs, train.targets, np.arange(4), context(tmp_path, "captioning")
    )  # fmt: skip
    talk = BrainTalk(encoder, decoder, train.inputs, trials=False, seed=0).eval()
    rows = np.array([12, 1, 9, 0])
    whole = encoder.embed(train.inputs).tokens
    with torch.no_grad():
        assert np.allclose(talk.tokens(rows).numpy(), whole[rows], atol=1e-4)
    mixed = BrainTalk(encoder, decoder, train.inputs, trials=True, seed=0).eval()
    with torch.no_grad():
        assert not np.allclose(mixed.tokens(rows).numpy(), whole[rows], atol=1e-4)


def test_the_loss_follows_the_brain_tokens(tmp_path):
    """Gradients of an answer's loss reach every brain token of its own row."""
    method = tiny()
    encoder, train, _ = brain_of(tmp_path, method)
    decoder, _ = fit_language(
        method, encoder, train.inputs, train.targets, np.arange(4), context(tmp_path, "captioning")
    )  # fmt: skip
    tokens = torch.from_numpy(encoder.embed(train.inputs, [0, 1]).tokens).requires_grad_(True)
    one = [Turn("what is shown?", ("a red ball.",))]
    text = decoder.talk.loss(decoder.projector(tokens)[:1], [one])
    text.backward()
    assert tokens.grad is not None
    assert (tokens.grad[0].norm(dim=1) > 0).all()
    assert float(tokens.grad[1].norm()) == 0


def test_the_longest_answer_is_that_of_what_is_asked(tmp_path):
    method = tiny()
    encoder, train, rows = brain_of(tmp_path, method)
    decoder, _ = fit_language(method, encoder, train.inputs, train.targets, rows, context(tmp_path, "captioning"))
    stimuli = [stimulus(k) for k in range(4)]
    assert longest_answer(decoder, stimuli, "captioning", 0) == 8  # a red ball on the left . and the end
    assert longest_answer(decoder, stimuli, "description", 0) > 12


def test_a_sample_is_a_row_and_its_turns():
    said = Said(3, [Turn("a", ("b",))])
    assert (said.row, said.turns[0].answers) == (3, ("b",))
