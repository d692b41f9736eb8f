"""L12: whether the prompts that a method writes name the answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from ..prompts import Attribute, attribute_for, attribute_of
from ..record import Record
from .detector import Case, Detector, Result

PROXIES = ("MMSE", "MoCA", "CDR", "CDR-SB", "ADAS", "ADOS", "ADI-R", "SRS", "FIQ", "diagnosis is", "patient with")
"""Words that stand for a diagnosis in clinical tables and reports."""

PROMPTS = Detector(
    "L12", "label-in-prompts", "the prompts in the method's record", covers=("classification", "questions")
)


def label_in_prompts(case: Case, record: Record) -> Result:
    """Prompts that name one class and not the others, or a proxy of the label."""
    prompts = list(dict.fromkeys(text for part in record.cells for text in texts(part.report.get("prompts"))))
    if not prompts:
        return PROMPTS.not_covered(f"{record.method.name} reports no prompts")
    proxies = sorted({word for prompt in prompts for word in PROXIES if says(prompt, word)})
    asked = [attribute_of(case.task.info), *(attribute_for(*field) for field in case.task.fields.items())]
    groups = [(case.task.classes, asked[0]), *zip(case.task.fields.values(), asked[1:], strict=True)]
    words = [word for labels, _ in groups for word in labels]
    partial = [prompt for prompt in prompts if any(names_some(prompt, *group) for group in groups)]
    if proxies:
        return PROMPTS.leak(f"prompts hold proxies of the label: {', '.join(proxies)}", prompts=len(prompts))
    if partial:
        return PROMPTS.leak(
            f"{len(partial)} of {len(prompts)} prompts name some classes only, such as {shorten(partial[0])!r}",
            prompts=len(prompts),
            naming=len(partial),
        )
    named = "all classes alike" if words and any(says(prompts[0], word) for word in words) else "no class"
    return PROMPTS.ok(f"{len(prompts)} prompts name {named} and no known proxy", prompts=len(prompts))


def names_some(prompt: str, labels: Sequence[str], asked: Attribute | None) -> bool:
    """Whether a prompt names some of the labels and not the others, in any word of the prompt bank."""
    named = [any(says(prompt, word) for word in (asked.words(label) if asked else (label,))) for label in labels]
    return any(named) and not all(named)


def texts(value: Any) -> Iterable[str]:
    """The texts in what a method reports as its prompts: one, a list, or a mapping."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [text for part in value for text in texts(part)] if isinstance(value, (list, tuple)) else []


def says(text: str, word: str) -> bool:
    """Whether a text holds a word, in any case, not as a part of another."""
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) is not None


def shorten(text: str, length: int = 60) -> str:
    """The beginning of a text in one line."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 3] + "..."
