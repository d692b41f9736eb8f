"""From a tuned reader to predictions: class probabilities, numbers, or answers in text with label scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ...benchmark.contracts import Context
from ...benchmark.kinds.questions import Answers
from ...benchmark.nn.generation import Reading, decode
from ...benchmark.nn.packing import Prefix, Text, candidate_scores, pack
from .answering import Asker, FreeText, ManyLabels, Number, OneLabel
from .inputs import Inputs
from .loops import precision
from .reader import Reader
from .tuning import number_of

BATCH = 32
OPEN_TOKENS = 100
"""Most tokens of an open answer, as published."""

FieldScores = dict[str, np.ndarray]


def predict(
    reader: Reader,
    inputs: Inputs,
    shown: np.ndarray | None,
    asker: Asker,
    prompts: Sequence[str],
    context: Context,
    bf16: bool = True,
) -> np.ndarray | Answers:
    """Predictions of the scans with these prompts, in their order.

    ``shown`` (n,) says whose tokens the model is shown with each prompt; None: no scan at all.
    """
    reader.train(False)
    parts = []
    with torch.no_grad():
        for start in range(0, len(prompts), BATCH):
            stop = min(start + BATCH, len(prompts))
            asked = [asker.speech.tokenizer.encode(text) for text in prompts[start:stop]]
            with precision(context.device, bf16):
                prefix = None if shown is None else _prefix(reader, inputs, shown[start:stop], context.device)
                parts.append(_answered(reader, prefix, asker, asked))
            context.progress("predicting", stop, len(prompts))
    return joined(parts)


def joined(parts: Sequence[np.ndarray | Answers]) -> np.ndarray | Answers:
    """Predictions of several batches as one."""
    if isinstance(parts[0], Answers):
        answers = [part for part in parts if isinstance(part, Answers)]
        scores = [fields for part in answers for fields in part.scores or []]
        return Answers([text for part in answers for text in part.texts], scores)
    return np.concatenate([part for part in parts if isinstance(part, np.ndarray)])


def _prefix(reader: Reader, inputs: Inputs, rows: np.ndarray, device: str) -> Prefix | None:
    return reader.prefix(reader.tokens(torch.from_numpy(inputs.batch(rows)).to(device)))


def _answered(reader: Reader, prefix: Prefix | None, asker: Asker, prompts: list[list[int]]) -> np.ndarray | Answers:
    if isinstance(asker, OneLabel):
        text = pack([Text.of(ids, asker.candidates) for ids in prompts], reader.language.tokenizer.eos)
        text = text.to(str(reader.language.table.device))
        return _shares(candidate_scores(reader.language, prefix, text, len(asker.candidates)))
    if isinstance(asker, Number):
        return _numbers(reader, prefix, asker, prompts)
    reading = Reading(reader.language, prefix, prompts)
    start = reading.mark()
    assert isinstance(asker, (ManyLabels, FreeText))
    if isinstance(asker, ManyLabels):
        scores, most = chain(reading, asker), longest(asker)
    else:
        scores, most = at_once(reading, asker), OPEN_TOKENS
    reading.rewind(start)
    texts = [reader.language.tokenizer.decode(ids).strip() for ids in decode(reading, most)]
    return answers_of(asker, texts, scores)


def _numbers(reader: Reader, prefix: Prefix | None, asker: Number, prompts: list[list[int]]) -> np.ndarray:
    text = pack([Text.of(ids) for ids in prompts], reader.language.tokenizer.eos)
    text = text.to(str(reader.language.table.device))
    found = number_of(reader, reader.read_behind(prefix, text), text)
    return np.asarray(found.double().cpu().numpy() * asker.units.sd + asker.units.mean)


def chain(reading: Reading, asker: ManyLabels) -> FieldScores:
    """Probabilities of each field's labels, behind the likeliest labels of the fields before it."""
    out: FieldScores = {}
    for k, (name, candidates) in enumerate(asker.candidates.items()):
        if k:
            reading.append([asker.separator] * len(reading))
        scores = reading.scores(candidates)
        out[name] = _shares(scores)
        if k + 1 < len(asker.candidates):
            reading.append([candidates[label] for label in scores.argmax(1).tolist()])
    return out


def at_once(reading: Reading, asker: FreeText) -> FieldScores:
    """Probabilities of each field's labels, from the sentences that state them as the answer's beginning."""
    scores = reading.scores([ids for candidates in asker.candidates.values() for ids in candidates])
    sizes = [len(candidates) for candidates in asker.candidates.values()]
    return {name: _shares(part) for name, part in zip(asker.candidates, torch.split(scores, sizes, dim=1), strict=True)}


def longest(asker: ManyLabels) -> int:
    """Tokens of the longest answer with its end."""
    labels = sum(max(map(len, candidates)) for candidates in asker.candidates.values())
    return labels + len(asker.separator) * (len(asker.candidates) - 1) + 1


def answers_of(asker: Asker, texts: list[str], scores: FieldScores) -> Answers:
    """Texts with the scores of every field's labels."""
    rows = [
        {name: dict(zip(asker.fields[name], map(float, values[row]), strict=True)) for name, values in scores.items()}
        for row in range(len(texts))
    ]
    return Answers(texts, rows)


def _shares(scores: Tensor) -> np.ndarray:
    """(batch, candidate) probabilities of log-likelihoods."""
    return np.asarray(scores.double().softmax(dim=1).cpu().numpy())
