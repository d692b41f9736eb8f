"""The language model that reads a brain: f_t, its two tuning steps, and answers.

Brain tokens (states of the encoder's last but one layer) go through f_t, a two-layer perceptron, to the place of
``[image]`` in ``<human>:[image] [instruction] <bot>:[answer]``. Source: Neuro-Vision to Language (NeurIPS 2024),
section 3.3 and appendix C.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ...benchmark.contracts import Context
from ...benchmark.kinds.seen import Responses, Stimulus
from ...benchmark.nn.captioner import LAYOUT, CaptionDecoder, Turn
from ...benchmark.nn.language import Language, Loading, load_language
from ...benchmark.nn.lora import Adaptation, adapt_language
from ...benchmark.nn.training import Recipe, parameter_count, reproducible, train
from ...benchmark.nn.words import WORDS, teach, word_language
from .brain import BrainEncoder, by_brain
from .dialogue import BRIEF, DETAILED, LOCATE, PROMPT, TYPE_OF_KIND, conversation, texts_of
from .losses import mixed_trial
from .options import Options

DRAWING = 11
"""Seeds the drawing of dialogues, apart from that of batches."""


class Said(NamedTuple):
    """A training sample of the language model: a row of the responses, and what is said of its image."""

    row: int
    turns: list[Turn]


class BrainTalk(nn.Module):
    """The brain encoder before a language model: rows of responses to losses.

    Parameters
    ----------
    encoder
        A trained brain side.
    decoder
        f_t and the language model.
    responses
        Training responses.
    trials
        Mixed trials in place of means.
    """

    def __init__(
        self, encoder: BrainEncoder, decoder: CaptionDecoder, responses: Responses, trials: bool, seed: int
    ) -> None:  # fmt: skip
        super().__init__()
        self.encoder, self.decoder, self.responses, self.trials = encoder, decoder, responses, trials
        self.rng = np.random.default_rng([seed, DRAWING])
        self.networks = nn.ModuleDict({name.replace(".", "_"): net for name, net in encoder.networks.items()})
        self.networks.requires_grad_(False)

    def train(self, mode: bool = True) -> BrainTalk:
        """The encoder stays in evaluation mode where it is frozen: it drops nothing."""
        super().train(mode)
        if not any(weight.requires_grad for weight in self.networks.parameters()):
            self.networks.eval()
        return self

    def tokens(self, rows: np.ndarray) -> Tensor:
        """(n, tokens, width) brain tokens of training rows; with gradients where the encoder is tuned."""
        found: dict[int, Tensor] = {}
        skipped = int(self.encoder.options.token_states == "patches")
        for brain, places in by_brain(self.responses, rows, len(rows)):
            trials = [self.responses.trials(int(row)) for row in rows[places]]
            values = [mixed_trial(one, self.rng) if self.trials else one.mean(axis=0) for one in trials]
            cubes = self.encoder.cubes(brain, self.responses.spaces[brain], np.stack(values))
            states = self.encoder.network(brain).penultimate(cubes)[:, skipped:]
            found |= dict(zip(places.tolist(), states, strict=True))
        return torch.stack([found[place] for place in range(len(rows))])

    def loss(self, samples: Sequence[Said]) -> Tensor:
        """Mean cross-entropy over answer tokens."""
        return self.decoder.loss(
            self.tokens(np.array([said.row for said in samples])), [said.turns for said in samples]
        )


def fit_language(
    options: Options, encoder: BrainEncoder, responses: Responses, stimuli: Sequence[Stimulus], rows: np.ndarray,
    context: Context,
) -> tuple[CaptionDecoder, dict[str, Any]]:  # fmt: skip
    """f_t and the language model after both steps, and facts for the record.

    Parameters
    ----------
    stimuli
        What was seen, one a response.
    rows
        The rows to learn from, one for each response of a brain to an image.
    """
    with reproducible(context):
        language, facts = _language(options, [stimuli[row] for row in rows], context)
        torch.manual_seed(context.seed)
        hidden = options.projector_hidden or language.width
        decoder = CaptionDecoder(language, encoder.options.width, tokens=0, hidden=hidden).to(context.device)
        talk = BrainTalk(encoder, decoder, responses, options.language_trials, context.seed).to(context.device)
        with torch.no_grad():
            some = talk.rng.permutation(rows)[:256]
            decoder.projector.standardise(talk.tokens(some))
        rng = np.random.default_rng([context.seed, DRAWING])
        facts["step1"] = _step(options, 1, talk, stimuli, rows, rng, context)
        facts |= _free(options, decoder)
        talk.networks.requires_grad_(options.tune_encoder)
        facts["step2"] = _step(options, 2, talk, stimuli, rows, rng, context)
        talk.requires_grad_(False)
        talk.eval()
    facts["projector_parameters"] = sum(weight.numel() for weight in decoder.projector.parameters())
    return decoder, facts | language.facts


def _language(options: Options, stimuli: Sequence[Stimulus], context: Context) -> tuple[Language, dict[str, Any]]:
    """The frozen language model; one of words is made from the training texts and taught them first."""
    if options.lm != WORDS:
        language = load_language(options.lm, options.lm_layers, context.seed, Loading())
        language.model.to(context.device)
        return language, {}
    talks = texts_of(stimuli, options.dialogues_used, context.seed)
    plain = [" ".join(f"<human>: {turn.question} <bot>: {turn.answers[0]}" for turn in turns) for turns in talks]
    other = [answer for turns in talks for turn in turns for answer in turn.answers[1:]]
    told = [question for stimulus in stimuli for question, _ in stimulus.dialogue]
    numbers = " ".join(map(str, range(101))) if "localisation" in options.dialogues_used else ""
    language = word_language(
        [*plain, *other, *told, *BRIEF, *DETAILED, PROMPT, LOCATE, LAYOUT, numbers],
        options.words_width, options.words_layers, options.words_heads, context.seed,
    )  # fmt: skip
    language.model.to(context.device)
    recipe = _recipe(options.taught_epochs, 64, options.taught_rate, context.device)
    history = teach(language, plain, recipe, context) if options.taught_epochs else None
    return language, {"taught_loss": round(history.losses[-1], 4)} if history else {}


def _free(options: Options, decoder: CaptionDecoder) -> dict[str, Any]:
    """Make the language model trainable for step 2."""
    tuning = "full" if options.lm == WORDS else options.tuning
    adaptation = Adaptation(tuning, options.lora_rank, options.lora_alpha, options.lora_dropout)
    chosen = adapt_language(decoder.language, adaptation)
    decoder.lm = decoder.language.model
    return chosen


def _step(
    options: Options, number: int, talk: BrainTalk, stimuli: Sequence[Stimulus], rows: np.ndarray,
    rng: np.random.Generator, context: Context,
) -> dict[str, Any]:  # fmt: skip
    """Step 1 or 2 in place; facts for the record."""
    epochs, batch, rate = (
        (options.step1_epochs, options.step1_batch, options.step1_rate)
        if number == 1
        else (options.step2_epochs, options.step2_batch, options.step2_rate)
    )
    asked = TYPE_OF_KIND.get(context.task.kind, "")
    samples = [said for _ in range(epochs) for said in drawn(options, stimuli, rows, asked, rng)]
    if not samples:
        return {"samples": 0}

    def loss(part: np.ndarray) -> Tensor:
        return talk.loss([samples[k] for k in part])

    # Samples of all epochs are drawn beforehand, so one pass over them is all epochs, with one schedule.
    recipe = _recipe(1, batch, rate, context.device)
    history = train(talk, loss, np.arange(len(samples)), recipe, context)
    return {"samples": len(samples), "loss": round(history.losses[-1], 4), "trained_parameters": parameter_count(talk)}


def drawn(
    options: Options, stimuli: Sequence[Stimulus], rows: np.ndarray, asked: str, rng: np.random.Generator
) -> list[Said]:  # fmt: skip
    """One dialogue a response, of a random type or of the type ``asked``; responses without any are left out."""
    types = options.dialogues_used
    made: list[Said] = []
    for row in rows:
        kinds = [types[k] for k in rng.permutation(len(types))]
        if asked in types and rng.uniform() < options.asked_share:
            kinds.insert(0, asked)
        turns = next((turns for kind in kinds if (turns := conversation(stimuli[row], kind, rng))), None)
        if turns:
            made.append(Said(int(row), turns))
    return made


def _recipe(epochs: int, batch: int, rate: float, device: str) -> Recipe:
    """AdamW, a short rise and a cosine; mixed precision on a GPU [ours]."""
    return Recipe(
        epochs=epochs,
        batch=batch,
        rate=rate,
        warmup=0.05,
        optimiser="adamw",
        weight_decay=0.01,
        clip=1.0,
        precision="bf16" if device.startswith("cuda") else "float32",
    )


def longest_answer(decoder: CaptionDecoder, stimuli: Sequence[Stimulus], kind: str, seed: int) -> int:
    """Tokens of the longest training answer of the type that a task asks for."""
    talks = texts_of(stimuli, [TYPE_OF_KIND[kind]], seed)
    answers = [answer for turns in talks for turn in turns for answer in turn.answers]
    return max((len(decoder.talk.encoded(answer)) for answer in answers), default=1) + 1
