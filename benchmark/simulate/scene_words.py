"""What can be said of a picture: captions, a description, and questions with their answers.

All of it follows from `Piece`s (a concept, its colour and its box) and from the place, so that drawn scenes and
annotated photographs are put into words by the same rules. A caption names one or a few things, never all that is
known; the five of an image differ in words and in what they leave out, as five people's do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from .scene_phrases import (
    COUNTS,
    INDOORS,
    NOUNS,
    PLACE_NAMES,
    PLACE_PHRASES,
    VERBS,
    article,
    listed,
    number_word,
    plural,
)
from .scenes import CONCEPTS, Scene

QUESTIONS = 6
"""Questions asked of an image, where so many can be."""

APART, LARGER = 0.12, 1.4
"""Centres this far apart are left and right of each other; a box this many times as large is the larger one."""

CLOSE = 0.45
"""A lone thing that is taller than this share of the picture is seen from close by."""

Box = tuple[float, float, float, float]
Pair = tuple[str, str]


@dataclass(frozen=True)
class Piece:
    """Something that is seen: its concept, colour ("" unknown) and box x0, y0, x1, y1 in 0..1."""

    concept: str
    colour: str
    box: Box

    @property
    def area(self) -> float:
        """Share of the picture that its box takes."""
        return (self.box[2] - self.box[0]) * (self.box[3] - self.box[1])

    @property
    def centre(self) -> float:
        """Where it is from left (0) to right (1)."""
        return (self.box[0] + self.box[2]) / 2

    @property
    def side(self) -> str:
        """Third of the picture that its centre lies in."""
        return ("left", "middle", "right")[min(2, int(self.centre * 3))]

    @property
    def hangs(self) -> bool:
        """Whether such things fly or hang on a wall."""
        return self.concept in CONCEPTS and CONCEPTS[self.concept].level in ("air", "wall")

    @property
    def named_colour(self) -> str:
        """Its colour, where that is worth a word: things that come in one colour only have none."""
        known = CONCEPTS.get(self.concept)
        return self.colour if known is None or len(known.colours) > 1 else ""


@dataclass(frozen=True)
class View:
    """What words are made from: pieces, largest first, and the place and light ("" unknown)."""

    pieces: tuple[Piece, ...]
    place: str = ""
    light: str = ""
    groups: tuple[tuple[Piece, ...], ...] = field(default=())

    @classmethod
    def of(cls, pieces: Sequence[Piece], place: str = "", light: str = "") -> View:
        """Pieces in any order; those of one concept form a group."""
        by_size = tuple(sorted(pieces, key=lambda piece: -piece.area))
        concepts = dict.fromkeys(piece.concept for piece in by_size)
        groups = tuple(tuple(piece for piece in by_size if piece.concept == concept) for concept in concepts)
        return cls(by_size, place, light, groups)

    @classmethod
    def of_scene(cls, scene: Scene) -> View:
        """A drawn scene."""
        pieces = [Piece(thing.concept, thing.colour, thing.box) for thing in scene.things]
        return cls.of(pieces, scene.place, scene.light)


@dataclass(frozen=True)
class Words:
    """Captions, a description, and a dialogue of (question, answer)."""

    captions: tuple[str, ...]
    description: str
    dialogue: tuple[Pair, ...]


def words_of(view: View, rng: np.random.Generator) -> Words:
    """Everything that is said of a view."""
    return Words(captions(view, rng), description(view), dialogue(view, rng))


# ------------------------------------------------------------------------------------------------------- captions


def captions(view: View, rng: np.random.Generator) -> tuple[str, ...]:
    """Five captions, all different in words; the first is the plainest."""
    found = [_sentence(_plain(view, rng, first=True))]
    makers: list[Callable[[View, np.random.Generator], str]] = [_coloured, _headed, _related, _plain]
    for turn in range(60):
        if len(found) == 5:
            break
        text = _sentence(makers[turn % len(makers)](view, rng))
        if text not in found:
            found.append(text)
    return tuple(found)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _pick(rng: np.random.Generator, options: Sequence[str]) -> str:
    return options[int(rng.integers(len(options)))]


def _phrase(group: Sequence[Piece], noun: str, colour: bool = False) -> str:
    """ "a dog", "two red cars", "a black and a white dog" ... of the pieces of one concept."""
    colours = list(dict.fromkeys(piece.named_colour for piece in group)) if colour else [""]
    shade = f"{colours[0]} " if len(colours) == 1 and colours[0] else ""
    if group[0].concept == "person" and shade:
        shirts = article(f"{shade}shirt") if len(group) == 1 else f"{shade}shirts"
        return f"{_counted(len(group), noun)} in {shirts}"
    return _counted(len(group), f"{shade}{noun}")


def _counted(count: int, noun: str) -> str:
    return article(noun) if count == 1 else f"{number_word(count)} {plural(noun)}"


def _where(view: View, rng: np.random.Generator, first: bool = False) -> str:
    """Where it is, with a leading blank; sometimes also when. "" where the place is not known."""
    if not view.place:
        return ""
    phrases = PLACE_PHRASES[view.place]
    place = phrases[0] if first else _pick(rng, phrases)
    dusk = " at sunset" if view.light == "sunset" and (first or rng.random() < 0.5) else ""
    return f" {place}{dusk}"


def _verb(group: Sequence[Piece], rng: np.random.Generator, first: bool = False) -> str:
    """What a group does, with a leading blank."""
    known = CONCEPTS.get(group[0].concept)
    options = VERBS.get(group[0].concept) or VERBS.get(known.group if known else "", ("",))
    verb = options[0] if first else _pick(rng, options)
    return f" {verb}" if verb else ""


def _noun(concept: str, rng: np.random.Generator, first: bool = False) -> str:
    names = NOUNS.get(concept, (concept,))
    return names[0] if first else _pick(rng, names)


def _plain(view: View, rng: np.random.Generator, first: bool = False) -> str:
    """The largest one or two kinds of thing, and the place."""
    if not view.groups:
        return f"{_pick(rng, ('a view of', 'a picture of'))} {PLACE_NAMES.get(view.place, 'something')}"
    main, *others = view.groups
    text = _phrase(main, _noun(main[0].concept, rng, first))
    if others and (first or rng.random() < 0.6):
        other = others[0] if first else others[int(rng.integers(len(others)))]
        return f"{text} and {_phrase(other, _noun(other[0].concept, rng, first))}{_where(view, rng, first)}"
    return f"{text}{_verb(main, rng, first)}{_where(view, rng, first)}"


def _coloured(view: View, rng: np.random.Generator) -> str:
    """The largest thing with its colour, what it does, and where."""
    if not view.groups:
        return _plain(view, rng)
    main = view.groups[0]
    return f"{_phrase(main, _noun(main[0].concept, rng), colour=True)}{_verb(main, rng)}{_where(view, rng)}"


def _headed(view: View, rng: np.random.Generator) -> str:
    """A picture of the place with all kinds of thing, or a thing seen from close by."""
    things = [_phrase(group, _noun(group[0].concept, rng)) for group in view.groups[:3]]
    if not things:
        return _plain(view, rng)
    if len(view.pieces) == 1 and view.pieces[0].box[3] - view.pieces[0].box[1] > CLOSE and rng.random() < 0.6:
        return f"a close up of {_phrase(view.groups[0], _noun(view.pieces[0].concept, rng), colour=True)}"
    if view.place and rng.random() < 0.5:
        return f"{article(PLACE_NAMES[view.place])} with {listed(things)}"
    head = _pick(rng, ("there is", "a picture of", "a view of", "an image of"))
    if head == "there is" and len(view.groups[0]) > 1:
        head = "there are"
    return f"{head} {listed(things)}{_where(view, rng)}"


def _related(view: View, rng: np.random.Generator) -> str:
    """Two kinds of thing side by side, or one above the other, where the picture shows that."""
    if len(view.groups) < 2:
        return _coloured(view, rng)
    one, other = view.groups[0], view.groups[int(rng.integers(1, len(view.groups)))]
    if rng.random() < 0.5:
        one, other = other, one
    colour = bool(rng.random() < 0.5)
    said = [_phrase(group, _noun(group[0].concept, rng), colour and k == 0) for k, group in enumerate((one, other))]
    if one[0].hangs and all(piece.box[3] < another.box[1] + 0.05 for piece in one for another in other):
        relation = "above"
    else:
        relation = _pick(rng, ("next to", "near", "beside", "with"))
    return f"{said[0]} {relation} {said[1]}{_where(view, rng) if rng.random() < 0.7 else ''}"


# ---------------------------------------------------------------------------------------------------- description


def description(view: View) -> str:
    """A few sentences on everything that is there: place, counts, colours, sides and the largest thing."""
    total = len(view.pieces)
    things = listed([_phrase(group, group[0].concept) for group in view.groups]) or "nothing"
    parts = []
    if view.place:
        scene = f"The image shows {article(PLACE_NAMES[view.place])}"
        parts.append(f"{scene} at sunset." if view.light == "sunset" else f"{scene}.")
    parts.append(f"There {'is' if not view.groups or len(view.groups[0]) == 1 else 'are'} {things} in the picture.")
    for piece in view.pieces[:4]:
        parts.append(_placed(piece, view))
    if total > 1 and view.pieces[0].area > LARGER * view.pieces[1].area:
        parts.append(f"The largest thing is the {_told_apart(view.pieces[0], view)}.")
    return " ".join(parts)


def _placed(piece: Piece, view: View) -> str:
    """Colour and side of a thing, as a sentence."""
    alone = sum(other.concept == piece.concept for other in view.pieces) == 1
    colour = piece.named_colour
    if piece.concept == "person" and colour:
        shirt = article(f"{colour} shirt")
        return f"{'The' if alone else 'A'} person {_on_side(piece)} wears {shirt}."
    noun = f"{colour} {piece.concept}" if colour else piece.concept
    subject = f"the {noun}" if alone else article(noun)
    return _sentence(f"{subject} is {_on_side(piece)}")


def _told_apart(piece: Piece, view: View) -> str:
    """A name that says which one is meant among several of a kind."""
    alone = sum(other.concept == piece.concept for other in view.pieces) == 1
    return piece.concept if alone else f"{piece.concept} {_on_side(piece)}"


def _on_side(piece: Piece) -> str:
    return "in the middle" if piece.side == "middle" else f"on the {piece.side}"


# ------------------------------------------------------------------------------------------------------- dialogue


def dialogue(view: View, rng: np.random.Generator, most: int = QUESTIONS) -> tuple[Pair, ...]:
    """Questions of as many sorts as the view allows, each with an answer in a sentence; no question twice."""
    sorts = [_ask_count, _ask_colour, _ask_side, _ask_presence, _ask_compare, _ask_place, _ask_order]
    asked = [_ask_what(view), *(sorts[k](view, rng) for k in rng.permutation(len(sorts)))]
    found: dict[str, str] = {}
    for pair in asked:
        if pair is not None and pair[0] not in found and len(found) < most:
            found[pair[0]] = pair[1]
    return tuple(found.items())


def _ask_what(view: View) -> Pair | None:
    if not view.groups:
        return None
    things = listed([_phrase(group, group[0].concept) for group in view.groups])
    return "What can be seen in the picture?", f"The picture shows {things}."


def _ask_count(view: View, rng: np.random.Generator) -> Pair | None:
    if not view.groups:
        return None
    group = view.groups[int(rng.integers(len(view.groups)))]
    count, noun = len(group), group[0].concept
    told = f"is one {noun}" if count == 1 else f"are {number_word(count)} {plural(noun)}"
    return f"How many {plural(noun)} are there?", f"There {told}."


def _ask_colour(view: View, rng: np.random.Generator) -> Pair | None:
    single = [group[0] for group in view.groups if len(group) == 1 and group[0].named_colour]
    if not single:
        return None
    piece = single[int(rng.integers(len(single)))]
    if piece.concept == "person":
        return "What colour is the shirt of the person?", f"The shirt is {piece.colour}."
    return f"What colour is the {piece.concept}?", f"The {piece.concept} is {piece.colour}."


def _ask_side(view: View, rng: np.random.Generator) -> Pair | None:
    single = [group[0] for group in view.groups if len(group) == 1]
    if not single:
        return None
    piece = single[int(rng.integers(len(single)))]
    return f"Where is the {piece.concept}?", f"The {piece.concept} is {_on_side(piece)} of the picture."


def _ask_presence(view: View, rng: np.random.Generator) -> Pair | None:
    """Half of the questions are about what is not there; that is a thing of the same place where there is one."""
    here = [group[0].concept for group in view.groups]
    likely = [name for name, concept in CONCEPTS.items() if view.place in concept.at and name not in here]
    absent = likely or [name for name in CONCEPTS if name not in here]
    if here and rng.random() < 0.5:
        name = _pick(rng, here)
        return f"Is there {article(name)}?", f"Yes, there is {article(name)}."
    name = _pick(rng, absent)
    return f"Is there {article(name)}?", f"No, there is no {name}."


def _ask_compare(view: View, rng: np.random.Generator) -> Pair | None:
    single = [group[0] for group in view.groups if len(group) == 1]
    pairs = [(a, b) for a in single for b in single if a.area > LARGER * b.area]
    if not pairs:
        return None
    large, small = pairs[int(rng.integers(len(pairs)))]
    first, second = (large, small) if rng.random() < 0.5 else (small, large)
    question = f"Which is larger, the {first.concept} or the {second.concept}?"
    return question, f"The {large.concept} is larger than the {small.concept}."


def _ask_order(view: View, rng: np.random.Generator) -> Pair | None:
    single = [group[0] for group in view.groups if len(group) == 1]
    pairs = [(a, b) for a in single for b in single if a.centre + APART < b.centre]
    if not pairs:
        return None
    left, right = pairs[int(rng.integers(len(pairs)))]
    if rng.random() < 0.5:
        told = f"Yes, the {left.concept} is to the left of the {right.concept}."
        return f"Is the {left.concept} to the left of the {right.concept}?", told
    told = f"No, the {right.concept} is to the right of the {left.concept}."
    return f"Is the {right.concept} to the left of the {left.concept}?", told


def _ask_place(view: View, rng: np.random.Generator) -> Pair | None:
    if not view.place:
        if not view.pieces or len(view.pieces) >= COUNTS:
            return None
        total = len(view.pieces)
        told = "is one thing" if total == 1 else f"are {number_word(total)} things"
        return "How many things are marked in the picture?", f"There {told} marked."
    if rng.random() < 0.5:
        return "Where was this picture taken?", f"It was taken {PLACE_PHRASES[view.place][0]}."
    inside = view.place in INDOORS
    told = "indoors" if inside else "outdoors"
    return "Is this indoors or outdoors?", f"This is {told}, {PLACE_PHRASES[view.place][0]}."
