"""Answers about a scan: truth `Fields`, prediction `Answers`.

What a text says is found by `matching.match`. A field that is not known of a person is not scored. Where a
task declares no fields, only answers of the form ``field: value; field: value`` are understood.
"""

from __future__ import annotations

import numpy as np

from ..contracts import Metric
from ..kinds.questions import Answers, Fields
from .classification import binary_auc
from .counts import ItemMetric, ratio, sums
from .matching import match


def parse(text: str) -> dict[str, str]:
    """Fields of a ``field: value; field: value`` text, in lower case; the first of a name counts."""
    fields: dict[str, str] = {}
    for part in text.lower().split(";"):
        name, colon, value = part.partition(":")
        if colon:
            fields.setdefault(name.strip(), value.strip())
    return fields


def given(truth: Fields, prediction: Answers) -> dict[str, np.ndarray]:
    """Field -> (n,) index of the label that the text gives, -1 where it gives none."""
    found = [match(text, truth.schema, truth.paradigm) for text in prediction.texts]
    return {
        name: np.array([labels.index(row[name]) if row[name] in labels else -1 for row in found], dtype=int)
        for name, labels in truth.schema.items()
    }


def right(truth: Fields, prediction: Answers) -> np.ndarray:
    """(n, fields) 1 where an item's field is answered rightly, 0 where not, NaN where the truth is not known."""
    if not truth.schema:
        return _right_as_written(truth, prediction)
    said = given(truth, prediction)
    columns = []
    for name in truth.schema:
        codes = truth.codes(name)
        columns.append(np.where(codes < 0, np.nan, codes == said[name]))
    return np.stack(columns, axis=1)


def _right_as_written(truth: Fields, prediction: Answers) -> np.ndarray:
    """The same for a task without declared fields: the value as it is written, whatever the case."""
    names = sorted({name for row in truth for name in row})
    out = np.full((len(truth), max(len(names), 1)), np.nan)
    for k, (row, text) in enumerate(zip(truth, prediction.texts, strict=True)):
        told = parse(text)
        for name, value in row.items():
            out[k, names.index(name)] = told.get(name.strip().lower()) == str(value).strip().lower()
    return out


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over columns (n,) of what is known; NaN in a row without any."""
    known = ~np.isnan(values)
    return ratio(np.where(known, values, 0).sum(axis=1), known.sum(axis=1))


class FieldAccuracy(ItemMetric):
    """Share of an item's known fields that the answer gives rightly, averaged over items."""

    name = "field-accuracy"
    title = "Field accuracy"

    def items(self, truth: Fields, prediction: Answers) -> np.ndarray:
        """Share of right fields of each item."""
        return _mean(right(truth, prediction))


class AllFieldsAccuracy(ItemMetric):
    """Share of items all of whose known fields are right: what fMRI-LM calls overall accuracy."""

    name = "all-fields-accuracy"
    title = "All fields right"

    def items(self, truth: Fields, prediction: Answers) -> np.ndarray:
        """1 where every known field is right."""
        values = right(truth, prediction)
        return np.where(np.isnan(values).all(axis=1), np.nan, (np.nan_to_num(values, nan=1.0) == 1).all(axis=1))


class AnsweredRate(ItemMetric):
    """Share of an item's known fields that the answer gives at all, rightly or wrongly."""

    name = "answered-rate"
    title = "Answered"

    def items(self, truth: Fields, prediction: Answers) -> np.ndarray:
        """Share of answered fields of each item."""
        if not truth.schema:
            told = [parse(text) for text in prediction.texts]
            shares = [[name.lower() in said for name in row] for row, said in zip(truth, told, strict=True)]
            return np.array([float(np.mean(share)) if share else np.nan for share in shares])
        said = given(truth, prediction)
        columns = [np.where(truth.codes(name) < 0, np.nan, said[name] >= 0) for name in truth.schema]
        return _mean(np.stack(columns, axis=1))


def recalls(truth: Fields, said: np.ndarray, name: str, counts: np.ndarray) -> np.ndarray:
    """Balanced accuracy (B,) of a field: mean recall of its true labels; NaN where the truth holds one only."""
    codes, labels = truth.codes(name), len(truth.schema[name])
    cells = np.zeros((len(codes), 2 * labels))
    known = np.flatnonzero(codes >= 0)
    cells[known, codes[known]] = 1
    cells[known, labels + codes[known]] = codes[known] == said[known]
    total = sums(counts, cells)
    present = (total[:, :labels] > 0).sum(axis=1)
    recall = ratio(total[:, labels:], total[:, :labels], 0).sum(axis=1)
    return np.where(present >= 2, ratio(recall, present), np.nan)


def mean_over_fields(values: list[np.ndarray], size: int) -> np.ndarray:
    """Mean (B,) over the fields of what is defined; NaN where nothing is."""
    if not values:
        return np.full(size, np.nan)
    table = np.stack(values, axis=1)
    return _mean(table)


class BalancedFieldAccuracy(Metric):
    """Balanced accuracy of each field, averaged over fields, or of one; a field that is not answered is wrong.

    The most common label of every field gets 1 / labels, averaged over fields: that is its chance level.

    Parameters
    ----------
    field
        The one field, as in ``balanced-field-accuracy:sex``; "" for all that are asked.
    """

    name = "balanced-field-accuracy"
    title = "Balanced field accuracy"

    def __init__(self, field: str = "") -> None:
        self.field = field
        self.name = f"{type(self).name}:{field}" if field else type(self).name

    def variant(self, part: str) -> BalancedFieldAccuracy:
        """The accuracy of one field."""
        return BalancedFieldAccuracy(part)

    def resample(self, truth: Fields, prediction: Answers, counts: np.ndarray) -> np.ndarray:
        """Balanced field accuracy (B,)."""
        asked = [name for name in truth.schema if self.field in ("", name)]
        said = given(truth, prediction) if asked else {}
        return mean_over_fields([recalls(truth, said[name], name, counts) for name in asked], len(counts))


class FieldsAUC(Metric):
    """AUC of each field from its label scores, averaged over fields; see `field_auc`.

    Not defined for a method without scores. A field without scores counts as all labels alike.
    """

    name = "fields-auc"
    title = "Fields AUC"
    chance = 0.5

    def resample(self, truth: Fields, prediction: Answers, counts: np.ndarray) -> np.ndarray:
        """Fields AUC (B,)."""
        if prediction.scores is None:
            return np.full(len(counts), np.nan)
        return mean_over_fields([field_auc(truth, prediction, name, counts) for name in truth.schema], len(counts))


def field_auc(truth: Fields, prediction: Answers, name: str, counts: np.ndarray) -> np.ndarray:
    """AUC (B,) of a field's scores.

    Two labels: of the difference of their scores. More: the mean over labels of one against the rest.
    """
    labels = truth.schema[name]
    codes = truth.codes(name)
    known = np.flatnonzero(codes >= 0)
    scores = np.zeros((len(known), len(labels)))
    for k, row in enumerate(known):
        told = (prediction.scores or [{}] * len(truth))[row].get(name)
        scores[k] = [told[label] for label in labels] if told else 1 / len(labels)
    if len(labels) == 2:
        return binary_auc(codes[known] == 1, scores[:, 1] - scores[:, 0], counts[:, known])
    each = [binary_auc(codes[known] == k, scores[:, k], counts[:, known]) for k in range(len(labels))]
    return mean_over_fields(each, len(counts))
