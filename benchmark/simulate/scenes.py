"""Small worlds to look at: a place, one to four things in it, and which of them go together.

A `Scene` is a graph that is drawn (`scene_drawing`), put into words (`scene_words`) and encoded (`brains`): all
three follow from it. Concepts carry COCO's names and supercategories ("tree" is our own). Which place holds what,
how large things are and what goes with what is our choice; it is there so that a place predicts things and things
predict each other, as in photographs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (205, 40, 38), "orange": (236, 134, 34), "yellow": (242, 208, 48), "green": (56, 150, 62),
    "blue": (42, 92, 198), "purple": (128, 62, 160), "pink": (240, 138, 176), "brown": (128, 82, 44),
    "black": (36, 36, 40), "white": (244, 244, 240), "grey": (138, 140, 146),
}  # fmt: skip
"""Colour words and what they look like, RGB."""

VIVID = ("red", "orange", "yellow", "green", "blue", "purple", "pink")
FURS = ("brown", "black", "white", "grey")
CARS = ("red", "blue", "yellow", "green", "white", "black", "grey")


@dataclass(frozen=True)
class Concept:
    """A kind of thing.

    Attributes
    ----------
    group
        COCO's supercategory.
    aspect, height
        Width over height, and height as a share of the picture at a middle distance.
    at
        Place -> how often it is there.
    level
        Where it stands or hangs: "ground", "air", "water", "wall" or "top" (of a table).
    colours
        What it may be painted in; one for a thing whose colour is not worth a word.
    goes_with
        Concepts that are likelier beside it.
    tilts
        Whether it may lean.
    """

    group: str
    aspect: float
    height: float
    at: Mapping[str, float]
    level: str = "ground"
    colours: tuple[str, ...] = VIVID
    goes_with: tuple[str, ...] = ()
    tilts: bool = False


CONCEPTS: dict[str, Concept] = {
    "person": Concept("person", 0.42, 0.50, {"field": 3, "beach": 4, "street": 3, "snow": 4, "room": 2},
                      goes_with=("dog", "umbrella", "kite", "sports ball", "bicycle", "horse")),
    "dog": Concept("animal", 1.30, 0.30, {"field": 3, "beach": 2, "snow": 2, "room": 2, "street": 1}, colours=FURS,
                   goes_with=("sports ball", "person")),
    "cat": Concept("animal", 0.90, 0.34, {"room": 4, "field": 1, "street": 1}, colours=("orange", *FURS),
                   goes_with=("potted plant", "chair")),
    "horse": Concept("animal", 1.20, 0.46, {"field": 3, "snow": 1, "beach": 1}, colours=FURS, goes_with=("person",)),
    "bird": Concept("animal", 1.40, 0.20, {"sky": 4, "sea": 2, "beach": 1, "field": 1}, "air",
                    ("red", "yellow", "blue", "black", "white"), tilts=True),
    "car": Concept("vehicle", 2.00, 0.24, {"street": 5, "snow": 1}, colours=CARS, goes_with=("bus", "stop sign")),
    "bus": Concept("vehicle", 1.75, 0.40, {"street": 4}, colours=("red", "yellow", "blue", "green", "white"),
                   goes_with=("car", "person")),
    "bicycle": Concept("vehicle", 1.50, 0.30, {"street": 3, "field": 1}, goes_with=("person",)),
    "airplane": Concept("vehicle", 1.90, 0.24, {"sky": 5, "sea": 1, "snow": 1}, "air",
                        ("white", "grey", "red", "blue"), tilts=True),
    "boat": Concept("vehicle", 1.05, 0.38, {"sea": 6}, "water", ("white", "red", "blue", "yellow", "brown"),
                    goes_with=("bird",)),
    "umbrella": Concept("accessory", 1.05, 0.42, {"beach": 4, "street": 1}, goes_with=("person", "chair"), tilts=True),
    "kite": Concept("sports", 0.72, 0.28, {"sky": 3, "beach": 2, "field": 2}, "air", goes_with=("person",), tilts=True),
    "sports ball": Concept("sports", 1.00, 0.16, {"field": 3, "beach": 2, "room": 1}, goes_with=("dog", "person")),
    "clock": Concept("indoor", 1.00, 0.26, {"room": 4}, "wall", ("red", "blue", "green", "brown", "black")),
    "pizza": Concept("food", 1.45, 0.36, {"table": 5}, "top", ("yellow",), goes_with=("cup",)),
    "cup": Concept("kitchen", 1.10, 0.28, {"table": 5}, "top", (*VIVID, "white"), goes_with=("pizza",)),
    "chair": Concept("furniture", 0.62, 0.46, {"room": 5, "beach": 1}, colours=(*VIVID, "brown", "white"),
                     goes_with=("potted plant", "clock")),
    "potted plant": Concept("furniture", 0.72, 0.42, {"room": 3, "table": 2}, colours=("brown", "white", "blue"),
                            goes_with=("chair",)),
    "stop sign": Concept("outdoor", 0.45, 0.52, {"street": 3}, colours=("red",), goes_with=("car",)),
    "tree": Concept("plant", 0.75, 0.58, {"field": 4, "snow": 3, "street": 1}, colours=("green", "orange", "yellow")),
}  # fmt: skip
"""What a picture may hold."""


@dataclass(frozen=True)
class Place:
    """A background.

    Attributes
    ----------
    weight
        How often it is drawn.
    horizon
        Range of the height, as a share from the top, where the ground, the water or the table begins.
    lights
        Times of day that change its look.
    """

    weight: float
    horizon: tuple[float, float]
    lights: tuple[str, ...] = ("day",)


PLACES: dict[str, Place] = {
    "sea": Place(1.0, (0.32, 0.50), ("day", "day", "sunset")),
    "beach": Place(1.1, (0.40, 0.55), ("day", "day", "sunset")),
    "field": Place(1.4, (0.35, 0.58), ("day", "day", "sunset")),
    "street": Place(1.5, (0.50, 0.62)),
    "snow": Place(1.0, (0.38, 0.58)),
    "room": Place(1.4, (0.58, 0.72)),
    "table": Place(0.9, (0.28, 0.42)),
    "sky": Place(1.0, (1.0, 1.0), ("day", "day", "sunset")),
}
"""Where things are."""

HOW_MANY = (0.30, 0.36, 0.22, 0.12)
"""Chance of one, two, three and four things."""

AGAIN, TOGETHER = 0.22, 6.0
"""Chance that the next thing is one more of the same; how much likelier company is."""

NEAR, FAR = 1.7, 0.75
"""How much larger or smaller things are than at the middle distance, at the ends of the ranges."""

MOST_HIDDEN, TRIES = 0.15, 25
"""Share of a thing that another may cover, and attempts at a free spot."""

MARGIN, LOWEST = 0.02, 0.97
"""The rim that is left free, and the lowest place to stand."""


@dataclass(frozen=True)
class Thing:
    """One thing in a scene.

    Attributes
    ----------
    concept, colour
        Keys of `CONCEPTS` and `COLOURS`.
    x, y, height
        Centre and height, as shares of the picture.
    facing, tilt
        1 to the right or -1 to the left; lean in radians.
    """

    concept: str
    colour: str
    x: float
    y: float
    height: float
    facing: int = 1
    tilt: float = 0.0

    @cached_property
    def width(self) -> float:
        """Width as a share of the picture."""
        return self.height * CONCEPTS[self.concept].aspect

    @cached_property
    def box(self) -> tuple[float, float, float, float]:
        """x0, y0, x1, y1 of its frame where it does not lean; what is drawn may be a little smaller."""
        half_w, half_h = self.width / 2, self.height / 2
        return self.x - half_w, self.y - half_h, self.x + half_w, self.y + half_h


@dataclass(frozen=True)
class Scene:
    """A place with things in it, from far to near.

    Attributes
    ----------
    place, light
        Key of `PLACES`, and "day" or "sunset".
    horizon
        Where the ground begins, as a share from the top.
    texture
        Seed of the background's details.
    things
        One to four; the order is that of drawing.
    """

    place: str
    light: str
    horizon: float
    texture: int
    things: tuple[Thing, ...] = field(default=())


def sample_scene(rng: np.random.Generator) -> Scene:
    """A random scene; the same generator state gives the same scene."""
    names = list(PLACES)
    weights = np.array([PLACES[name].weight for name in names])
    place = names[rng.choice(len(names), p=weights / weights.sum())]
    light = PLACES[place].lights[rng.integers(len(PLACES[place].lights))]
    horizon = float(rng.uniform(*PLACES[place].horizon))
    texture = int(rng.integers(2**31))
    wanted = 1 + int(rng.choice(len(HOW_MANY), p=HOW_MANY))
    zoom = float(np.exp(rng.uniform(np.log(FAR), np.log(NEAR)))) * (1.15 if wanted == 1 else 1.0)
    things: list[Thing] = []
    while len(things) < wanted:
        thing = _placed(_next_concept(place, things, rng), things, place, horizon, zoom, rng)
        if thing is not None:
            things.append(thing)
        else:
            wanted -= 1
    return Scene(place, light, horizon, texture, tuple(sorted(things, key=_depth)))


def _depth(thing: Thing) -> float:
    """What is drawn later is nearer: things on the ground by where they stand, behind them what flies or hangs."""
    on_ground = CONCEPTS[thing.concept].level in ("ground", "water", "top")
    return thing.box[3] if on_ground else thing.box[3] - 1


def _next_concept(place: str, things: list[Thing], rng: np.random.Generator) -> str:
    """What comes next, given what is there."""
    here = [thing.concept for thing in things]
    if here and rng.random() < AGAIN:
        return here[int(rng.integers(len(here)))]
    names = [name for name, concept in CONCEPTS.items() if place in concept.at and name not in here]
    if not names:
        return here[0]
    weights = np.array([CONCEPTS[name].at[place] for name in names], dtype=float)
    company = {other for name in here for other in CONCEPTS[name].goes_with}
    weights *= [TOGETHER if name in company else 1.0 for name in names]
    return names[rng.choice(len(names), p=weights / weights.sum())]


def _placed(
    name: str, others: list[Thing], place: str, horizon: float, zoom: float, rng: np.random.Generator
) -> Thing | None:
    """A thing at a free spot, or None where none is found; the first thing always finds one."""
    concept = CONCEPTS[name]
    same = [other.colour for other in others if other.concept == name]
    colour = same[0] if same and rng.random() < 0.5 else concept.colours[rng.integers(len(concept.colours))]
    for attempt in range(TRIES):
        shrink = 1 - 0.4 * attempt / TRIES
        height = concept.height * zoom * float(np.exp(rng.normal(0, 0.10))) * shrink
        height = min(height, 0.92, 0.92 / concept.aspect)
        x, y = _spot(concept, height, place, horizon, rng)
        lean = float(rng.normal(0, 0.15)) if concept.tilts else 0.0
        thing = Thing(name, colour, x, y, height, 1 if rng.random() < 0.5 else -1, lean)
        if all(_hidden(thing, other) <= MOST_HIDDEN for other in others):
            return thing
    return None


def _spot(concept: Concept, height: float, place: str, horizon: float, rng: np.random.Generator) -> tuple[float, float]:
    """A centre where such a thing can be: feet below the horizon, wings above it."""
    half_w, half_h = concept.aspect * height / 2 + MARGIN, height / 2 + MARGIN
    x = float(rng.uniform(half_w, 1 - half_w)) if half_w < 0.5 else 0.5
    if concept.level in ("air", "wall"):
        low = max(half_h + 0.01, min(horizon, 0.95) - half_h) if place != "sky" else 1 - half_h
        return x, float(np.clip(rng.uniform(half_h, max(low, half_h)), half_h, max(half_h, 1 - half_h)))
    # What lies on a table is seen from above: most of it is below the edge.
    highest = max(horizon + (0.7 * height if concept.level == "top" else 0.12), height + MARGIN)
    feet = float(rng.uniform(min(highest, LOWEST), LOWEST))
    return x, max(feet - height / 2, half_h)


def _hidden(a: Thing, b: Thing) -> float:
    """Share of the smaller frame that two things have in common."""
    ax0, ay0, ax1, ay1 = a.box
    bx0, by0, bx1, by1 = b.box
    common = max(0.0, min(ax1, bx1) - max(ax0, bx0)) * max(0.0, min(ay1, by1) - max(ay0, by0))
    return common / min(a.width * a.height, b.width * b.height)
