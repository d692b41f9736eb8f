from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from brainbench.benchmark.contracts import Context, TaskInfo  # noqa: E402
from brainbench.benchmark.errors import BadOption  # noqa: E402
from brainbench.benchmark.nn.captioner import (  # noqa: E402
    LAYOUT,
    CaptionDecoder,
    Conversation,
    TokenProjector,
    Turn,
    captions,
)
from brainbench.benchmark.nn.generation import generate  # noqa: E402
from brainbench.benchmark.nn.language import Language  # noqa: E402
from brainbench.benchmark.nn.packing import log_likelihoods, pack  # noqa: E402
from brainbench.benchmark.nn.training import Recipe, reproducible  # noqa: E402
from brainbench.benchmark.nn.words import EOS, UNKNOWN, WordTokenizer, teach, word_language  # noqa: E402

THINGS = ("dog", "cat", "bus", "cake")
COLOURS = ("red", "blue", "green")
FRAME = ["<human>: what is shown? what colour is it? <bot>:"]


def context(tmp_path: Path) -> Context:
    return Context(TaskInfo("toy", "captioning", "captions"), seed=0, workdir=tmp_path)


def small(texts: list[str]) -> Language:
    return word_language([*texts, *FRAME], width=32, layers=1, heads=2)


def seen(count: int, seed: int = 0) -> tuple[np.ndarray, list[tuple[str, str]]]:
    """Noisy one-hot features of a colour and a thing, and their words."""
    rng = np.random.default_rng(seed)
    pairs = rng.integers(0, (len(COLOURS), len(THINGS)), (count, 2))
    features = np.concatenate([np.eye(len(COLOURS))[pairs[:, 0]], np.eye(len(THINGS))[pairs[:, 1]]], axis=1)
    return features + rng.normal(0, 0.05, features.shape), [(COLOURS[a], THINGS[b]) for a, b in pairs]


def test_words_come_back_with_their_signs_in_place() -> None:
    tokenizer = WordTokenizer.of(["A red dog, isn't it? <bot>: yes.", "a DOG"])
    assert tokenizer.words[:2] == ("a", "dog")
    assert tokenizer.size == len(tokenizer.words) + 2
    text = "a red dog, isn't it?"
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.encode("a purple DOG")[1] == UNKNOWN
    assert tokenizer.decode([EOS, UNKNOWN, *tokenizer.encode("dog.")]) == "dog."
    assert "<bot>" in tokenizer.words
    assert WordTokenizer.of(["a a b"], least=2).words == ("a",)


def test_the_vocabulary_does_not_depend_on_the_order_of_texts() -> None:
    texts = ["a red dog", "a cat and a dog"]
    assert WordTokenizer.of(texts).words == WordTokenizer.of(reversed(texts)).words


def test_a_word_language_is_frozen_small_and_follows_its_seed() -> None:
    one, same, other = (word_language(["a red dog"], width=16, layers=1, heads=2, seed=s) for s in (0, 0, 1))
    assert not any(p.requires_grad for p in one.model.parameters())
    assert torch.equal(one.table, same.table)
    assert not torch.equal(one.table, other.table)
    assert one.facts["lm"] == "words"
    assert one.width == 16


def test_taught_texts_are_gone_on_with(tmp_path: Path) -> None:
    language = small(["a red dog sleeps.", "the blue bus waits."])
    recipe = Recipe(epochs=60, batch=2, rate=1e-2)
    with reproducible(context(tmp_path)):
        history = teach(language, ["a red dog sleeps.", "the blue bus waits."], recipe, context(tmp_path))
    assert history.losses[-1] < 0.05 < history.losses[0]
    prompts = [language.tokenizer.encode("a red"), language.tokenizer.encode("the")]
    assert generate(language, None, prompts, 8) == ["dog sleeps.", "blue bus waits."]
    assert not any(p.requires_grad for p in language.model.parameters())


def test_a_caption_decoder_says_what_the_features_hold(tmp_path: Path) -> None:
    features, pairs = seen(160)
    texts = [[f"a {colour} {thing}.", f"there is a {thing}, and it is {colour}."] for colour, thing in pairs]
    language = word_language([*(text for each in texts for text in each), *FRAME], width=64, layers=2, heads=2)
    decoder = CaptionDecoder(language, inputs=7, tokens=2)
    recipe = Recipe(epochs=20, batch=16, rate=5e-3, warmup=0.1, optimiser="adamw", clip=1.0)
    with reproducible(context(tmp_path)):
        decoder.fit(features[:120], captions(texts[:120]), recipe, context(tmp_path))
    said = decoder.generate(features[120:])
    right = [colour in text and thing in text for text, (colour, thing) in zip(said, pairs[120:], strict=True)]
    assert np.mean(right) > 0.9
    shuffled = decoder.generate(np.roll(features[120:], 7, axis=0))
    wrong = [colour in text and thing in text for text, (colour, thing) in zip(shuffled, pairs[120:], strict=True)]
    assert np.mean(wrong) < 0.5


def test_a_frozen_language_model_stays_as_it_is(tmp_path: Path) -> None:
    features, pairs = seen(8)
    language = small([f"{colour} {thing}" for colour, thing in pairs])
    before = language.table.detach().clone()
    decoder = CaptionDecoder(language, inputs=7, tokens=1)
    projector = decoder.projector.layers[0].weight.detach().clone()
    talks = captions([[f"{colour} {thing}"] for colour, thing in pairs])
    with reproducible(context(tmp_path)):
        decoder.fit(features, talks, Recipe(epochs=1, batch=4, rate=1e-2), context(tmp_path), tune_language=False)
    assert torch.equal(language.table, before)
    assert not torch.equal(decoder.projector.layers[0].weight, projector)


def test_the_image_stands_where_the_layout_says() -> None:
    language = small(["dog"])
    talk = Conversation(language)
    image = torch.randn(2, 3, 32)
    prefix = talk.prefix(image)
    lead = language.embed(torch.tensor(language.tokenizer.encode("<human>:")))
    assert torch.equal(prefix.embeddings[1], torch.cat([lead, image[1]]))
    asked = language.tokenizer.decode(talk.asked("what is shown?"))
    assert asked == "what is shown? <bot>:"
    assert language.tokenizer.decode(talk.asked("what is shown?", first=False)) == "<human>: what is shown? <bot>:"


def test_only_answers_are_learned_over_several_turns() -> None:
    language = small(["a dog. it is red."])
    talk = Conversation(language)
    turns = [Turn("what is shown?", ("a dog.", "dog.")), Turn("what colour is it?", ("red.",))]
    text, wanted = talk.text(turns)
    learned = [text.ids[k] for k, mark in enumerate(wanted) if mark]
    encode = language.tokenizer.encode
    assert learned == [*encode("a dog."), EOS, *encode("red."), EOS, *encode("dog."), EOS]
    # The second answer to the first question follows that question; the second question follows the first answer.
    branch = text.branch.index(1)
    assert text.parents[branch] == len(talk.asked("what is shown?")) - 1
    assert len(talk.asked(turns[0].question)) + 4 == text.trunk[branch] + 4


def test_question_tokens_are_no_targets() -> None:
    """Where no state comes before an answer, the head gets no gradient: questions teach it nothing."""
    language = small(["a dog. it is red."])
    talk = Conversation(language)
    turns = [Turn("what is shown?", ("a dog.",)), Turn("what colour is it?", ("red.",))]
    text, wanted = talk.text(turns)
    states = torch.randn(1, len(text.ids), 32, requires_grad=True)
    packed = pack([text], EOS)
    (-log_likelihoods(language, states, packed, torch.tensor([wanted])).mean()).backward()
    assert states.grad is not None
    taught = set(torch.nonzero(states.grad[0].norm(dim=1)).flatten().tolist())
    assert taught == {text.parents[k] for k, mark in enumerate(wanted) if mark}
    questions = [k for k, mark in enumerate(wanted) if not mark]
    assert len(taught.intersection(questions)) == 2  # the last token of each question, which the answer follows


def test_the_loss_is_the_mean_over_answer_tokens_alone() -> None:
    """By hand: one pass over the sequence as it stands, cross-entropy at the answers' places."""
    language = small(["a dog. it is red."])
    talk = Conversation(language)
    image = torch.randn(1, 2, 32)
    turns = [Turn("what is shown?", ("a dog.",)), Turn("what colour is it?", ("red.",))]
    encode = language.tokenizer.encode
    questions = ["what is shown? <bot>:", "<human>: what colour is it? <bot>:"]
    ids: list[int] = []
    places: list[int] = []
    for question, answer in zip(questions, ("a dog.", "red."), strict=True):
        ids += encode(question)
        places += range(len(ids), len(ids) + len(encode(answer)) + 1)
        ids += [*encode(answer), EOS]
    lead = language.embed(torch.tensor(encode("<human>:")))
    whole = torch.cat([lead, image[0], language.embed(torch.tensor(ids))])[None]
    with torch.no_grad():
        logits = language.model(inputs_embeds=whole).logits[0].log_softmax(-1)
        found = talk.loss(image, [turns])
    before = len(lead) + 2
    wanted = -torch.stack([logits[before + k - 1, ids[k]] for k in places]).mean()
    assert float(found) == pytest.approx(float(wanted), abs=1e-4)


def test_answers_to_one_question_do_not_see_one_another() -> None:
    language = small(["a dog. red bus cake."])
    talk = Conversation(language)
    image = torch.randn(1, 2, 32)
    with torch.no_grad():
        together = talk.loss(image, [[Turn("what is shown?", ("a dog.", "red bus cake."))]])
        parts = [talk.loss(image, [[Turn("what is shown?", (text,))]]) for text in ("a dog.", "red bus cake.")]
    assert float(together) == pytest.approx((4 * float(parts[0]) + 5 * float(parts[1])) / 9, abs=1e-4)


def test_a_layout_without_its_places_is_refused() -> None:
    with pytest.raises(BadOption, match="lacks a place"):
        Conversation(small(["dog"]), "<human>: [instruction] <bot>:[answer]")
    assert "[image]" in LAYOUT


def test_a_projector_standardises_and_starts_at_the_gain() -> None:
    torch.manual_seed(0)
    features = 50 + 10 * torch.randn(200, 6, 12)
    projector = TokenProjector(12, 64, 32, gain=0.02)
    projector.standardise(features)
    out = projector(features).detach()
    assert out.shape == (200, 6, 32)
    assert 0.01 < float(out.std()) < 0.03
    vector = TokenProjector(12, 64, 32, tokens=4)
    assert vector(features[:, 0]).shape == (200, 4, 32)
