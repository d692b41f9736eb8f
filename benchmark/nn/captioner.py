"""Texts about what somebody saw: a language model that reads embeddings in the place of an image.

A conversation is laid out as ``<human>:[image] [instruction] <bot>:[answer]``: the embeddings stand where the
image would, and only answers are learned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ..contracts import Context
from ..errors import BadOption
from .generation import generate
from .language import Language
from .packing import Packed, Prefix, Text, log_likelihoods, pack, read
from .training import History, Recipe, train

LAYOUT = "<human>:[image] [instruction] <bot>:[answer]"
DESCRIBE = "what is shown?"
BATCH = 64


class Turn(NamedTuple):
    """A question, and answers that are all right; what is said next follows the first of them."""

    question: str
    answers: tuple[str, ...]


class Conversation:
    """How a language model is shown an image's embeddings and talks about it.

    Parameters
    ----------
    language
        Any causal language model.
    layout
        One turn, with the places ``[image]``, ``[instruction]`` and ``[answer]`` in this order. Later turns are
        laid out alike, without the image.
    """

    def __init__(self, language: Language, layout: str = LAYOUT) -> None:
        opening, image, rest = layout.partition("[image]")
        between, instruction, rest = rest.partition("[instruction]")
        closing, answer, _ = rest.partition("[answer]")
        if not (opening and image and instruction and closing and answer):
            raise BadOption(f"layout {layout!r} lacks a place or a mark", f"such as  {LAYOUT}")
        self.language = language
        self.eos = language.tokenizer.eos
        self._opening, self._between, self._closing = opening, between, closing
        self._lead = language.tokenizer.encode(opening)
        self._known: dict[str, list[int]] = {}

    def encoded(self, text: str) -> list[int]:
        """Token ids of a text, kept: questions and answers recur."""
        if text not in self._known:
            self._known[text] = self.language.tokenizer.encode(text)
        return self._known[text]

    def asked(self, question: str, *, first: bool = True) -> list[int]:
        """Token ids from behind the image (or from a later turn's beginning) to where the answer starts."""
        return self.encoded(f"{'' if first else self._opening}{self._between}{question}{self._closing}")

    def prefix(self, image: Tensor) -> Prefix:
        """The opening of the first turn, and (batch, k, width) embeddings in the place of the image."""
        lead = self.language.embed(torch.tensor(self._lead, dtype=torch.long, device=image.device))
        return Prefix.causal(torch.cat([lead.expand(len(image), -1, -1), image.to(lead.dtype)], dim=1))

    def text(self, turns: Sequence[Turn]) -> tuple[Text, list[bool]]:
        """What follows the image, and which of its tokens are learned: answers and their ends, no question.

        Further answers to a question are branches, which see what was said before and not one another.
        """
        trunk: list[int] = []
        wanted: list[bool] = []
        branches: list[list[int]] = []
        after: list[int] = []
        for number, turn in enumerate(turns):
            question = self.asked(turn.question, first=number == 0)
            trunk += question
            answers = [[*self.encoded(answer), self.eos] for answer in turn.answers]
            branches += answers[1:]
            after += [len(trunk)] * (len(answers) - 1)
            trunk += answers[0]
            wanted += [False] * len(question) + [True] * len(answers[0])
        return Text.of(trunk, branches, after), wanted + [True] * sum(map(len, branches))

    def loss(self, image: Tensor, talks: Sequence[Sequence[Turn]]) -> Tensor:
        """Mean cross-entropy over the answers' tokens, under embeddings (batch, k, width)."""
        made = [self.text(turns) for turns in talks]
        text = pack([text for text, _ in made], self.eos).to(str(image.device))
        wanted = _marked([marks for _, marks in made], text)
        hidden = read(self.language, self.prefix(image), text).text
        return -log_likelihoods(self.language, hidden, text, wanted).mean()

    def answers(self, image: Tensor, questions: Sequence[str], new_tokens: int) -> list[str]:
        """The greedy answer to each question under its embeddings (n, k, width); all are read at once."""
        return generate(self.language, self.prefix(image), [self.asked(text) for text in questions], new_tokens)


def _marked(marks: Sequence[Sequence[bool]], text: Packed) -> Tensor:
    """(batch, length) boolean, padded like the text."""
    out = torch.zeros(text.ids.shape, dtype=torch.bool)
    for row, values in enumerate(marks):
        out[row, : len(values)] = torch.tensor(values)
    return out.to(text.ids.device)


class TokenProjector(nn.Module):
    """Two-layer perceptron from features to embeddings of a language model.

    Parameters
    ----------
    inputs
        Features of a vector, or of each token.
    hidden, width
        Hidden units, and width of the language model.
    tokens
        Embeddings made of a vector; 0 where the features are tokens already, and each becomes one.
    gain
        Standard deviation of embeddings at the start: that of the language model's word embeddings.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, inputs: int, hidden: int, width: int, tokens: int = 0, gain: float = 0.02) -> None:
        super().__init__()
        self.tokens, self.width = tokens, width
        self.layers = nn.Sequential(nn.Linear(inputs, hidden), nn.GELU(), nn.Linear(hidden, width * max(tokens, 1)))
        last = self.layers[2]
        assert isinstance(last, nn.Linear)
        nn.init.normal_(last.weight, std=2 * gain / hidden**0.5)
        nn.init.zeros_(last.bias)
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("scale", torch.ones(inputs))

    def standardise(self, features: Tensor) -> None:
        """Take mean and spread of each feature from training features (..., inputs)."""
        flat = features.reshape(-1, features.shape[-1])
        self.mean.copy_(flat.mean(0))
        self.scale.copy_(flat.std(0).clamp_min(1e-6))

    def forward(self, features: Tensor) -> Tensor:
        """(batch, inputs) or (batch, k, inputs) to (batch, k, width)."""
        out: Tensor = self.layers((features - self.mean) / self.scale)
        return out.view(len(out), -1, self.width)


class CaptionDecoder(nn.Module):
    """Features of what was seen (an embedding, or tokens) to texts about it.

    Parameters
    ----------
    language
        See `brainbench.benchmark.nn.words.word_language`, or any of `load_language`.
    inputs
        Features of a vector, or of each token.
    tokens
        Embeddings made of a vector; 0 for features that are tokens.
    hidden
        Hidden units of the projector; 0 for twice the language model's width.
    """

    def __init__(self, language: Language, inputs: int, tokens: int = 8, hidden: int = 0) -> None:
        super().__init__()
        self.language = language
        self.lm = language.model
        gain = float(language.table.detach().float().std())
        self.projector = TokenProjector(inputs, hidden or 2 * language.width, language.width, tokens, gain)
        self.talk = Conversation(language)

    def fit(
        self, features: np.ndarray | Tensor, talks: Sequence[Sequence[Turn]], recipe: Recipe, context: Context,
        *, tune_language: bool = True,
    ) -> History:  # fmt: skip
        """Learn the answers of each row's conversation from its features (n, inputs) or (n, k, inputs).

        The language model is tuned whole, or stays as it is. Call it within `reproducible`.
        """
        given = torch.as_tensor(features, dtype=torch.float32)
        self.to(context.device)
        self.projector.standardise(given.to(context.device))
        self.lm.requires_grad_(tune_language)
        history = learn(self, lambda rows: given[rows].to(context.device), talks, recipe, context)
        self.lm.requires_grad_(False)
        return history

    def loss(self, features: Tensor, talks: Sequence[Sequence[Turn]]) -> Tensor:
        """Mean cross-entropy over the answers' tokens."""
        return self.talk.loss(self.projector(features), talks)

    def generate(
        self, features: np.ndarray | Tensor, questions: Sequence[str] | None = None, new_tokens: int = 24
    ) -> list[str]:  # fmt: skip
        """One text a row of features, by greedy decoding; ``questions`` are "what is shown?" by default."""
        given = torch.as_tensor(features, dtype=torch.float32)
        asked = list(questions) if questions is not None else [DESCRIBE] * len(given)
        found: list[str] = []
        self.eval()
        for start in range(0, len(given), BATCH):
            with torch.no_grad():
                image = self.projector(given[start : start + BATCH].to(self.projector.mean.device))
            found += self.talk.answers(image, asked[start : start + BATCH], new_tokens)
        return found


def learn(
    decoder: CaptionDecoder, features: Callable[[np.ndarray], Tensor], talks: Sequence[Sequence[Turn]],
    recipe: Recipe, context: Context,
) -> History:  # fmt: skip
    """Minimise a decoder's loss over conversations whose features are read row by row."""

    def loss(rows: np.ndarray) -> Tensor:
        return decoder.loss(features(rows), [talks[row] for row in rows])

    return train(decoder, loss, np.arange(len(talks)), recipe, context)


def captions(texts: Sequence[Sequence[str]], question: str = DESCRIBE) -> list[list[Turn]]:
    """The conversations of rows that have captions: one turn, all of them right."""
    return [[Turn(question, tuple(each))] for each in texts]
