"""What is known of scans: the attributes of a task, and the task's own prompts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...benchmark.contracts import TaskInfo, Train
from ...benchmark.errors import BadOption
from ...benchmark.kinds.scans import Scans
from ...benchmark.prompts import SEPARATOR, answer_words, attribute_of, full_answer


@dataclass(frozen=True)
class Attribute:
    """Something that is known of each scan.

    Attributes
    ----------
    info
        Its classes, or none for a number; says how it is asked for.
    values
        (n,) class indices or numbers; NaN where unknown.
    """

    info: TaskInfo
    values: np.ndarray

    @property
    def numeric(self) -> bool:
        """Whether it is a number."""
        return not self.info.classes

    @property
    def title(self) -> str:
        """Its name in words."""
        found = attribute_of(self.info)
        return found.title if found else self.info.target.replace("_", " ")

    def words(self) -> list[str]:
        """The candidate answers, one a class."""
        return answer_words(self.info)

    def text(self, value: float) -> str:
        """A value as an answer."""
        return number_text(value, self.values) if self.numeric else self.words()[int(value)]


@dataclass(frozen=True)
class Prompted:
    """A task's own prompt for a scan, up to one of its answers.

    Attributes
    ----------
    prompt
        In words.
    said
        Answers before this one, of several.
    answers, right
        Candidates, and the index of the right one; a single answer has no alternatives.
    """

    prompt: str
    said: tuple[str, ...]
    answers: tuple[str, ...]
    right: int


@dataclass(frozen=True)
class Part:
    """Scans of one cohort, and what is known of them.

    Attributes
    ----------
    scans, attributes
        The scans and their attributes.
    groups
        (n,) numbers that scans of one subject or family share.
    sites
        Site of each scan, "" where the task shows none.
    prompted
        Prompts of each scan, of question tasks; else empty.
    """

    scans: Scans
    attributes: tuple[Attribute, ...]
    groups: np.ndarray
    sites: tuple[str, ...]
    prompted: tuple[tuple[Prompted, ...], ...] = ()


def key_of(info: TaskInfo) -> str:
    """One name for an attribute with its classes, the same in every cohort."""
    return "|".join(info.classes) or info.target


def number_text(value: float, values: np.ndarray) -> str:
    """A number with as many decimals as the spread of the training ``values`` calls for."""
    spread = float(np.nanstd(values)) if len(values) else 1.0
    decimals = max(0, -math.floor(math.log10(spread))) if spread > 0 else 0
    return f"{value:.{min(decimals, 6)}f}"


def part_of(info: TaskInfo, train: Train) -> Part:
    """Scans of a task with the attributes that it asks for."""
    scans: Scans = train.inputs
    groups, sites = np.asarray(train.groups), tuple(scans.sites)
    if info.kind != "questions":
        return Part(scans, (Attribute(info, np.asarray(train.targets, np.float64)),), groups, sites)
    attributes = tuple(_field(name, labels, train.targets) for name, labels in info.fields.items())
    prompted = tuple(
        prompts(info, prompt, values) for prompt, values in zip(train.inputs.prompts, train.targets, strict=True)
    )
    return Part(scans, attributes, groups, sites, prompted)


def _field(name: str, labels: tuple[str, ...], targets: Sequence[dict[str, str]]) -> Attribute:
    """One field of a question task as an attribute."""
    codes = {label: float(code) for code, label in enumerate(labels)}
    values = np.array([codes.get(str(fields.get(name)), np.nan) for fields in targets])
    return Attribute(TaskInfo(name, "classification", name, labels), values)


def prompts(info: TaskInfo, prompt: str, values: dict[str, str]) -> tuple[Prompted, ...]:
    """A question task's prompt with its answers: field by field of several, or one text of an open one."""
    if info.paradigm != "multi":
        answer = full_answer(info, values) if info.fields else ", ".join(map(str, values.values()))
        return (Prompted(prompt, (), (answer,), 0),)
    found = []
    said: tuple[str, ...] = ()
    for number, (name, labels) in enumerate(info.fields.items()):
        if name in values:
            found.append(Prompted(prompt, said, spelled(number, labels), labels.index(values[name])))
        said = (*said, *spelled(number, (values.get(name, "unknown"),)))
    return tuple(found)


def spelled(number: int, labels: Sequence[str]) -> tuple[str, ...]:
    """Labels of the field at a place, with the separator that sets it off from the field before."""
    return tuple(f" {SEPARATOR} {label}" if number else label for label in labels)


def means_of(parts: Sequence[Part]) -> dict[str, float]:
    """Mean training value of each attribute that is a number."""
    return {
        key_of(attribute.info): float(np.nanmean(attribute.values))
        for part in parts
        for attribute in part.attributes
        if attribute.numeric and len(attribute.values)
    }


def refuse_unlike(parts: Sequence[Part]) -> None:
    """Raise `BadOption` where parts do not share their regions."""
    for part in parts[1:]:
        if part.scans.atlas.labels != parts[0].scans.atlas.labels:
            raise BadOption("source tasks have other ROIs than the task", "name sources of one atlas")
