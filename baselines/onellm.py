"""OneLLM (Han et al., CVPR 2024) at its smallest: responses, projected linearly, before a language model's text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..benchmark.contracts import Card, Context, Method, Train
from ..benchmark.errors import BadData
from .brain_rows import Standard, lessons, test_brains
from .decoding import Library
from .network_baseline import training_loop
from .vision_network import ROWS, Pupils, positive

if TYPE_CHECKING:
    from torch import Tensor

    from ..benchmark.nn.captioner import Turn
    from .onellm_network import Talker

QUESTIONS = {"captioning": "what is shown?", "description": "describe it in detail."}


@dataclass
class OneLLM(Method):
    """A linear layer for each brain and a small language model, trained jointly: no image is ever looked at.

    Attributes
    ----------
    tokens
        Embeddings that a response becomes.
    width, layers, heads
        Of the language model, whose words are those of the training texts.
    epochs, batch, rate, weight_decay
        Of AdamW. The last epoch is kept.
    new_tokens
        Most words of an answer.
    """

    tokens: int = 4
    width: int = 64
    layers: int = 2
    heads: int = 4
    epochs: int = 12
    batch: int = 64
    rate: float = 2e-3
    weight_decay: float = 1e-2
    new_tokens: int = 40

    supports: ClassVar[tuple[str, ...]] = ("captioning", "description", "reasoning")
    card: ClassVar[Card] = Card(
        title="OneLLM",
        summary="Responses become embeddings before a small language model by one linear layer for each brain; both "
        "are trained jointly on texts, without any image features.",
        paper="Han et al., CVPR 2024",
        parameters="(voxels + 1) x tokens x width for each brain, and the language model",
        notes="Only what its tables show was read: this is a control without image alignment rather than a copy. "
        "The language model is drawn from the seed, with a vocabulary of the training texts.",
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {},
        "paper": {"tokens": 30, "width": 512, "layers": 8, "heads": 8, "epochs": 50, "rate": 3e-4},
    }

    def __post_init__(self) -> None:
        positive(self, "tokens", "width", "layers", "heads", "epochs", "batch", "rate", "new_tokens")

    def fit(self, train: Train, context: Context) -> None:
        """Train on every text of the training images that the task asks for."""
        training = training_loop()
        from ..benchmark.nn.words import word_language
        from .onellm_network import Talker

        stimuli = Library(train, "", "", context).stimuli
        self._kind = context.task.kind
        turns = [turns_of(self._kind, stimulus) for stimulus in stimuli]
        if not any(turns):
            raise BadData("no training image has a text", f"{context.task.kind} needs texts of the training images")
        with training.reproducible(context):
            found = {lesson.brain: lesson for lesson in lessons(train)}
            self._standards: dict[str, Standard] = {brain: lesson.standard for brain, lesson in found.items()}
            pupils = Pupils(found, context.device)
            words = [text for each in turns for turn in each for text in (turn.question, *turn.answers)]
            language = word_language(words, self.width, self.layers, self.heads, context.seed)
            self._talker = Talker(pupils.voxels, language, self.tokens).to(context.device)
            self._train(pupils, turns, context)

    def _train(self, pupils: Pupils, turns: Sequence[Sequence[Turn]], context: Context) -> None:
        """One sample a row and question."""
        training = training_loop()
        import torch

        talker: Talker = self._talker
        pictures = np.concatenate([pupils.images[brain] for brain in pupils.brains])
        samples = np.array([(row, k) for row in pupils.rows for k in range(len(turns[pictures[row]]))])

        def loss(chosen: np.ndarray) -> Tensor:
            order = chosen[np.argsort(samples[chosen, 0], kind="stable")]  # by brain, as `Pupils.of` gives rows
            rows = samples[order, 0]
            parts = [talker.prefix(responses, brain) for brain, responses, _ in pupils.of(rows)]
            talks = [[turns[pictures[row]][k]] for row, k in samples[order]]
            return talker.talk.loss(torch.cat(parts), talks)

        recipe = training.Recipe(
            self.epochs, self.batch, self.rate, warmup=0.1, optimiser="adamw", weight_decay=self.weight_decay, clip=1.0
        )
        talker.lm.requires_grad_(True)
        groups = training.without_decay(talker)
        history = training.train(talker, loss, np.arange(len(samples)), recipe, context, groups=groups)
        self._losses = [round(history.losses[0], 4), round(history.losses[-1], 4)]

    def predict(self, test: Any, context: Context) -> list[str]:
        """Greedy answers. Raises `BadData` for a brain without training data."""
        training = training_loop()
        import torch

        asked = test.questions if self._kind == "reasoning" else [QUESTIONS[self._kind]] * len(test)
        out = [""] * len(test)
        with training.reproducible(context), torch.no_grad():
            for brain, rows, responses in test_brains(test, self._standards):
                for start in range(0, len(rows), ROWS):
                    part = rows[start : start + ROWS]
                    matrix = torch.as_tensor(responses[start : start + ROWS]).to(context.device)
                    prefix = self._talker.prefix(matrix, brain)
                    said = self._talker.talk.answers(prefix, [asked[row] for row in part], self.new_tokens)
                    for row, text in zip(part, said, strict=True):
                        out[row] = text
        return out

    def report(self) -> dict[str, Any]:
        """Trainable parameters, first and last loss, and what is known of the language model."""
        training = training_loop()
        return {
            "parameters": training.parameter_count(self._talker),
            "losses": self._losses,
            "checkpoint": "last epoch",
            **self._talker.language.facts,
        }


def turns_of(kind: str, stimulus: Any) -> list[Turn]:
    """What is asked of an image on a task of this kind, and the right answers."""
    from ..benchmark.nn.captioner import Turn

    if kind == "reasoning":
        return [Turn(question, (reply,)) for question, reply in stimulus.dialogue]
    texts = stimulus.captions if kind == "captioning" else tuple(filter(None, (stimulus.description,)))
    return [Turn(QUESTIONS[kind], tuple(texts))] if texts else []
