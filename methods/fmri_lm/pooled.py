"""A control: a linear head on the same tokens that the adapter would read, without a language model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...benchmark.contracts import Context
from ...benchmark.errors import BadData
from ...benchmark.kinds.questions import Answers
from ...benchmark.nn.weights import load_weights, save_weights
from ...benchmark.prompts import full_answer
from .answering import Asker, Number
from .inputs import Inputs
from .loops import Losses, Schedule, optimise, precision
from .options import Options
from .predicting import BATCH, answers_of
from .reader import Reader
from .tuning import Lesson, seen


def head_key(asker: Asker) -> str:
    """A name for what is asked: tasks that ask the same share a head."""
    asked = [f"{name} {' '.join(labels)}" for name, labels in asker.fields.items()] or [asker.info.target]
    return "; ".join(asked).replace(".", "_")


class PooledHeads(nn.Module):
    """One linear map a question from all standardised tokens to the logits of its labels, started at zero."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.inputs = inputs
        self.heads = nn.ModuleDict()

    def head(self, asker: Asker) -> nn.Module:
        """The head of a question, made when it is new."""
        name = head_key(asker)
        if name not in self.heads:
            self.add(name, sum(map(len, asker.fields.values())) or 1)
        return self.heads[name]

    def add(self, name: str, outputs: int) -> None:
        """A new head, which says the same of everybody."""
        made = nn.Linear(self.inputs, outputs)
        nn.init.zeros_(made.weight)
        nn.init.zeros_(made.bias)
        self.heads[name] = made

    def save(self, folder: Path) -> None:
        """Leave the heads in a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        sizes = {name: head.out_features for name, head in self.heads.items()}
        save_weights(folder, self.state_dict(), {"inputs": self.inputs, "heads": sizes})

    @classmethod
    def load(cls, folder: Path) -> PooledHeads:
        """The heads that `save` left. Raises `BadData` where they are damaged."""
        tensors, settings = load_weights(folder)
        try:
            found = cls(int(settings["inputs"]))
            for name, outputs in settings["heads"].items():
                found.add(name, int(outputs))
            found.load_state_dict(tensors)
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise BadData(f"{folder}: not the heads of an fMRI-LM ({error})", "train them again") from None
        return found


def learn(
    options: Options,
    heads: PooledHeads,
    reader: Reader,
    inputs: Inputs,
    lessons: Sequence[Lesson],
    schedule: Schedule,
    context: Context,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Train the heads in place by cross-entropy, or squared error for a number."""
    places = [(lesson, k) for lesson in lessons for k in range(len(lesson))]
    for lesson in lessons:
        heads.head(lesson.asker)
    heads.to(context.device).train()

    def losses(rows: np.ndarray, _: float) -> Losses:
        scans = np.array([places[row][0].rows[places[row][1]] for row in rows])
        tokens = reader.adapter.scaled(seen(options, reader, inputs, scans, context.device)).flatten(1)
        each = [_loss(heads, tokens[at], *places[row]) for at, row in enumerate(rows)]
        return {"total": torch.stack(each).mean()}

    return optimise(schedule, [heads], len(places), losses, context, rng)


def _loss(heads: PooledHeads, tokens: Tensor, lesson: Lesson, k: int) -> Tensor:
    """Mean loss over the known fields of one scan."""
    asker, target = lesson.asker, lesson.targets[k]
    found: Tensor = heads.head(asker)(tokens)
    if isinstance(asker, Number):
        return (found[0] - (float(target) - asker.units.mean) / asker.units.sd) ** 2
    logits = dict(zip(asker.fields, torch.split(found, [*map(len, asker.fields.values())]), strict=True))
    known = asker.truths(target)
    parts = [F.cross_entropy(logits[name], torch.tensor(truth, device=found.device)) for name, truth in known.items()]
    return torch.stack(parts).mean() if parts else found.sum() * 0


def predict(
    heads: PooledHeads, reader: Reader, inputs: Inputs, asker: Asker, context: Context, bf16: bool = True
) -> np.ndarray | Answers:
    """Predictions of all scans; a question that no head was trained for gets equal shares."""
    head, rows = heads.to(context.device).eval().head(asker).to(context.device), np.arange(len(inputs))
    found = []
    with torch.no_grad():
        for start in range(0, len(inputs), BATCH):
            with precision(context.device, bf16):
                series = torch.from_numpy(inputs.batch(rows[start : start + BATCH])).to(context.device)
                found.append(head(reader.adapter.scaled(reader.tokens(series)).flatten(1)).double().cpu())
            context.progress("predicting", min(start + BATCH, len(inputs)), len(inputs))
    logits = torch.cat(found)
    if isinstance(asker, Number):
        return np.asarray(logits[:, 0].numpy() * asker.units.sd + asker.units.mean)
    parts = torch.split(logits, [*map(len, asker.fields.values())], dim=1)
    scores = {name: part.softmax(1).numpy() for name, part in zip(asker.fields, parts, strict=True)}
    if not asker.info.fields:
        return np.asarray(scores[asker.info.target])
    best = {name: values.argmax(1) for name, values in scores.items()}
    told = [{name: asker.fields[name][best[name][row]] for name in best} for row in range(len(inputs))]
    return answers_of(asker, [full_answer(asker.info, values) for values in told], scores)
