"""What a check says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Level = Literal["ok", "note", "fault", "not covered"]


@dataclass(frozen=True)
class Verdict:
    """One check in words.

    Attributes
    ----------
    check
        Short name, such as "same seed".
    level
        "ok"; "note": worth knowing; "fault": a score of this method could not be trusted, or a run would break;
        "not covered": nothing can be said, and the message says why.
    message, hint
        What was found, and what to do about it ("" where nothing is to be done).
    kind
        Kind of task it was tried on; "" for what holds for all.
    figures
        The numbers behind the words, by name.
    """

    check: str
    level: Level
    message: str
    hint: str = ""
    kind: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)


def ok(check: str, message: str, **figures: float) -> Verdict:
    """Looked, and all is well."""
    return Verdict(check, "ok", message, figures=figures)


def note(check: str, message: str, hint: str = "", **figures: float) -> Verdict:
    """Something a user of the method should know."""
    return Verdict(check, "note", message, hint, figures=figures)


def fault(check: str, message: str, hint: str = "", **figures: float) -> Verdict:
    """Something that must be mended."""
    return Verdict(check, "fault", message, hint, figures=figures)


def not_covered(check: str, reason: str) -> Verdict:
    """Could not look, for a reason."""
    return Verdict(check, "not covered", reason)


def passed(verdicts: Sequence[Verdict]) -> bool:
    """Whether the method was run and nothing must be mended."""
    ran = any(verdict.check == "run" and verdict.level == "ok" for verdict in verdicts)
    return ran and not any(verdict.level == "fault" for verdict in verdicts)
