"""The few errors that a person can meet. Each says what is wrong, where, and what to type next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class BrainbenchError(Exception):
    """An error that is shown as one message, without a traceback.

    Parameters
    ----------
    message
        What is wrong, and where.
    hint
        What to type or change next.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class UnknownName(BrainbenchError):
    """A task, method, metric or data set that no plugin provides."""


class PluginBroken(BrainbenchError):
    """A plugin that was found but cannot be imported or does not meet the contract."""


class DataMissing(BrainbenchError):
    """Data that are not installed on this machine."""


class BadData(BrainbenchError):
    """A file from outside that is corrupt, truncated or not what it should be."""


class BadIds(BadData):
    """A file from outside whose ids are not those of the test items."""


class BadSplit(BrainbenchError):
    """A split that cannot be made, or that lets a subject cross from train to test."""


class BadPrediction(BrainbenchError):
    """A prediction of the wrong type, shape or range."""


class BadOption(BrainbenchError):
    """An option that a command, task or method does not take."""


class Skipped(BrainbenchError):
    """Raised by a method that finds in what it is given why it cannot run a cell; the cell is then skipped."""


class ExtraMissing(BrainbenchError):
    """An optional dependency that is not installed."""


class Unavailable(BrainbenchError):
    """A metric that cannot be computed here for want of weights, Java or models; the others still score."""


class NoSandbox(BrainbenchError):
    """Code that may run in a closed room only, on a machine that has none."""


class ClusterError(BrainbenchError):
    """A scheduler, its workers or a batch queue that cannot run cells."""


class PrivacyError(BrainbenchError):
    """Something about people that may not leave the lab."""


class StoreError(BrainbenchError):
    """A record or store that cannot be read or written."""


def near(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """``did you mean 'a' or 'b'?``, with the known names that are written nearly alike; ``otherwise`` where none is."""
    from difflib import get_close_matches

    found = get_close_matches(name, list(dict.fromkeys(known)), n=3)
    return f"did you mean {' or '.join(map(repr, found))}?" if found else otherwise


def unknown(what: str, name: str, known: Iterable[str]) -> UnknownName:
    """The error of a name: the nearest known ones, else all of them."""
    listed = list(dict.fromkeys(known))
    return UnknownName(f"no {what} {name!r}", near(name, listed, f"known: {', '.join(listed) or 'none'}"))


@contextmanager
def needing(extra: str, *packages: str) -> Iterator[None]:
    """A block of imports: where one of these packages is missing, the error that says which extra brings it."""
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").split(".")[0]
        if missing in packages:
            raise need(extra, missing) from None
        raise


def need(extra: str, package: str) -> ExtraMissing:
    """The error for a missing optional package, with the exact command that installs it."""
    return ExtraMissing(
        f"the package '{package}' is not installed",
        f"install the extra that brings it:  uv pip install 'brainbench[{extra}]'"
        f"   (in a clone:  uv pip install -e '.[{extra}]')",
    )
