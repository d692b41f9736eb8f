"""Whose labels a model learns: its own task's and those of source tasks, as lessons over prepared scans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...benchmark.contracts import TaskInfo, Train
from ...benchmark.errors import BadData, Skipped
from .answering import Units, asker_of
from .corpus import Prepared
from .options import Options
from .prompts import Speech
from .reader import wants
from .state import State
from .tuning import Lesson

SHOWN_PROMPTS = 3
"""Prompts that a report shows, so that a reader (and the audit) sees what the model was told."""


@dataclass(frozen=True)
class Party:
    """Labelled scans of one task: its own (named ""), or those of a source."""

    name: str
    info: TaskInfo
    train: Train

    def __len__(self) -> int:
        return len(self.train.inputs)


def lessons_of(
    options: Options, state: State, prepared: Prepared, parties: Sequence[Party], lenders: Sequence[Party] = ()
) -> list[Lesson]:
    """What is learned from each party; ``lenders`` may tell in which unit a number is answered."""
    speech, start, lessons = speech_of(options, state), 0, []
    for party in parties:
        rows = np.arange(start, start + len(party))
        start += len(party)
        asker = asker_of(party.info, speech, units_of(party, (*parties, *lenders)))
        texts = [prepared.texts[row] for row in rows] if options.description else []
        lessons.append(Lesson(asker, rows, party.train.targets, texts, getattr(party.train.inputs, "prompts", ())))
    return lessons


def shown(lessons: Sequence[Lesson]) -> list[str]:
    """Some prompts of training, for the report."""
    texts = [lesson.text(k, k) for k in range(SHOWN_PROMPTS) for lesson in lessons if k < len(lesson)]
    return list(dict.fromkeys(texts))[:SHOWN_PROMPTS]


def units_of(party: Party, parties: Sequence[Party] = ()) -> Units:
    """Unit of a party's number: of its own labels, or those of a source with the same target."""
    if party.info.kind != "regression":
        return Units()
    same = [party] + [other for other in parties if other.info.target == party.info.target]
    values = next((other.train.targets for other in same if len(other) > 1), ())
    if not len(values):
        raise Skipped(
            f"{party.info.name}: no labelled scan tells in which unit to answer",
            f"name a source of {party.info.target}",
        )
    return Units.of(np.asarray(values, dtype=float))


def remembered(own: Party, sources: Sequence[Party]) -> dict[str, Any]:
    """What a fitted model must know of its task, as plain JSON values."""
    info, units = own.info, units_of(own, sources)
    return {
        "kind": info.kind,
        "target": info.target,
        "classes": list(info.classes),
        "fields": {name: list(labels) for name, labels in info.fields.items()},
        "units": [units.mean, units.sd],
    }


def refuse_other_atlases(own: Party, sources: Sequence[Party]) -> None:
    """Raise `BadData` where a source's scans have other regions than the task's."""
    atlas = own.train.inputs.atlas
    for party in sources:
        theirs = party.train.inputs.atlas
        if theirs.labels != atlas.labels:
            raise BadData(
                f"the source {party.name} has another atlas ({theirs.name}, {len(theirs.labels)} ROIs) than "
                f"{own.info.name} ({atlas.name}, {len(atlas.labels)} ROIs)",
                "name sources of the same atlas",
            )


def speech_of(options: Options, state: State) -> Speech:
    """How the model of a state is spoken to."""
    language = state.ready.language
    return Speech(language.tokenizer, wants(options.chat, language))
