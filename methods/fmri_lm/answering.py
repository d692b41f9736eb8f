"""How each kind of task is asked and answered: one question, several at once, an open one, or a number.

An `Asker` turns a task's labels into training examples (tokens), and says which candidates decide each
field of an answer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...benchmark.contracts import TaskInfo
from ...benchmark.errors import BadOption
from ...benchmark.prompts import SEPARATOR, answer_words, full_answer, question
from .prompts import Speech

WORDINGS = 1 << 16
"""A wording of the prompt bank is picked by a number below this."""


@dataclass(frozen=True)
class Choice:
    """One decision within an answer.

    Attributes
    ----------
    after
        Tokens of the answer that come before it.
    candidates
        Token ids of each label's words.
    truth
        Index of the right one.
    """

    after: int
    candidates: Sequence[Sequence[int]]
    truth: int


@dataclass(frozen=True)
class Example:
    """One question about one scan, with its answer.

    Attributes
    ----------
    prompt, answer
        Token ids; the answer with the end of text. Empty for a number.
    choices
        Decisions within the answer.
    value
        The standardised number that is asked for; None elsewhere.
    written
        Whether the answer is a text of its own, beyond the choice of one label.
    """

    prompt: list[int]
    answer: list[int] = field(default_factory=list)
    choices: tuple[Choice, ...] = ()
    value: float | None = None
    written: bool = False


class Asker(ABC):
    """Asks for the target of one task."""

    def __init__(self, info: TaskInfo, speech: Speech) -> None:
        self.info = info
        self.speech = speech

    def asked(self, number: int) -> str:
        """The question in one of its training wordings."""
        return question(self.info, "train", number)

    def tested(self) -> str:
        """The question as it is asked at test: a wording that training never has."""
        return question(self.info, "test", 0)

    @property
    def fields(self) -> Mapping[str, tuple[str, ...]]:
        """Every label that may be chosen, by field; empty for a number."""
        return self.info.fields or {self.info.target: self.info.classes}

    @abstractmethod
    def truths(self, target: Any) -> dict[str, int]:
        """Index of the true label of each field that is known."""

    @abstractmethod
    def example(self, prompt: list[int], target: Any, rng: np.random.Generator) -> Example:
        """A training example."""


class OneLabel(Asker):
    """Classification: the answer is the word of a class."""

    def __init__(self, info: TaskInfo, speech: Speech) -> None:
        super().__init__(info, speech)
        self.candidates = [speech.answer(words) for words in answer_words(info)]

    def truths(self, target: Any) -> dict[str, int]:
        return {self.info.target: int(target)}

    def example(self, prompt: list[int], target: Any, rng: np.random.Generator) -> Example:
        answer = [*self.candidates[int(target)], self.speech.tokenizer.eos]
        return Example(prompt, answer, (Choice(0, self.candidates, int(target)),))


class ManyLabels(Asker):
    """Several questions at once: the labels in the order of the fields, with ``|`` between them."""

    def __init__(self, info: TaskInfo, speech: Speech) -> None:
        super().__init__(info, speech)
        self.separator = speech.more(SEPARATOR)
        self.candidates = {
            name: [(speech.answer if k == 0 else speech.more)(label) for label in labels]
            for k, (name, labels) in enumerate(info.fields.items())
        }

    def truths(self, target: Any) -> dict[str, int]:
        return {name: labels.index(target[name]) for name, labels in self.info.fields.items() if name in target}

    def example(self, prompt: list[int], target: Any, rng: np.random.Generator) -> Example:
        answer: list[int] = []
        choices = []
        for k, (name, candidates) in enumerate(self.candidates.items()):
            answer += self.separator if k else []
            known = self.truths(target).get(name)
            if known is None:
                answer += (self.speech.more if k else self.speech.answer)("unknown")
                continue
            choices.append(Choice(len(answer), candidates, known))
            answer += candidates[known]
        return Example(prompt, [*answer, self.speech.tokenizer.eos], tuple(choices), written=True)


class FreeText(Asker):
    """An open question: a sentence that states every field, in one of many wordings and any order."""

    def __init__(self, info: TaskInfo, speech: Speech) -> None:
        super().__init__(info, speech)
        self.candidates = {
            name: [speech.answer(full_answer(info, {name: label}).rstrip(".")) for label in labels]
            for name, labels in info.fields.items()
        }

    def truths(self, target: Any) -> dict[str, int]:
        return {name: labels.index(target[name]) for name, labels in self.info.fields.items() if name in target}

    def example(self, prompt: list[int], target: Any, rng: np.random.Generator) -> Example:
        text = full_answer(self.info, dict(target), int(rng.integers(1, WORDINGS)))
        choices = [Choice(0, self.candidates[name], truth) for name, truth in self.truths(target).items()]
        return Example(prompt, [*self.speech.answer(text), self.speech.tokenizer.eos], tuple(choices), written=True)


@dataclass(frozen=True)
class Units:
    """Mean and standard deviation of a number over the training scans."""

    mean: float = 0.0
    sd: float = 1.0

    @classmethod
    def of(cls, values: np.ndarray) -> Units:
        """Those of some values; a number that never varies keeps its unit."""
        sd = float(np.std(values)) if len(values) else 0.0
        return cls(float(np.mean(values)) if len(values) else 0.0, sd if sd > 0 else 1.0)


class Number(Asker):
    """Regression: a linear head reads the hidden states up to the answer's marker (the paper's Table 4)."""

    def __init__(self, info: TaskInfo, speech: Speech, units: Units) -> None:
        super().__init__(info, speech)
        self.units = units

    @property
    def fields(self) -> Mapping[str, tuple[str, ...]]:
        return {}

    def truths(self, target: Any) -> dict[str, int]:
        return {}

    def example(self, prompt: list[int], target: Any, rng: np.random.Generator) -> Example:
        return Example(prompt, value=(float(target) - self.units.mean) / self.units.sd)


def asker_of(info: TaskInfo, speech: Speech, units: Units = Units()) -> Asker:
    """The asker of a task. Raises `BadOption` for questions whose fields the task does not declare."""
    if info.kind == "classification":
        return OneLabel(info, speech)
    if info.kind == "regression":
        return Number(info, speech, units)
    if not info.fields:
        raise BadOption(f"{info.name} asks questions but declares no fields", "declare the fields and their labels")
    return ManyLabels(info, speech) if info.paradigm == "multi" else FreeText(info, speech)
