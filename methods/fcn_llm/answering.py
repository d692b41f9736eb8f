"""Predictions of a trained reader: probabilities from candidate answers, numbers and texts from generation."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from ...benchmark.contracts import Context, TaskInfo
from ...benchmark.kinds.questions import Answers, AskedScans
from ...benchmark.kinds.scans import Scans, strangers
from ...benchmark.nn.generation import Reading, generate
from ...benchmark.nn.training import mixed
from ...benchmark.prompts import SEPARATOR, answer_words, question
from .options import Options
from .parts import Attribute, spelled
from .reader import Reader
from .windows import networks, whole
from .wordings import NO, YES, judgment

NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
BATCH = 16


def shown_rows(scans: Scans, options: Options, seed: int) -> np.ndarray:
    """(n,) whose network each scan is shown with: its own, or that of another test subject."""
    return strangers(len(scans), seed) if options.scan == "other" else np.arange(len(scans))


class Asking:
    """Batches of test networks, and a reader that is asked about them."""

    def __init__(self, options: Options, reader: Reader, scans: Scans, shown: np.ndarray, context: Context) -> None:
        self.options = options
        self.reader = reader.eval()
        self.scans = scans
        self.shown = shown
        self.context = context
        self.pieces = whole(scans)

    def batches(self) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Rows and their networks (batch, 1, roi, roi)."""
        for start in range(0, len(self.scans), BATCH):
            rows = np.arange(start, min(start + BATCH, len(self.scans)))
            found = networks(self.scans, [self.pieces[row] for row in self.shown[rows]])
            yield rows, torch.from_numpy(found).unsqueeze(1).to(self.context.device)
            self.context.progress("predicting", int(rows[-1]) + 1, len(self.scans))

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Without gradients, in the precision of the options."""
        device = self.context.device
        kind = "bf16" if self.options.mixed_on(device) else "float32"
        with torch.no_grad(), mixed(kind, device.partition(":")[0]):
            yield

    def probabilities(self, task: TaskInfo) -> np.ndarray:
        """(n, classes) softmax over the candidate answers' log-likelihoods, or the shares of Yes."""
        out = np.empty((len(self.scans), len(task.classes)))
        read = self._by_judgment if self.options.ask == "judgment" else self._by_answer
        with self._reading():
            for rows, shown in self.batches():
                out[rows] = read(task, shown).double().cpu().numpy()
        return out

    def _by_answer(self, task: TaskInfo, shown: Tensor) -> Tensor:
        count = len(shown)
        asked = [self.reader.asked(question(task, "test", 0))] * count
        return self.reader.scores(shown, asked, [answer_words(task)] * count).softmax(dim=1)

    def _by_judgment(self, task: TaskInfo, shown: Tensor) -> Tensor:
        title, asked = Attribute(task, np.empty(0)).title, question(task, "test", 0)
        shares = []
        for answer in answer_words(task):
            text = judgment("test", 0, title, asked, answer)
            prompts = [self.reader.asked(text)] * len(shown)
            scores = self.reader.scores(shown, prompts, [(YES, NO)] * len(shown))
            shares.append(scores.softmax(dim=1)[:, 0])
        yes = torch.stack(shares, dim=1)
        return yes / yes.sum(dim=1, keepdim=True)

    def numbers(self, task: TaskInfo, fallback: float) -> tuple[np.ndarray, float]:
        """(n,) first number of each generated answer, and the share of answers that hold none.

        Those get ``fallback``, the mean of the training labels.
        """
        values = np.full(len(self.scans), math.nan)
        prompt = self.reader.asked(question(task, "test", 0))
        with self._reading():
            for rows, shown in self.batches():
                texts = self._generated(shown, [prompt] * len(rows))
                values[rows] = [first_number(text) for text in texts]
        failed = np.isnan(values)
        return np.where(failed, fallback, values), float(failed.mean()) if len(values) else 0.0

    def answers(self, task: TaskInfo) -> Answers:
        """The answer to each item's own prompt.

        Several questions at once are answered label by label, each label scored after the answers before it; an
        open question is answered by free generation, without scores.
        """
        assert isinstance(self.scans, AskedScans)
        texts: list[str] = []
        scores: list[dict[str, dict[str, float]]] = []
        with self._reading():
            for rows, shown in self.batches():
                prompts = [self.reader.asked(self.scans.prompts[row]) for row in rows]
                if task.paradigm == "multi":
                    found = self._field_by_field(task, shown, prompts)
                    texts += [text for text, _ in found]
                    scores += [fields for _, fields in found]
                else:
                    texts += self._generated(shown, prompts)
        return Answers(texts, scores or None)

    def _generated(self, shown: Tensor, prompts: Sequence[Sequence[int]]) -> list[str]:
        return generate(self.reader.language, self.reader.prefix(shown), prompts, self.options.answer_tokens)

    def _field_by_field(
        self, task: TaskInfo, shown: Tensor, prompts: Sequence[Sequence[int]]
    ) -> list[tuple[str, dict[str, dict[str, float]]]]:
        reading = Reading(self.reader.language, self.reader.prefix(shown), prompts)
        said: list[list[str]] = [[] for _ in prompts]
        scored: list[dict[str, dict[str, float]]] = [{} for _ in prompts]
        for number, (field, labels) in enumerate(task.fields.items()):
            candidates = [self.reader.encoded(text) for text in spelled(number, labels)]
            shares = reading.scores(candidates).softmax(dim=1).cpu().numpy()
            for row, values in enumerate(shares):
                said[row].append(labels[int(values.argmax())])
                scored[row][field] = dict(zip(labels, map(float, values), strict=True))
            if number + 1 < len(task.fields):
                reading.append([candidates[int(values.argmax())] for values in shares])
        return [(f" {SEPARATOR} ".join(words), fields) for words, fields in zip(said, scored, strict=True)]


def first_number(text: str) -> float:
    """The first number in a text; NaN without one."""
    found = NUMBER.search(text)
    return float(found[0]) if found else math.nan
