"""Cells: the unit of work, of caching and of failure. One fit and one predict."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import typing
from typing import Any

from pydantic import BaseModel, ConfigDict, PydanticSchemaGenerationError, TypeAdapter, ValidationError

from .contracts import Method
from .errors import BadOption

CELL_VERSION = 1
"""Changes when what a worker computes from the same cell changes."""


class MethodSpec(BaseModel):
    """A method with its configuration.

    Attributes
    ----------
    name
        As printed.
    ref
        What the registry finds it by: a name, or ``/path/file.py:Class``.
    preset
        Name of the preset, "" where the method has none.
    options
        All option values, as plain JSON.
    source
        Hash of its source.
    weights
        Hash of the checkpoint that it starts from, "" for none.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    ref: str
    preset: str
    options: dict[str, Any]
    source: str
    weights: str = ""


class Cell(BaseModel):
    """Typed coordinates of one fit and predict. A kind uses those that it needs.

    Attributes
    ----------
    task, version
        Full name with regime, and the task's version.
    method
        See `MethodSpec`.
    data, inputs
        Fingerprints of the data, and of inputs beside it; see `Data`.
    split, fold
        Hash of the split manifest, and the fold's name.
    seed
        Seed of the method.
    device
        Type of device: "cpu" or "cuda".
    draw, scope, track
        Few-shot draw; one subject or "all"; "subject" or "group". None where a kind has no such axis.
    """

    model_config = ConfigDict(frozen=True)

    task: str
    version: int
    method: MethodSpec
    data: str
    split: str
    fold: str
    seed: int
    device: str = "cpu"
    draw: int | None = None
    scope: str | None = None
    track: str | None = None
    inputs: str = ""

    @property
    def key(self) -> str:
        """Cache key: everything a prediction depends on."""
        content = self.model_dump(mode="json", exclude={"method": {"name", "preset"}})
        if not self.inputs:
            del content["inputs"]  # as keys were before there were such inputs
        text = json.dumps([CELL_VERSION, content], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    @property
    def label(self) -> str:
        """Short name for progress and logs."""
        return f"{self.task} {self.method.name} {self.fold} seed {self.seed}"


def configure(method: type[Method], preset: str | None, settings: dict[str, str]) -> tuple[str, dict[str, Any]]:
    """The preset's name and all option values of a method.

    Parameters
    ----------
    preset
        Name, or None for the method's first preset.
    settings
        Option -> text as typed after ``--set``; checked against the dataclass field's type.
    """
    if preset is None:
        preset = next(iter(method.presets), "")
    elif preset not in method.presets:
        known = ", ".join(method.presets) or "none"
        raise BadOption(f"{method.__name__} has no preset {preset!r}", f"its presets: {known}")
    fields = option_fields(method)
    types = typing.get_type_hints(method)
    values = {name: _default(field) for name, field in fields.items()}
    values.update(method.presets.get(preset, {}))
    for name, text in settings.items():
        if name not in fields:
            raise BadOption(f"{method.__name__} has no option {name!r}", f"its options: {', '.join(fields) or 'none'}")
        values[name] = parse_value(name, text, types[name])
    return preset, values


def option_fields(method: type[Method]) -> dict[str, dataclasses.Field[Any]]:
    """The options of a method: its dataclass fields by name."""
    found: tuple[dataclasses.Field[Any], ...] = dataclasses.fields(method) if dataclasses.is_dataclass(method) else ()
    return {field.name: field for field in found}


def _default(field: dataclasses.Field) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None if field.default is dataclasses.MISSING else field.default


def parse_value(name: str, text: str, expected: Any) -> Any:
    """An option's value from its text. Raises `BadOption` with the type that was expected."""
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(expected)
    except PydanticSchemaGenerationError:
        raise BadOption(f"--set {name}={text}: a {expected} cannot be typed", "set it in a preset") from None
    if text.lower() in ("none", "null") and type(None) in typing.get_args(expected):
        return None
    try:
        return adapter.validate_python(text)
    except ValidationError:
        pass
    try:
        return adapter.validate_json(text)
    except ValidationError:
        shown = getattr(expected, "__name__", str(expected))
        raise BadOption(f"--set {name}={text}: expected {shown}") from None
