"""From what a method said to the labels it gave: a deterministic matcher.

Rules, in short. A label is given by its own words, or by a bare word ("lower") next to the name of its field.
A negation shortly before a label takes it away; of the labels that are left, a single one is the answer.
What is asked, doubted or compared with is not said. Two labels of one field are no answer. Answers to several
questions are cut at "|" and matched part by part; with another number of parts the text is read as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from ..prompts import SEPARATOR
from .ages import only
from .lexicon import BARE, DEFINITE, FORWARD, NAMED, SMALL, WEAK, Lexicon, Schema, Token, lexicon, normalise

REACH = 4
"""Words between a negation and what it negates, without small ones."""
SHORT = 5
"""Words of an answer to one question that may be a number alone: ``about 34``."""
LONGEST = 4_000
"""Characters of an answer that are read, eight times as many as an open answer has; what follows is not."""
LONGEST_SENTENCE = 500
"""Characters of a sentence that are read together; a longer one is read part by part."""

SPACES = re.compile(r"\s{2,}")
NUMBERED = re.compile(r"^\s*\d+[.)]\s+")
SENTENCE = re.compile(r"(?<=[.!?])\s+|[\n;|]+")
PAIRS = re.compile(r",\s*(?=[a-z][\w '\-]{0,40}\s*[:=](?!\s*$))")
PAIR = re.compile(r"\s*(?:[-•]|\d+[.)])?\s*(?P<head>[a-z][\w '\-]{0,50}?)\s*[:=]\s*(?P<value>.+)$")
REPLY = re.compile(r"\s*(yes|no|true|false|y|n)\s*(?:[,.!:]|$)")
YES = ("yes", "true", "y")


def match(text: str, schema: Mapping[str, Sequence[str]], paradigm: str = "open") -> dict[str, str | None]:
    """Field -> the label that a text gives, or None where it gives none, or two.

    Parameters
    ----------
    text
        An answer.
    schema
        Field -> labels, in the order in which they are asked.
    paradigm
        "multi": the answers stand in that order with "|" between them. Else a text in free form.

    Of hostile texts no more than `LONGEST` characters are read, and sentences in parts, so that each takes seconds.
    """
    return dict(
        _match(
            SPACES.sub(_space, text[:LONGEST]),
            tuple((name, tuple(labels)) for name, labels in schema.items()),
            paradigm,
        )
    )


@lru_cache(maxsize=200_000)
def _match(text: str, schema: Schema, paradigm: str) -> tuple[tuple[str, str | None], ...]:
    parts = split_parts(text) if paradigm == "multi" else []
    if len(parts) == len(schema):
        pairs = zip(schema, map(normalise, parts), strict=True)
        return tuple((name, read(part, schema, name)[name]) for (name, _), part in pairs)
    alone = schema[0][0] if len(schema) == 1 else None
    return tuple(read(normalise(text), schema, alone).items())


def _space(hit: re.Match[str]) -> str:
    return "\n" if "\n" in hit[0] else " "


def split_parts(text: str) -> list[str]:
    """The answers of the first line that holds a "|"; a line may end with one."""
    line = next((line for line in text.splitlines() if SEPARATOR in line), text).strip()
    return [NUMBERED.sub("", part).strip() for part in line.removesuffix(SEPARATOR).split(SEPARATOR)]


@dataclass
class Said:
    """What a text says of one field: labels asserted, denied and hinted at."""

    asserted: set[str] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)
    hinted: set[str] = field(default_factory=set)

    def answer(self, labels: Sequence[str]) -> str | None:
        """The one label that is said and not denied, or that is left when the others are denied."""
        if self.asserted & self.denied or len(self.asserted) > 1:
            return None
        if self.asserted:
            return next(iter(self.asserted))
        left = [label for label in labels if label not in self.denied]
        if self.denied:
            return left[0] if len(left) == 1 else None
        return next(iter(self.hinted)) if len(self.hinted) == 1 else None


def read(text: str, schema: Schema, alone: str | None) -> dict[str, str | None]:
    """What a normalised text says of every field; ``alone`` is the field that it answers, where it answers one."""
    words = lexicon(schema)
    reader = Reader(words, {name: Said() for name, _ in schema})
    for sentence in filter(str.strip, parts_of(SENTENCE.split(text))):
        for piece in PAIRS.split(sentence):
            pair = PAIR.match(piece)
            head = words.field_of(pair["head"]) if pair else None
            if pair and head:
                reader.sentence(pair["value"], head)
            else:
                reader.sentence(piece, alone)
    return {name: reader.said[name].answer(labels) for name, labels in schema}


def parts_of(sentences: Sequence[str]) -> Iterator[str]:
    """Sentences, long ones cut behind a word, or within one that does not end."""
    for sentence in sentences:
        while len(sentence) > LONGEST_SENTENCE:
            cut = sentence.rfind(" ", LONGEST_SENTENCE // 2, LONGEST_SENTENCE) + 1 or LONGEST_SENTENCE
            yield sentence[:cut]
            sentence = sentence[cut:]
        yield sentence


@dataclass
class Reader:
    """Goes through a text sentence by sentence.

    Attributes
    ----------
    words, said
        The lexicon, and what was found.
    topic
        Field that was named last; a question names one for the reply to it.
    """

    words: Lexicon
    said: dict[str, Said]
    topic: str | None = None

    def sentence(self, text: str, alone: str | None) -> None:
        """Read a sentence; ``alone`` is the field that all of it is about."""
        reply = REPLY.match(text)
        asked = text.rstrip().endswith("?")
        if reply and not asked:
            self.reply(reply[1] in YES, alone or self.topic)
            text = text[reply.end() :]
        if not asked:
            self.topic = alone
        for clause in clauses(list(self.words.tokens(text))):
            if not asked:
                self.clause(clause, alone)
            self.topic = next((name for token in reversed(clause) for name in topics(token, asked)), self.topic)

    def reply(self, yes: bool, name: str | None) -> None:
        """A "yes" or "no" about an attribute that one has or has not."""
        found = self.words.fields.get(name or "")
        if name and found and found.yes:
            (self.said[name].asserted if yes else self.said[name].denied).add(found.yes)

    def clause(self, tokens: Sequence[Token], alone: str | None) -> None:
        """Find labels, and take away those that are negated."""
        if any(token.role == "doubt" and not unknown_field(tokens, k) for k, token in enumerate(tokens)):
            return
        end = next((k for k, token in enumerate(tokens) if token.role == "compare"), len(tokens))
        given: list[tuple[int, str, str, bool]] = []
        used: set[int] = set()
        for k in range(len(tokens)):
            for name, label, strength in self.labels(tokens, k, alone):
                if strength == WEAK:
                    self.said[name].hinted.add(label)
                if strength == WEAK or k >= end:
                    continue
                negators = negations(tokens, k, name)
                used |= set(negators)
                given.append((k, name, label, len(negators) % 2 == 1))
        for k, token in enumerate(tokens):
            if token.role == "after" and k not in used and not any(k == place for place, *_ in given):
                before = [place for place, *_ in given if place < k]
                given = [(p, n, label, no ^ (bool(before) and p == before[-1])) for p, n, label, no in given]
        for _, name, label, negated in given:
            (self.said[name].denied if negated else self.said[name].asserted).add(label)

    def labels(self, tokens: Sequence[Token], k: int, alone: str | None) -> list[tuple[str, str, str]]:
        """The labels that a token gives where it stands, with their strength."""
        token = tokens[k]
        if token.ages:
            return self.ages(tokens, token, alone)
        found = []
        for name, label, strength in token.labels:
            if strength == WEAK and alone is None:
                found.append((name, label, strength))
            elif strength == BARE and not self.spoken_of(tokens, k, name, alone):
                continue
            elif strength != WEAK and (alone in (None, name) or strength != BARE):
                found.append((name, label, strength))
        return found

    def ages(self, tokens: Sequence[Token], token: Token, alone: str | None) -> list[tuple[str, str, str]]:
        """The bands that ages fall in, where the number is surely an age."""
        assert token.ages is not None
        found = []
        for name, bands in self.words.bands.items():
            label = only(token.ages, bands)
            exact = token.ages in bands.values()
            told = any(name in other.cues for other in tokens) or (alone == name and len(tokens) <= SHORT)
            told = told or len(tokens) == 1 or _of_person(tokens, token)
            if label and (token.surely or exact or told or self.topic == name):
                found.append((name, label, NAMED))
        return found

    def spoken_of(self, tokens: Sequence[Token], k: int, name: str, alone: str | None) -> bool:
        """Whether a bare word is said of this field: the nearest cue decides, then the topic."""
        if len(tokens[k].text) <= 2:
            return alone == name and len(tokens) == 1
        rivals = {other for other, _, _ in tokens[k].labels} | {""}
        near = [
            (abs(place - k) - (0.5 if place < k else 0), cue)
            for place, token in enumerate(tokens)
            for cue in token.cues
            if cue in rivals
        ]
        if any(token.text == "both" for token in tokens):
            return name in {cue for _, cue in near}
        if near:
            least = min(distance for distance, _ in near)
            return name in {cue for distance, cue in near if distance == least}
        return name == (alone or self.topic)


def clauses(tokens: Sequence[Token]) -> list[list[Token]]:
    """Tokens between boundaries; "or" and "nor" after a comma go on with the clause, and so does "between X and"."""
    found: list[list[Token]] = [[]]
    for k, token in enumerate(tokens):
        following = tokens[k + 1].text if k + 1 < len(tokens) else ""
        inside = token.text == "and" and any(other.text in ("between", "both") for other in found[-1])
        if token.role != "boundary" or inside:
            found[-1].append(token)
        elif not (token.text == "," and following in ("or", "nor")):
            found.append([])
    return [clause for clause in found if clause]


def negations(tokens: Sequence[Token], k: int, name: str) -> list[int]:
    """Places of the negations that reach the label at ``k``: the nearest before it, and one right before that.

    A label in between ends their reach, unless "or" or "nor" joins it to this one.
    """
    if k and tokens[k - 1].text in DEFINITE and any(s == NAMED for n, _, s in tokens[k].labels if n == name):
        return []
    between = 0
    for place in range(k - 1, -1, -1):
        token = tokens[place]
        if token.role == "negator" or (token.text in FORWARD and not any(other.labels for other in tokens[:place])):
            double = place > 0 and tokens[place - 1].role == "negator"
            return [place, place - 1] if double and token.text != "nor" else [place]
        joined = place + 1 < k and tokens[place + 1].text in ("or", "nor")
        if not (joined or passes(tokens, place, name)):
            return []
        between += token.text not in SMALL
        if between > REACH:
            return []
    return []


def passes(tokens: Sequence[Token], place: int, name: str) -> bool:
    """Whether a negation reaches past a token: another label ends it, unless "this" or "the" is before that."""
    token = tokens[place]
    label = any(strength != WEAK for _, _, strength in token.labels)
    return not label or name in token.cues or (place > 0 and tokens[place - 1].text in DEFINITE)


def unknown_field(tokens: Sequence[Token], k: int) -> bool:
    """Such as ``of unknown sex``: the doubt is about that field alone."""
    return tokens[k].text == "unknown" and k + 1 < len(tokens) and any(tokens[k + 1].cues)


def topics(token: Token, asked: bool) -> list[str]:
    """Fields that a token makes the topic; in a question the labels do too."""
    return [name for name in token.cues if name] + ([name for name, _, _ in token.labels] if asked else [])


def _of_person(tokens: Sequence[Token], age: Token) -> bool:
    """Such as ``a man of 80`` or ``the person is 80``."""
    k = next(place for place, token in enumerate(tokens) if token is age)
    of = k > 1 and tokens[k - 1].text == "of" and bool(tokens[k - 2].labels)
    return of or (k > 0 and tokens[k - 1].text in ("is", "was") and not any(token.cues for token in tokens))
