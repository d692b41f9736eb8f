"""What a bundle has to hold: plugins, the extras that their source asks for, and the names of weights."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

from ..contracts import Task
from ..errors import BadOption, unknown
from ..extras import EXTRAS
from ..kinds import get_kind
from ..plan import Request, resolve_method, split_control
from ..registry import Entry, find, load_dataset, load_metric, load_task
from ..source import source_files


@dataclass(frozen=True)
class Wanted:
    """What a command needs.

    Attributes
    ----------
    tasks
        The tasks, those first that others take labelled data from.
    options
        Name of a method -> its option values.
    extras
        Extras that bring the packages.
    plugins
        Installed packages, beside this one, that bring a task, method or metric.
    """

    tasks: tuple[Task, ...]
    options: Mapping[str, Mapping[str, Any]]
    extras: tuple[str, ...]
    plugins: tuple[Distribution, ...]

    @property
    def metrics(self) -> set[str]:
        """Names of all metrics."""
        return {name for task in self.tasks for name in task.metrics}


def wanted(request: Request, extras: Iterable[str] = ()) -> Wanted:
    """What a run of a request would need. ``extras`` stand in the place of those that the source asks for.

    Raises `UnknownName`, and `BadOption` for a plugin that is a file: it is in no package.
    """
    tasks = with_sources([load_task(name)[0] for name in request.tasks])
    methods = {name: resolve_method(request, name) for name in request.methods}
    entries = [find("tasks", task.name.partition("@")[0]) for task in tasks]
    entries += [find("methods", split_control(name)[0]) for name in methods]
    entries += [find("metrics", name.partition(":")[0]) for task in tasks for name in task.metrics]
    plugins = packages_of(entries)
    chosen = tuple(dict.fromkeys(extras))
    for name in chosen:
        if name not in (*EXTRAS, "smollm2", "none"):
            raise unknown("extra", name, (*EXTRAS, "smollm2", "none"))
    parts: list[type] = [type(get_kind(task.kind)) for task in tasks] + [
        type(load_dataset(task.dataset)) for task in tasks
    ]
    parts += [type(load_metric(name)) for task in tasks for name in task.metrics]
    parts += [method for method, _ in methods.values()]
    return Wanted(
        tasks=tasks,
        options={name: spec.options for name, (_, spec) in methods.items()},
        extras=tuple(name for name in chosen if name != "none") if chosen else extras_of(parts),
        plugins=plugins,
    )


def with_sources(tasks: Iterable[Task]) -> tuple[Task, ...]:
    """Tasks, and those whose labelled data they take."""
    found: dict[str, Task] = {}
    for task in tasks:
        for name in task.sources if task.uses_sources else ():
            found.setdefault(name, load_task(name)[0])
        found[task.name] = task
    return tuple(found.values())


def packages_of(entries: Iterable[Entry]) -> tuple[Distribution, ...]:
    """The installed packages behind plugins, without this one. Raises `BadOption` for a file."""
    names: dict[str, None] = {}
    for entry in entries:
        if entry.origin == "path":
            raise BadOption(
                f"{entry.name}: a bundle holds installed packages, and this is a file",
                f"make a package of it:  brainbench new {entry.group[:-1]} NAME   then  uv pip install -e ./NAME",
            )
        if entry.origin != "built-in":
            names[entry.origin] = None
    return tuple(distribution(name) for name in names)


def extras_of(plugins: Iterable[type]) -> tuple[str, ...]:
    """The extras that bring what the source of plugins imports, function-level imports included."""
    files = {file for plugin in plugins for file in source_files(plugin)}
    return covering({name for file in files for name in imported(file)})


def covering(modules: set[str]) -> tuple[str, ...]:
    """Extras that bring all of these modules which any brings: each time that with most, and of these the smallest."""
    chosen = []
    left = modules & {name for names in EXTRAS.values() for name in names}
    while left:
        best = max(EXTRAS, key=lambda extra: (len(left & set(EXTRAS[extra])), -len(EXTRAS[extra])))
        chosen.append(best)
        left -= set(EXTRAS[best])
    return tuple(chosen)


def imported(file: Path) -> Iterator[str]:
    """Names of the packages that a file imports, wherever in it."""
    if file.suffix != ".py":
        return
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.partition(".")[0]
