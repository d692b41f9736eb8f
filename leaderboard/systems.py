"""What is known of how published systems were made, for rows that only score their predictions."""

from __future__ import annotations

import csv
from importlib.resources import files


def known_of(method: str) -> list[str]:
    """Known facts of a system, by the beginning of its name; none for an unknown one."""
    name = method.lower()
    return [row["note"] for row in _rows() if name == row["system"] or name.startswith(f"{row['system']}-")]


def _rows() -> list[dict[str, str]]:
    text = (files(__package__) / "published" / "systems.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
