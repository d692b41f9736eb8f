"""The source files of a submitted method: copied beside its records, for whoever runs it again."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from ..cells import MethodSpec
from ..contracts import Method
from ..errors import BadOption, UnknownName
from ..registry import load_method, refuse_unasked
from ..source import source_files, source_hash
from .layout import METHOD, most_bytes, wrong_path
from .remake import OUTSIDE

RUN_AGAIN = "run it again, so that what is submitted is what was run"


@dataclass(frozen=True)
class Source:
    """Where a method comes from.

    Attributes
    ----------
    ref
        As in `brainbench.benchmark.submitting.layout.Manifest.source`.
    files
        Path inside the submission -> file to copy.
    """

    ref: str
    files: dict[str, Path]


def source_of(spec: MethodSpec) -> Source:
    """The files of a method, as it was run. None of the project's own methods, nor of one that was run elsewhere.

    Raises `BadOption` where the source is not the one that was run, or holds files that a submission may not.
    """
    if spec.ref.startswith(OUTSIDE):
        return Source("", {})
    refuse_unasked(spec.ref)
    try:
        plugin, entry = load_method(spec.ref)
    except UnknownName:
        raise BadOption(f"the source of {spec.name} is not where it was: {spec.ref}", RUN_AGAIN) from None
    if entry.origin == "built-in":  # the record says which version of it was run
        return Source(entry.name, {})
    if source_hash(plugin) != spec.source:
        raise BadOption(f"the source of {spec.name} has changed since it was run", RUN_AGAIN)
    own = Path(sys.modules[plugin.__module__].__file__ or "").resolve()
    files = source_files(plugin) | {own}
    root = root_of(plugin, own)
    named = {f"{METHOD}/{file.relative_to(root).as_posix()}": file for file in sorted(files)}
    for path, file in named.items():
        wrong = wrong_path(path)
        if wrong or file.stat().st_size > (most_bytes(path) or 0):
            raise BadOption(
                f"{file} cannot be submitted: {wrong or 'too large for a source file'}", "rename or split it"
            )
    return Source(f"{METHOD}/{own.relative_to(root).as_posix()}:{plugin.__name__}", named)


def root_of(plugin: type[Method], own: Path) -> Path:
    """The folder that holds a method's file, or the package that it is in."""
    name = plugin.__module__
    if name.startswith("brainbench_plugin_"):
        return own.parent
    return own.parents[name.count(".") + (own.name == "__init__.py")]
