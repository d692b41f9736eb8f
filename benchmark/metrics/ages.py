"""Ages in words and figures: ``a 34-year-old``, ``in his thirties``, ``75 or older``."""

from __future__ import annotations

import math
import re

from ..prompts import Band

TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
ONES = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEENS = (
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
DECADES = ("twenties", "thirties", "forties", "fifties", "sixties", "seventies", "eighties", "nineties")

NUMBER = rf"(?:\d+(?:\.\d+)?|(?:{'|'.join(TENS)})(?:[\s-](?:{'|'.join(ONES)}))?|{'|'.join(TEENS)})"
_N = rf"(?<![\w.<>=-]){NUMBER}(?![\w%])(?!\.\d)"
_YEARS = r"(?:\s*(?:years?|yrs?))?"
_OLD = r"(?:[\s-]*(?:years?|yrs?)[\s-]+(?:old|of age)\b|[\s-]*y/?o\b)"

RANGE = rf"(?:between\s+)?{_N}{_YEARS}\s*(?:-|to|and)\s*{NUMBER}(?![\w%])"
BELOW = rf"(?:(?:under|below|younger than|less than)\s+(?:the age of\s+)?|<\s*){NUMBER}(?![\w%])"
ABOVE = (
    rf"(?:(?:over|above|older than|at least|more than)\s+(?:the age of\s+)?|>=?\s*){NUMBER}(?![\w%])"
    rf"|{_N}(?:\+|{_YEARS}\s+(?:or|and)\s+(?:older|over|above|more))"
)
DECADE = rf"(?:(?:early|mid|late)[\s-]+)?(?:(?:\d0s)\b|(?:{'|'.join(DECADES)})\b)"
LEAD = r"(?:\bage(?:d|s)?(?:\s+(?:of|is|about|around|approximately|roughly|group|range|band|in|:))*\s+)?"

AGE = rf"{LEAD}(?:{RANGE}|{BELOW}|{ABOVE}|{DECADE}|{_N}){_OLD}?"
"""Everything that may state an age, and many numbers that do not: see `age_range`."""

PARTS = {"early": (0, 4), "mid": (4, 7), "late": (7, 10)}


def age_range(text: str) -> tuple[Band | None, bool]:
    """The ages that a hit of `AGE` stands for, and whether it can be nothing but an age."""
    body = re.sub(LEAD + "$", "", text)
    surely = text.startswith("age") or re.search(_OLD, text) is not None
    hit = re.search(DECADE, body)
    if hit and re.search(r"ies\b|\d0s\b", hit[0]):
        return _decade(hit[0]), True
    found = [number(word) for word in re.findall(NUMBER, body)]
    if re.search(BELOW, body):
        return Band(0, found[0]), surely
    if re.search(ABOVE, body):
        return Band(found[0], math.inf), surely
    if len(found) > 1:
        return (Band(found[0], found[1] + 1) if found[0] <= found[1] else None), surely
    return Band(found[0], math.nextafter(found[0], math.inf)), surely


def number(word: str) -> float:
    """``34``, ``34.5``, ``thirty-four``."""
    if word[0].isdigit():
        return float(word)
    if word in TEENS:
        return 10.0 + TEENS.index(word)
    tens, _, ones = word.replace("-", " ").partition(" ")
    return 20.0 + 10 * TENS.index(tens) + (1 + ONES.index(ones.strip()) if ones.strip() else 0)


def _decade(text: str) -> Band:
    part, _, _ = text.partition("-") if "-" in text else text.partition(" ")
    first, last = PARTS.get(part, (0, 10))
    digits = re.search(r"\d0", text)
    start = int(digits[0]) if digits else 20 + 10 * DECADES.index(text.split()[-1].split("-")[-1])
    return Band(start + first, start + last)


def only(ages: Band, bands: dict[str, Band]) -> str | None:
    """The band that holds all these ages, None where none does. Open ends reach as far as the bands do."""
    low = max(ages.low, min(band.low for band in bands.values())) if ages.low == 0 else ages.low
    high = min(ages.high, max(band.high for band in bands.values())) if math.isinf(ages.high) else ages.high
    inside = [label for label, band in bands.items() if low < high and band.holds(Band(low, high))]
    return inside[0] if inside else None
