"""The prompt bank: questions in many wordings, and the words that answer them.

Everything is written by us. A question is a stem ("From this scan, say {}.") with the wording of an attribute
("whether the person is female or male"); stems and wordings of the test set are others than those of training,
so that no test prompt was seen in training. Of the paper that asks paraphrased questions (fMRI-LM, section 3.3)
the files are not published.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from ..contracts import TaskInfo
from .bands import Band, band_of, spoken

Split = Literal["train", "test"]
BANDS = "bands"


@dataclass(frozen=True)
class Attribute:
    """What can be asked of a person.

    Attributes
    ----------
    name, title
        As the bank files it, and as printed.
    labels
        Its values, as tasks write them; empty for a number.
    cues
        Words that name the attribute itself, lower case.
    """

    name: str
    title: str
    labels: tuple[str, ...]
    cues: tuple[str, ...]

    def words(self, label: str) -> tuple[str, ...]:
        """The label and its synonyms, the label first."""
        return tuple(dict.fromkeys((label, *self.named(label), *self.bare(label))))

    def named(self, label: str) -> tuple[str, ...]:
        """Words that give the label in any sentence: ``woman``."""
        if self.is_bands:
            return (label, *spoken(label), *_age_words(label))
        own = _texts(self._part("words").get(label))
        return own if label.lower() in self.bare(label) else (label, *own)

    def bare(self, label: str) -> tuple[str, ...]:
        """Words that give it only where the attribute is being spoken of: ``lower``, ``positive``."""
        return _texts(self._part("bare").get(label))

    def weak(self, label: str) -> tuple[str, ...]:
        """Words that hint at it where nothing else does: ``she``."""
        return _texts(self._part("weak").get(label))

    def negations(self, label: str) -> tuple[str, ...]:
        """How it is said that the label does not hold."""
        if self.is_bands:
            return tuple(f"not {words}" for words in spoken(label)[:1])
        return _texts(self._part("negated").get(label)) or (f"not {label}",)

    @property
    def yes(self) -> str | None:
        """The label that a bare "yes" stands for, of an attribute that one has or has not."""
        found = _entry(self.name).get("yes")
        return str(found) if found in self.labels else None

    @property
    def is_bands(self) -> bool:
        """Whether the labels are bands of age."""
        return bool(_entry(self.name)["labels"] == BANDS)

    def questions(self, split: Split) -> tuple[str, ...]:
        """All wordings of the question, short ones first."""
        options, wording, stem = listed(self.labels), _entry(self.name)[split], stems()[split]
        forms = [(form, text) for kind in ("indirect", "noun") for form in stem[kind] for text in wording[kind]]
        made = (form.format(text.format(options)) for form, text in forms)
        return tuple(dict.fromkeys((*self.short_questions(split), *made)))

    def short_questions(self, split: Split) -> tuple[str, ...]:
        """The few direct questions, for where several are asked at once."""
        return tuple(text.format(listed(self.labels)) for text in _entry(self.name)[split]["direct"])

    @property
    def mentions(self) -> tuple[str, ...]:
        """How an open question names the attribute and its labels."""
        wording = _entry(self.name).get("mentions", [f"{self.title} ({{}})"])
        return tuple(text.format(listed(self.labels)) for text in wording)

    @property
    def says(self) -> tuple[str, ...]:
        """Clauses that state a label, with a place for it: ``the sex is {}``."""
        return _texts(_entry(self.name).get("says")) or (f"the {self.title} is {{}}",)

    def _part(self, key: str) -> Mapping[str, Any]:
        entry = _entry(self.name)
        shared: Mapping[str, Any] = _read("shared_words")[entry["words_like"]] if "words_like" in entry else {}
        found: Mapping[str, Any] = entry.get(key, shared.get(key, {}))
        return found


def attributes() -> tuple[str, ...]:
    """Names of all attributes of the bank."""
    return tuple(_read("attributes"))


def attribute_of(info: TaskInfo) -> Attribute | None:
    """The attribute that a classification or regression task asks for, or None where the bank has none."""
    return attribute_for(info.target, info.classes)


@cache
def attribute_for(target: str, labels: tuple[str, ...]) -> Attribute | None:
    """The attribute of a column (or field) with these labels, whatever their order; no label for a number.

    Labels alone tell it where one attribute only has them, as a column may be called otherwise.
    """
    base = target.partition(":")[0].lower()
    fitting = [name for name in attributes() if _fits(name, labels)]
    by_name = [name for name in fitting if base in (name, *_entry(name)["targets"])]
    found = by_name or (fitting if labels and len(fitting) == 1 else [])
    return attribute(found[0], labels) if found else None


def attribute(name: str, labels: tuple[str, ...] = ()) -> Attribute:
    """An attribute by its name in the bank; ``labels`` say which bands of age, or another order of the labels."""
    entry = _entry(name)
    own = () if entry["labels"] == BANDS else tuple(entry["labels"])
    return Attribute(name, entry["title"], labels or own, tuple(entry["cues"]))


def _fits(name: str, labels: tuple[str, ...]) -> bool:
    own = _entry(name)["labels"]
    if own == BANDS:
        return bool(labels) and all(band_of(label) for label in labels)
    return sorted(own) == sorted(labels)


def listed(labels: Sequence[str]) -> str:
    """Such as ``lower, middle or higher``."""
    return " or ".join((", ".join(labels[:-1]), labels[-1])) if len(labels) > 1 else "".join(labels)


def _age_words(label: str) -> tuple[str, ...]:
    """Names of ages that lie wholly in a band: ``child``."""
    band = band_of(label)
    known = _read("shared_words")["ages"].items()
    return tuple(word for word, (low, high) in known if band and band.holds(Band(low, _after(high))))


def _after(last: float) -> float:
    """The first age that is none of a range's any more; a range up to 120 has no end."""
    return last + 1 if last < 120 else float("inf")


def age_words() -> dict[str, Band]:
    """Names of ages, with the years that they stand for."""
    return {word: Band(low, _after(high)) for word, (low, high) in _read("shared_words")["ages"].items()}


def _texts(found: Any) -> tuple[str, ...]:
    return tuple(found or ())


def _entry(name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = _read("attributes")[name]
    return found


def stems() -> Mapping[str, Mapping[str, list[str]]]:
    """Split -> kind of stem -> sentences with a place for what is asked."""
    found: Mapping[str, Mapping[str, list[str]]] = _read("stems")
    return found


@cache
def _read(name: str) -> Any:
    return json.loads((files(__package__) / f"{name}.json").read_text(encoding="utf-8"))
