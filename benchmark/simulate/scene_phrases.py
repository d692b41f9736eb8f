"""The vocabulary of captions: other words for things, what things do, and how places are called."""

from __future__ import annotations

from collections.abc import Sequence

NOUNS: dict[str, tuple[str, ...]] = {
    "person": ("person", "person", "someone"), "dog": ("dog", "dog", "puppy"), "cat": ("cat", "cat", "kitty"),
    "horse": ("horse", "horse", "pony"), "bird": ("bird",), "car": ("car", "car", "vehicle"), "bus": ("bus",),
    "bicycle": ("bicycle", "bike"), "airplane": ("airplane", "plane", "jet"), "boat": ("boat", "sailboat"),
    "umbrella": ("umbrella", "parasol"), "kite": ("kite",), "sports ball": ("ball",), "clock": ("clock",),
    "pizza": ("pizza",), "cup": ("cup", "mug"), "chair": ("chair",), "potted plant": ("plant", "potted plant"),
    "stop sign": ("stop sign",), "tree": ("tree",),
}  # fmt: skip
"""Concept -> words for it, the plainest first; a concept that is not listed is its own word."""

VERBS: dict[str, tuple[str, ...]] = {
    "person": ("standing", "standing", "waiting"), "animal": ("standing",), "dog": ("standing", "looking around"),
    "cat": ("sitting", "sitting", "resting"), "horse": ("standing", "grazing"), "bird": ("flying",),
    "car": ("driving", "parked"), "bus": ("driving", "parked", "stopped"), "bicycle": ("parked", "standing"),
    "airplane": ("flying", "flying", "high up"), "boat": ("sailing", "floating"), "umbrella": ("standing", "open"),
    "kite": ("flying",), "sports ball": ("lying",), "clock": ("hanging",), "pizza": ("lying",), "cup": ("standing",),
    "chair": ("standing",), "potted plant": ("standing",), "stop sign": ("standing",), "tree": ("growing", "standing"),
}  # fmt: skip
"""Concept, or supercategory where it is not listed, -> what it does, the plainest first."""

PLACE_PHRASES: dict[str, tuple[str, ...]] = {
    "sea": ("on the sea", "on the water", "in the ocean", "out at sea"),
    "beach": ("on the beach", "on the sand", "by the sea", "at the beach"),
    "field": ("in a field", "on the grass", "in a meadow", "in a green field"),
    "street": ("on a street", "in the city", "on the road", "on a city street"),
    "snow": ("in the snow", "on the snow", "in a snowy landscape"),
    "room": ("in a room", "in the house", "inside a room", "on a wooden floor"),
    "table": ("on a table", "on the table", "on top of a table"),
    "sky": ("in the sky", "in the air", "up in the sky"),
}
"""Place -> where something is, the plainest first."""

PLACE_NAMES: dict[str, str] = {
    "sea": "sea", "beach": "sandy beach", "field": "grassy field", "street": "city street",
    "snow": "snowy landscape", "room": "room", "table": "table", "sky": "sky",
}  # fmt: skip
"""Place -> its name after an article."""

INDOORS = ("room", "table")

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

COUNTS = len(_NUMBERS)
"""Numbers below this one are written out."""

_PLURALS = {
    "person": "people", "someone": "people", "bus": "buses", "kitty": "kitties", "puppy": "puppies", "pony": "ponies",
    "knife": "knives", "sheep": "sheep", "skis": "skis", "scissors": "scissors", "mouse": "mice",
}  # fmt: skip


def plural(noun: str) -> str:
    """Plural of a noun, or of the last word of several."""
    *before, last = noun.split(" ")
    if last in _PLURALS:
        last = _PLURALS[last]
    else:
        last += "es" if last.endswith(("s", "sh", "ch", "x")) else "s"
    return " ".join([*before, last])


def article(noun: str) -> str:
    """A noun with "a" or "an"; words that take none keep none."""
    if noun in ("someone", "scissors", "skis"):
        return noun
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def number_word(count: int) -> str:
    """A number in words up to ten, "many" above."""
    return _NUMBERS[count] if count < COUNTS else "many"


def listed(parts: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join(part for part in (", ".join(parts[:-1]), parts[-1] if parts else "") if part)
