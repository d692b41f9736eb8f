"""Names to plugins, lazily: built-ins, entry points of installed packages, or a path.

A built-in is a line ``name: "module:attribute"`` in the table of its package; an entry point is
declared by any installed package under ``brainbench.tasks``, ``.methods``, ``.metrics`` or
``.datasets``; a path is ``./my.py:MyMethod``. Nothing is imported before it is asked for.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module, metadata
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from .contracts import Dataset, Method, Metric, Task
from .errors import BadOption, PluginBroken, UnknownName, unknown
from .home import home

ROOT = __name__.split(".", maxsplit=1)[0]

BUILTIN = {
    "tasks": ((f"{ROOT}.tasks", "TASKS"),),
    "methods": ((f"{ROOT}.baselines", "METHODS"), (f"{ROOT}.methods", "METHODS")),
    "metrics": ((f"{ROOT}.benchmark.metrics", "METRICS"),),
    "datasets": ((f"{ROOT}.benchmark.datasets", "DATASETS"),),
}
"""Group -> packages with a table of names. The engine knows the tables, never a name in them."""

EXPECTED = {"tasks": Task, "methods": Method, "metrics": Metric, "datasets": Dataset}


@dataclass(frozen=True)
class Entry:
    """A name that can be loaded.

    Attributes
    ----------
    group, name
        What and how it is called.
    target
        ``module:attribute``, ``module:TABLE/key``, or ``/path/file.py:attribute``.
    origin
        "built-in", the distribution that brings it, or "path".
    """

    group: str
    name: str
    target: str
    origin: str

    @property
    def ref(self) -> str:
        """What finds it again from any folder: the name, or the absolute path."""
        return self.target if self.origin == "path" else self.name

    def load(self) -> Any:
        """Import the plugin. Raises `PluginBroken` with the plugin's own error."""
        where, _, attribute = self.target.rpartition(":")
        try:
            module = _import_file(Path(where)) if where.endswith(".py") else import_module(where)
            name, _, key = attribute.partition("/")
            plugin = getattr(module, name)[key] if key else getattr(module, name)
        except (Exception, SystemExit) as error:  # a script may end its process
            raise PluginBroken(
                f"{self.group[:-1]} {self.name!r} ({self.target}) cannot be imported: {type(error).__name__}: {error}",
                "mend the plugin, or install what it needs",
            ) from error
        expected = EXPECTED[self.group]
        if not (isinstance(plugin, expected) or (isinstance(plugin, type) and issubclass(plugin, expected))):
            raise PluginBroken(
                f"{self.target} is not a {expected.__name__}", f"derive it from brainbench.{expected.__name__}"
            )
        lacking = [name for name in ("card", "supports") if self.group == "methods" and not hasattr(plugin, name)]
        if lacking:
            raise PluginBroken(f"{self.target} has no {' and no '.join(lacking)}", "see docs/plugins.md")
        if self.origin == "path":
            _note_asked(Path(where))
        return plugin


def refuse_unasked(*names: str) -> None:
    """Raise `BadOption` for a plugin that a record names by its file, unless it was named on this machine before.

    Records come from anybody: no code is run because they name it. A file that a person typed is noted in the data
    folder when it is run.
    """
    for name in names:
        plugin = name.partition("@")[0]
        if ".py:" in plugin and not _asked(file := Path(plugin.rpartition(":")[0]).expanduser().resolve()).is_file():
            raise BadOption(
                f"the record names a file of code that was never asked for here: {file}",
                f"read it, and if you trust it name it yourself, once:  brainbench tasks {plugin}"
                f"   (of a method:  brainbench methods {plugin})",
            )


def _asked(file: Path) -> Path:
    """The mark of a file of plugins that a person named."""
    return home() / "plugins" / hashlib.sha256(str(file).encode()).hexdigest()[:32]


def _note_asked(file: Path) -> None:
    mark = _asked(file)
    with suppress(OSError):  # nothing is lost but that it must be named again
        if not mark.is_file():
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()


@cache
def installed_points(group: str) -> tuple[metadata.EntryPoint, ...]:
    """Entry points of a group; installed packages are listed once a process."""
    return tuple(metadata.entry_points(group=f"brainbench.{group}"))


def entries(group: str) -> dict[str, Entry]:
    """All known names of a group. Built-ins win over entry points of the same name."""
    found: dict[str, Entry] = {}
    for point in installed_points(group):
        origin = point.dist.name if point.dist else "installed package"
        found[point.name] = Entry(group, point.name, f"{point.module}:{point.attr}", origin)
    for package, table in BUILTIN[group]:
        for name, target in getattr(import_module(package), table).items():
            found[name] = Entry(group, name, f"{package}.{target}", "built-in")
    return dict(sorted(found.items(), key=lambda item: _natural(item[0])))


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key that puts ``netsim-2`` before ``netsim-10``."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def find(group: str, name: str) -> Entry:
    """The entry of a name or path. Raises `UnknownName` with the nearest names."""
    if ".py:" in name:
        file, _, attribute = name.rpartition(":")
        path = Path(file).expanduser().resolve()
        if not path.is_file():
            raise UnknownName(f"no file {path}", f"a path plugin is written ./file.py:{attribute or 'Name'}")
        return Entry(group, f"{path.stem}:{attribute}", f"{path}:{attribute}", "path")
    known = entries(group)
    if name not in known:
        if name.endswith(".py"):
            raise UnknownName(f"no {group[:-1]} {name!r}", f"name what is in the file:  {name}:Name")
        raise unknown(group[:-1], name, known)
    return known[name]


def load_task(name: str) -> tuple[Task, str]:
    """A task, with its regime applied when the name holds an ``@``, and what finds it again."""
    base, at, regime = name.partition("@")
    entry = find("tasks", base)
    task: Task = entry.load()
    if at and not regime:
        raise BadOption(
            f"{name}: no regime after the @", f"use  {base}  or one of: {', '.join(task.regimes) or 'none'}"
        )
    return (task.regime(regime) if regime else task), entry.ref + at + regime


def load_method(name: str) -> tuple[type[Method], Entry]:
    """A method's class."""
    entry = find("methods", name)
    method: type[Method] = entry.load()
    return method, entry


def load_metric(name: str) -> Metric:
    """A metric, or a part of one that has parts: ``balanced-field-accuracy:sex``. Raises `UnknownName`."""
    base, _, part = (name, "", "") if ".py:" in name else name.partition(":")
    metric: Metric = find("metrics", base).load()()
    return metric.variant(part) if part else metric


def load_dataset(name: str) -> Dataset:
    """A data set, or a part of one that has parts: ``netsim:3``. Raises `UnknownName`."""
    base, _, part = (name, "", "") if ".py:" in name else name.partition(":")
    dataset: type[Dataset] = find("datasets", base).load()
    if not part:
        return dataset()
    if not dataset.parts:
        raise UnknownName(f"data set {base!r} has no parts, such as {part!r}", f"write:  {base}")
    return dataset(part)  # type: ignore[call-arg]


def suites() -> dict[str, tuple[str, ...]]:
    """Suite name -> task names."""
    found: dict[str, tuple[str, ...]] = getattr(import_module(f"{ROOT}.tasks"), "SUITES", {})
    return found


def _import_file(path: Path) -> Any:
    """Import a file by its path; its folder becomes importable, as for a script."""
    name = f"brainbench_plugin_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = module_from_spec(spec)
    sys.modules[name] = module
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def load_all(group: str) -> Iterator[tuple[Entry, Any | PluginBroken]]:
    """Every entry of a group with its plugin, or the error that its import raised."""
    for entry in entries(group).values():
        try:
            yield entry, entry.load()
        except PluginBroken as error:
            yield entry, error
