"""Names that nobody knows: the error, with what may have been meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from ..errors import UnknownName


def unknown(what: str, name: str, known: Iterable[str]) -> UnknownName:
    """The error of a name: the nearest known ones, else all of them."""
    listed = list(dict.fromkeys(known))
    near = difflib.get_close_matches(name, listed, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"known: {', '.join(listed) or 'none'}"
    return UnknownName(f"no {what} {name!r}", hint)
