"""From an answer's text to tokens: which words name a label, an attribute, a negation or a doubt.

The words of labels are those of the prompt bank; the small words of the language are here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from ..prompts import Attribute, Band, age_words, attribute_for
from ..prompts.bands import band_of
from .ages import AGE, age_range

Schema = tuple[tuple[str, tuple[str, ...]], ...]
"""(field, labels) in the order in which a task asks."""

NAMED, BARE, WEAK = "named", "bare", "weak"

NEGATORS = (
    "not", "no", "never", "neither", "nor", "without", "non", "lacks", "lacking", "lack of", "free of", "free from",
    "absence of", "rules out", "rule out", "ruling out", "excludes", "rather than", "instead of", "as opposed to",
    "anything but", "other than", "far from", "does not meet", "nothing", "hardly", "not yet",
)  # fmt: skip
AFTER = (
    "absent", "unlikely", "ruled out", "excluded", "not present", "not found", "not detected", "not indicated",
    "not evident", "not likely", "not seen", "not supported", "not suggested", "not apparent", "not the case",
    "improbable", "implausible",
)  # fmt: skip
"""Negations that may follow what they negate: ``autism is unlikely``."""

FORWARD = ("unlikely", "not likely", "improbable", "implausible")
"""Those of `AFTER` that may also stand before it: ``unlikely to be autistic``."""

COMPARES = (
    "than", "versus", "vs", "compared with", "compared to", "relative to", "unlike", "in contrast to", "against",
    "risk of", "risk for", "at risk", "history of", "screened for", "different from",
    "differs from", "between", "distinguish", "distinguishes", "similar in",
)  # fmt: skip
"""What follows them is not said of the person."""

DOUBTS = (
    "whether", "if", "unclear", "unknown", "uncertain", "undetermined", "indeterminate", "inconclusive", "not clear",
    "not certain", "not known", "not sure", "unsure", "can not", "could not", "hard to", "difficult to", "impossible",
    "not possible", "unable", "do not know", "no way to", "not determine", "not determined", "insufficient",
    "ambiguous", "equally likely", "not allow", "not enough", "no information", "no statement",
)  # fmt: skip
BOUNDARIES = (
    "but", "however", "yet", "though", "although", "whereas", "while", "except", "and", "so", "therefore", "thus",
    "hence", "because", "&",
)  # fmt: skip
IDLE = (
    "no doubt", "without doubt", "without a doubt", "not only", "no question", "not just", "not surprisingly",
    "no less", "ad hoc", "control network", "control networks", "control region", "control regions",
    "frontoparietal control", "executive control", "cognitive control", "motor control", "impulse control",
    "attentional control", "control for", "control system", "control systems", "resting state", "at rest",
    "typical of", "typical for", "normal for",
)  # fmt: skip
"""Phrases whose words mean something else."""

ELSEWHERE = (
    "connectivity", "connection", "connections", "connected", "coupling", "network", "networks", "motion", "movement",
    "signal", "signals", "activity", "activation", "correlation", "correlations", "correlated", "gradient",
    "gradients", "modularity", "efficiency", "strength", "variance", "variability", "amplitude", "synchrony", "power",
    "entropy", "noise", "quality", "education", "confidence", "probability", "certainty", "likelihood", "clustering",
    "integration", "segregation", "z",
)  # fmt: skip
"""What a bare word such as "high" may be said of, and no field of a person."""

SMALL = frozenset((
    "a", "an", "the", "this", "that", "these", "any", "of", "to", "in", "is", "was", "be", "are", "been", "has", "have",
    "had", "it", "as",
))  # fmt: skip
"""Words that are not counted between a negation and what it negates."""
DEFINITE = frozenset(("this", "the", "that", "our"))
"""A negation before "this woman" is not one of woman."""

WORD = r"\w+(?:'\w+)?"
PUNCTUATION = r"[,():]"


@dataclass(frozen=True)
class Token:
    """A word or phrase and what it may mean.

    Attributes
    ----------
    text
        As normalised.
    role
        "negator", "after", "compare", "doubt", "boundary" or "".
    labels
        (field, label, strength) that it may name.
    cues
        Fields that it names; "" for something that is no field.
    ages
        The ages that it states, if any, and whether that is certain without another word for age.
    """

    text: str
    role: str = ""
    labels: tuple[tuple[str, str, str], ...] = ()
    cues: tuple[str, ...] = ()
    ages: Band | None = None
    surely: bool = False


def normalise(text: str) -> str:
    """Lower case, plain quotes and dashes, no mark-up, contractions written out."""
    text = unicodedata.normalize("NFKC", text).lower()
    text = text.translate(PLAIN)
    text = re.sub(r"\s*—\s*", ", ", text).replace("≥", ">=").replace("≤", "<=")
    text = re.sub(r'["*`{}\[\]#]', " ", text)
    text = re.sub(r"n't\b", " not", text).replace("cannot", "can not")
    text = re.sub(r"\bca not\b", "can not", re.sub(r"\bwo not\b", "will not", text))
    text = re.sub(r"(\d)(yo|y/o|yrs?|years?)\b", r"\1 \2", text)
    return re.sub(ASIDE, " ", text)


PLAIN = str.maketrans("’‘“”–‑_", "''  -- ")
ASIDE = (
    r", (?:in my (?:view|opinion|judge?ment)|i think|i believe|i would say|of course|to my mind|it seems|apparently|"
    r"clearly|probably|most likely|it appears|at least),"
)


class Lexicon:
    """All phrases that matter for a schema, as one regular expression.

    Attributes
    ----------
    fields
        Field -> its attribute in the bank, or None.
    """

    def __init__(self, schema: Schema) -> None:
        self.fields: dict[str, Attribute | None] = {name: attribute_for(name, labels) for name, labels in schema}
        self.bands = {
            name: {label: band for label in labels if (band := band_of(label))}
            for name, labels in schema
            if (found := self.fields[name]) and found.is_bands
        }
        self._labels: dict[str, list[tuple[str, str, str]]] = {}
        self._cues: dict[str, list[str]] = {}
        for name, labels in schema:
            self._learn(name, labels)
        self._share()
        phrases = {*self._labels, *self._cues, *map(key, (*ROLES, *IDLE, *ELSEWHERE, *age_words()))}
        ordered = sorted(phrases, key=len, reverse=True)
        known = "|".join(rf"(?<!\w){_pattern(phrase)}(?!\w){self._end(phrase)}" for phrase in ordered)
        ages = f"(?P<age>{AGE})|" if self.bands else ""
        self._regex = re.compile(f"{ages}(?P<known>{known})|(?P<word>{WORD})|(?P<mark>{PUNCTUATION})")

    def _end(self, phrase: str) -> str:
        """What must not follow: "no diagnosis" says nothing where "of autism" does."""
        return r"(?!\s+(?:of|for)\b)" if phrase in self._labels and phrase.split()[0] in NEGATORS else ""

    def tokens(self, text: str) -> Iterator[Token]:
        """The tokens of a normalised text."""
        for hit in self._regex.finditer(text):
            if hit.lastgroup == "mark":
                yield Token(hit[0], "boundary")
            elif hit.lastgroup == "word":
                yield Token(hit[0])
            elif hit.lastgroup == "known":
                yield self._token(key(hit[0]))
            else:
                found, surely = age_range(hit[0])
                yield Token(hit[0], ages=found, surely=surely, cues=self._age_cues(hit[0]))

    def _age_cues(self, text: str) -> tuple[str, ...]:
        return tuple(self.bands) if text.startswith("age") else ()

    def field_of(self, head: str) -> str | None:
        """The field that a few words before a colon name: ``the person's age group``."""
        found = {name for token in self.tokens(head) for name in token.cues if name}
        longest = [token for token in self.tokens(head) if token.cues and token.cues != ("",)]
        if len(found) > 1 and longest:
            best = max(longest, key=lambda token: len(token.text))
            found = set(best.cues)
        return found.pop() if len(found) == 1 and len(head.split()) <= HEAD_WORDS else None

    def _token(self, phrase: str) -> Token:
        cues = (*self._cues.get(phrase, ()), *(("",) if phrase in ELSEWHERE else ()))
        return Token(phrase, ROLES.get(phrase, ""), tuple(self._labels.get(phrase, ())), cues)

    def _learn(self, name: str, labels: tuple[str, ...]) -> None:
        """Add the words of a field."""
        found = self.fields[name]
        cues = {name.replace("_", " "), *(found.cues if found else ())}
        for cue in cues:
            self._cues.setdefault(key(cue), []).append(name)
        for label in labels:
            named = found.named(label) if found else (label.replace("_", " "),)
            for strength, words in ((NAMED, named), *(_hints(found, label))):
                for word in words:
                    if not (found and found.is_bands and any(letter.isdigit() for letter in word)):
                        self._labels.setdefault(key(word), []).append((name, label, strength))

    def _share(self) -> None:
        """A word that names labels of several fields says of itself which it means in none."""
        for phrase, entries in self._labels.items():
            if len({name for name, _, _ in entries}) > 1:
                self._labels[phrase] = [(n, label, WEAK if s == WEAK else BARE) for n, label, s in entries]


HEAD_WORDS = 6


def _hints(found: Attribute | None, label: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return ((BARE, found.bare(label)), (WEAK, found.weak(label))) if found else ()


def key(phrase: str) -> str:
    """A phrase with one space where it has spaces, hyphens or strokes."""
    return re.sub(r"[\s\-/]+", " ", phrase.lower()).strip()


def _pattern(phrase: str) -> str:
    return r"[\s\-/]+".join(re.escape(word) for word in phrase.split(" "))


ROLES: dict[str, str] = {
    **dict.fromkeys(NEGATORS, "negator"),
    **dict.fromkeys(AFTER, "after"),
    **dict.fromkeys(COMPARES, "compare"),
    **dict.fromkeys(DOUBTS, "doubt"),
    **dict.fromkeys(BOUNDARIES, "boundary"),
}
"""Small word -> its role."""


@cache
def lexicon(schema: Schema) -> Lexicon:
    """The lexicon of a schema, made once."""
    return Lexicon(schema)
