"""Methods that do not read what is asked about: the floor that any other must leave."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType


def why_floor(method: str) -> str:
    """Why a method is a floor, by its name or its control (``+text-only``); "" for one that is not."""
    name, plus, control = method.partition("+")
    return floors().get(plus + control if plus else name, "")


@cache
def floors() -> Mapping[str, str]:
    """Method or control -> what it leaves out."""
    text = (files(__package__) / "published" / "floors.csv").read_text(encoding="utf-8")
    return MappingProxyType({row["method"]: row["why"] for row in csv.DictReader(text.splitlines())})
