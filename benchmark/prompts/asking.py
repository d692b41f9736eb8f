"""From a task to its prompts: one question, several at once, or an open one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from ..contracts import TaskInfo
from .bank import Split, attribute_for, attribute_of, listed, stems

SEPARATOR = "|"
"""Between the answers to several questions."""


def question(info: TaskInfo, split: Split, number: int = 0) -> str:
    """The question of a task in one of its wordings; ``number`` picks it and may be any integer.

    A task with fields is asked for all of them: in one line of questions where its paradigm is "multi", else
    in one open sentence.
    """
    if not info.fields:
        return _pick(questions(info, split), number)
    rng = np.random.default_rng(abs(number))
    ask = multi_question if info.paradigm == "multi" else open_question
    return ask(info, split, rng)


def questions(info: TaskInfo, split: Split) -> tuple[str, ...]:
    """All wordings for a classification or regression task; plain ones where the bank lacks the attribute."""
    found = attribute_of(info)
    return found.questions(split) if found else _plain(info.target, info.classes, split)


def short_questions(field: str, labels: tuple[str, ...], split: Split) -> tuple[str, ...]:
    """Direct questions for one field."""
    found = attribute_for(field, labels)
    return found.short_questions(split) if found else _plain(field, labels, split)


def multi_question(info: TaskInfo, split: Split, rng: np.random.Generator) -> str:
    """Numbered questions, one a field in the order of ``info.fields``, under a sentence that asks for "|"."""
    asked = [_draw(short_questions(name, labels, split), rng) for name, labels in info.fields.items()]
    numbered = " ".join(f"{k}. {text}" for k, text in enumerate(asked, 1))
    return _draw(stems()[split]["multi"], rng).format(numbered)


def open_question(info: TaskInfo, split: Split, rng: np.random.Generator) -> str:
    """One sentence that names every field with its labels."""
    asked = [_draw(_mentions(name, labels), rng) for name, labels in info.fields.items()]
    told = " and ".join(filter(None, (", ".join(asked[:-1]), asked[-1])))
    return _draw(stems()[split]["open"], rng).format(told)


def answer_words(info: TaskInfo) -> list[str]:
    """One candidate answer a class, in class order: the class names, as the truth is written."""
    return list(info.classes)


def full_answer(info: TaskInfo, values: dict[str, str], variety: int = 0) -> str:
    """The answer to a task with fields, in its own form: a field that ``values`` lacks is said to be unknown.

    ``variety`` picks among wordings of an open answer; 0 is a fixed one.
    """
    if info.paradigm == "multi":
        return f" {SEPARATOR} ".join(values.get(name, "unknown") for name in info.fields)
    rng = np.random.default_rng(variety) if variety else None
    told = [_statement(name, labels, values[name], rng) for name, labels in info.fields.items() if name in values]
    if rng is not None:
        told = [told[k] for k in rng.permutation(len(told))]
    text = "; ".join(told) or "nothing can be said"
    return f"{text[0].upper()}{text[1:]}."


def _statement(name: str, labels: tuple[str, ...], value: str, rng: np.random.Generator | None) -> str:
    """Such as ``the sex is female``; the first wording where nothing is drawn."""
    found = attribute_for(name, labels)
    says = found.says if found else (f"the {name.replace('_', ' ')} is {{}}",)
    return (_draw(says, rng) if rng is not None else says[0]).format(value)


def _mentions(name: str, labels: tuple[str, ...]) -> tuple[str, ...]:
    found = attribute_for(name, labels)
    return found.mentions if found else (f"{name.replace('_', ' ')} ({listed(labels)})",)


@cache
def _plain(target: str, classes: tuple[str, ...], split: Split) -> tuple[str, ...]:
    """Questions about an attribute that the bank lacks."""
    words, forms = target.partition(":")[0].replace("_", " "), stems()[split]["noun"]
    told = f"the {words} of the person" if split == "train" else f"the subject's {words}"
    first = f"Which fits this scan {'best' if split == 'train' else 'most closely'}: {listed(classes)}?"
    made = (form.format(f"{told} ({listed(classes)})" if classes else told) for form in forms)
    return (*((first,) if classes else ()), *made)


def _pick(texts: Sequence[str], number: int) -> str:
    return texts[number % len(texts)]


def _draw(texts: Sequence[str], rng: np.random.Generator) -> str:
    return texts[int(rng.integers(len(texts)))]
