"""The kinds of task, one file each. A new kind is a new file and a line here."""

from __future__ import annotations

from importlib import import_module

from ..contracts import Kind
from ..errors import UnknownName

KINDS = {
    "classification": "classification:Classification",
    "regression": "regression:Regression",
    "connectivity": "connectivity:Connectivity",
    "captioning": "text:Captioning",
    "description": "text:Description",
    "reasoning": "text:Reasoning",
    "reconstruction": "reconstruction:Reconstruction",
    "grounding": "grounding:Grounding",
    "localisation": "localisation:Localisation",
    "encoding": "encoding:Encoding",
    "questions": "questions:Questions",
}


def get_kind(name: str) -> Kind:
    """The kind of this name. Raises `UnknownName`."""
    if name not in KINDS:
        raise UnknownName(f"no kind {name!r}", f"kinds: {', '.join(KINDS)}")
    module, attribute = KINDS[name].split(":")
    kind: Kind = getattr(import_module(f".{module}", __package__), attribute)()
    return kind
