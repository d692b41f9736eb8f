"""Stage 3: instruction tuning on the questions of one or several tasks, and adapting to a few labelled scans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...benchmark.contracts import Context
from ...benchmark.nn.packing import Packed, Pass, Text, branch_scores, pack
from .answering import WORDINGS, Asker, Choice, Example
from .inputs import Inputs
from .loops import Losses, Schedule, optimise
from .options import Options
from .pretraining import augmented
from .reader import Reader

NEVER = 1 << 30
"""Behind any text: where an answer starts that is not learned token by token."""


@dataclass(frozen=True)
class Lesson:
    """The labelled scans of one task.

    Attributes
    ----------
    asker
        See `Asker`.
    rows
        (n,) rows of the prepared inputs.
    targets
        As a method gets them, one a scan.
    descriptions
        Text of each scan for its prompt; empty where none is shown.
    prompts
        The items' own prompts, where they have any; else the prompt bank is asked anew each time.
    """

    asker: Asker
    rows: np.ndarray
    targets: Any
    descriptions: Sequence[str] = ()
    prompts: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def question(self, k: int, number: int) -> str:
        """What is asked of scan ``k``; ``number`` picks a wording."""
        return self.prompts[k] if self.prompts else self.asker.asked(number)

    def text(self, k: int, number: int) -> str:
        """The whole prompt of scan ``k``."""
        return self.asker.speech.text(self.question(k, number), self.description(k))

    def description(self, k: int) -> str:
        """Text about scan ``k``, or nothing."""
        return self.descriptions[k] if self.descriptions else ""

    def example(self, k: int, rng: np.random.Generator) -> Example:
        """Scan ``k`` with a wording drawn for it."""
        asked = self.question(k, int(rng.integers(WORDINGS)))
        prompt = self.asker.speech.prompt(asked, self.description(k))
        return self.asker.example(prompt, self.targets[k], rng)


def stage3_schedule(options: Options) -> Schedule:
    """The schedule of instruction tuning."""
    return Schedule(
        "stage 3: instruction tuning",
        options.stage3_epochs,
        options.stage3_batch,
        options.stage3_rate,
        options.stage3_steps or options.most_steps,
        weight_decay=0.1,
        betas=(0.9, 0.95),
        clip=1.0,
        bf16=options.bf16,
    )


def adapting_schedule(options: Options) -> Schedule:
    """A few steps on the labelled scans of a regime, with settings that nothing is tuned for [ours]."""
    return Schedule(
        "adapting to the labelled scans",
        options.adapt_steps,
        options.stage3_batch,
        options.adapt_rate,
        options.adapt_steps,
        weight_decay=0.1,
        betas=(0.9, 0.95),
        clip=1.0,
        bf16=options.bf16,
    )


def instruct(
    options: Options,
    reader: Reader,
    inputs: Inputs,
    lessons: Sequence[Lesson],
    schedule: Schedule,
    context: Context,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Tune adapter and language model in place on the examples of all lessons, mixed; returns facts."""
    places = [(lesson, k) for lesson in lessons for k in range(len(lesson))]

    def losses(rows: np.ndarray, _: float) -> Losses:
        examples = [places[row][0].example(places[row][1], rng) for row in rows]
        scans = np.array([places[row][0].rows[places[row][1]] for row in rows])
        tokens = None if options.scan == "none" else seen(options, reader, inputs, scans, context.device)
        return example_losses(reader, tokens, examples, options.answer_loss == "tokens")

    reader.train(True)
    return optimise(schedule, reader.modules(), len(places), losses, context, rng)


def seen(options: Options, reader: Reader, inputs: Inputs, rows: np.ndarray, device: str) -> Tensor:
    """Encoder outputs of training scans, augmented where the options say so."""
    series = torch.from_numpy(inputs.batch(rows)).to(device)
    return reader.tokens(augmented(series) if options.augment else series)


def example_losses(reader: Reader, tokens: Tensor | None, examples: Sequence[Example], as_tokens: bool) -> Losses:
    """Mean losses of a batch, in one pass: answers token by token, choices among candidates, numbers.

    ``as_tokens``: labels too are learned as tokens over the vocabulary, as published; otherwise as a choice
    among the candidates. An answer that is a text of its own is always learned token by token.
    """
    laid = [_laid_out(example, as_tokens) for example in examples]
    text = pack(laid, reader.language.tokenizer.eos).to(str(reader.language.table.device))
    result = reader.read(tokens, text)
    parts: Losses = {}
    written = [as_tokens or example.written for example in examples]
    if any(written):
        starts = [
            len(example.prompt) if w else len(t.ids) for example, w, t in zip(examples, written, laid, strict=True)
        ]
        parts["tokens"] = _token_loss(reader, result.text, text, starts)
    choices = [(row, choice) for row, example in enumerate(examples) for choice in example.choices]
    if choices and not as_tokens:
        parts["choices"] = _choice_loss(reader, result.text, text, choices)
    numbers = [(row, example.value) for row, example in enumerate(examples) if example.value is not None]
    if numbers:
        rows, values = zip(*numbers, strict=True)
        found = number_of(reader, result, text)[list(rows)]
        parts["number"] = F.mse_loss(found, found.new_tensor(values)) * (len(rows) / len(examples))
    return {"total": torch.stack(list(parts.values())).sum(), **parts}


def _laid_out(example: Example, as_tokens: bool) -> Text:
    """Prompt, answer where it is learned token by token, and the candidates of each choice as branches."""
    trunk = [*example.prompt, *(example.answer if as_tokens or example.written else [])]
    if as_tokens:
        return Text.of(trunk)
    pairs = [(ids, len(example.prompt) + choice.after) for choice in example.choices for ids in choice.candidates]
    return Text.of(trunk, [ids for ids, _ in pairs], [after for _, after in pairs])


def _token_loss(reader: Reader, hidden: Tensor, text: Packed, starts: Sequence[int]) -> Tensor:
    """Mean cross-entropy of the trunk's tokens from each sample's start on."""
    place = torch.arange(text.ids.shape[1], device=text.ids.device)
    start = torch.tensor(starts, device=text.ids.device)[:, None]
    wanted = text.valid & (text.branch == 0) & (place[None, :] >= start)
    return -reader.log_likelihoods(hidden, text, wanted).mean()


def _choice_loss(reader: Reader, hidden: Tensor, text: Packed, choices: Sequence[tuple[int, Choice]]) -> Tensor:
    """Mean cross-entropy over the candidates of each choice; the branches follow in the order of the choices."""
    scores = branch_scores(reader.language, hidden, text, int(text.branch.max()))
    total, first, last_row = scores.new_zeros(()), 0, -1
    for row, choice in choices:
        first = first if row == last_row else 0
        among = scores[row, first : first + len(choice.candidates)]
        total = total + among.logsumexp(0) - among[choice.truth]
        first, last_row = first + len(choice.candidates), row
    return total / len(choices)


def number_of(reader: Reader, result: Pass, text: Packed) -> Tensor:
    """(batch,) standardised numbers read from the mean hidden state of scan and prompt."""
    weight = text.valid.unsqueeze(-1).to(result.text.dtype)
    total = result.prefix.sum(1) + (result.text * weight).sum(1)
    out: Tensor = reader.adapter.number(total / (result.prefix.shape[1] + weight.sum(1))).squeeze(-1).float()
    return out
