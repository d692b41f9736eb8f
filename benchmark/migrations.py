"""Records of earlier schemas, read as today's: one step from each schema to the next. Files are never written anew."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeGuard

from pydantic_core import from_json

from .record import SCHEMA_VERSION, Record

Tree = dict[str, Any]

FIRST = re.compile(rb'\s*\{\s*"schema_version":\s*(\d{1,9})\b')
"""How a record's file begins."""


def parse_record(raw: bytes) -> Record:
    """A record from the bytes of its file, of today's schema or an earlier one. Raises `ValueError`."""
    hit = FIRST.match(raw)
    if hit and int(hit[1]) == SCHEMA_VERSION:
        return Record.model_validate_json(raw)
    tree = from_json(raw)
    if not isinstance(tree, dict):
        raise ValueError("not an object of JSON")
    return Record.model_validate(migrated(tree))


def migrated(tree: Tree) -> Tree:
    """The content of a record under today's schema. Raises `ValueError` for a schema that is not read."""
    version = tree.get("schema_version")
    if not is_read(version):
        raise ValueError(unreadable(version))
    for number in range(version, SCHEMA_VERSION):
        try:
            tree = STEPS[number](tree) | {"schema_version": number + 1}
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"not a record of schema {number} ({type(error).__name__}: {error})") from None
    return tree


def is_read(version: object) -> TypeGuard[int]:
    """Whether records of a schema are read."""
    return type(version) is int and version in READ


def unreadable(version: object) -> str:
    """What is said of a schema that is not read."""
    return f"schema {version}; this version reads {READ[0]} to {READ[-1]}"


def _cells_tell_their_host(tree: Tree) -> Tree:
    """1 to 2: the cost of a cell says on which machine it was computed. Of earlier ones that is not known.

    The record's own host does not tell it: that machine put the record together, others may have run its cells.
    """
    environment = tree["environment"]
    cells = {name: {**cost, "host": ""} for name, cost in environment["cells"].items()}
    return {**tree, "environment": {**environment, "cells": cells}}


STEPS: dict[int, Callable[[Tree], Tree]] = {1: _cells_tell_their_host}
"""Schema -> what makes it the next one."""

READ = (*STEPS, SCHEMA_VERSION)
"""Schemas that are read."""
