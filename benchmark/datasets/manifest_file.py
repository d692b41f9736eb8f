"""Folders that a manifest describes: reading it, and holding the folder's files against it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from ..errors import BadData, DataMissing

AGAIN = "import or simulate it again"

Model = TypeVar("Model", bound=BaseModel)


class File(BaseModel):
    """Size and SHA-256 of a file."""

    model_config = ConfigDict(extra="forbid")

    bytes: Annotated[int, Field(ge=0)]
    digest: str


def read_manifest(file: Path, model: type[Model], what: str) -> Model:
    """A manifest of ``what``. Raises `DataMissing` where there is none, or `BadData` when it is not one."""
    if not file.is_file():
        raise DataMissing(f"no {what} at {file.parent}", "see `brainbench data list`")
    try:
        return model.model_validate_json(file.read_bytes())
    except (OSError, ValueError) as error:  # pydantic's ValidationError is a ValueError
        reason = str(error).splitlines()[-2 if "\n" in str(error) else 0].strip()
        raise BadData(f"{file}: not a manifest of {what} ({reason})", AGAIN) from None


def refuse_sizes(folder: Path, files: Mapping[str, int]) -> None:
    """Raise `BadData` for the first file (name -> bytes) that has another size, or is not there."""
    for name, expected in files.items():
        size = (folder / name).stat().st_size if (folder / name).is_file() else 0
        if size != expected:
            raise BadData(f"{folder / name}: {size} bytes, the manifest says {expected}: truncated or replaced", AGAIN)
