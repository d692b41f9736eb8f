"""``brainbench tasks`` and ``brainbench methods``: what there is, and the card of one."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .options import JsonOption, out

NameArgument = Annotated[str | None, typer.Argument(metavar="[NAME]", help="Show the card of one.")]


def tasks(name: NameArgument = None, json_: JsonOption = False) -> None:
    """List the tasks, or show the card of one.

    Example:  brainbench tasks abide2-asd
    """
    from ..errors import PluginBroken
    from ..registry import load_all, load_dataset, load_task

    if name:
        task, _ = load_task(name)
        card = {
            "name": task.name,
            "title": task.title,
            "description": task.description,
            "kind": task.kind,
            "data set": task.dataset,
            "target": task.target,
            "classes": ", ".join(task.classes),
            "covariates a method may see": ", ".join(task.covariates),
            "split": task.split.name,
            "regimes": ", ".join(f"{task.name.partition('@')[0]}@{regime}" for regime in task.regimes),
            "metrics": ", ".join(task.metrics),
            "version": task.version,
            "data": load_dataset(task.dataset).card.access,
            "run": f"brainbench run --task {task.name} --method METHOD   (`brainbench methods --kind {task.kind}`)",
        }
        _show_card(card, json_)
        return
    rows = []
    for entry, found in load_all("tasks"):
        if isinstance(found, PluginBroken):
            rows.append({"task": entry.name, "kind": "", "data set": "", "regimes": "", "title": f"broken: {found}"})
        else:
            rows.append(
                {
                    "task": entry.name,
                    "kind": found.kind,
                    "data set": found.dataset,
                    "regimes": " ".join(f"@{regime}" for regime in found.regimes),
                    "title": found.title,
                }
            )
    _show_rows(rows, json_)


KindOption = Annotated[str | None, typer.Option("--kind", metavar="KIND", help="Only methods for this kind of task.")]


def methods(name: NameArgument = None, kind: KindOption = None, json_: JsonOption = False) -> None:
    """List the methods and baselines, or show the card of one with its options.

    Example:  brainbench methods fmri-lm
    """
    from ..errors import PluginBroken
    from ..registry import load_all, load_method

    if name:
        method, entry = load_method(name)
        card: dict[str, Any] = {
            "name": entry.name,
            **vars(method.card),
            "kinds": ", ".join(method.supports),
            "presets": ", ".join(method.presets) or "none",
            "controls": ", ".join(f"{entry.name}+{control}" for control in method.controls) or "none",
            "options": _options(method),
            "sweep": _space(method.space),
            "from": entry.origin,
        }
        _show_card(card, json_)
        return
    rows = []
    for entry, found in load_all("methods"):
        if isinstance(found, PluginBroken):
            rows.append({"method": entry.name, "kinds": "", "presets": "", "title": f"broken: {found}"})
        elif kind is None or kind in found.supports:
            rows.append(
                {
                    "method": entry.name,
                    "kinds": ", ".join(found.supports),
                    "presets": ", ".join(found.presets),
                    "title": found.card.title,
                }
            )
    _show_rows(rows, json_)


def _options(method: Any) -> str:
    """Options with their types and defaults, as they are typed after --set."""
    import dataclasses

    fields = dataclasses.fields(method) if dataclasses.is_dataclass(method) else ()
    return (
        "\n".join(
            f"{field.name}={'' if field.default is dataclasses.MISSING else field.default}   ({field.type})"
            for field in fields
        )
        or "none"
    )


def _space(space: Any) -> str:
    """What a sweep draws each option from, a space a paragraph where there are several; "" for none."""
    from collections.abc import Mapping

    lines = []
    for name, values in space.items():
        if isinstance(values, Mapping):
            lines += [f"member_space={name}", *(f"  {line}" for line in _space(values).splitlines())]
        else:
            lines.append(f"{name}: {', '.join(map(str, values))}")
    return "\n".join(lines)


def _show_card(card: dict[str, Any], as_json: bool) -> None:
    if as_json:
        import json

        print(json.dumps(card, indent=1))
        return
    from rich.markup import escape
    from rich.table import Table

    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for key, value in card.items():
        text = ", ".join(value) if isinstance(value, tuple) else str(value)
        if text:
            table.add_row(key.replace("_", " "), escape(text))
    out().print(table)


def _show_rows(rows: list[dict[str, str]], as_json: bool) -> None:
    if as_json:
        import json

        print(json.dumps(rows, indent=1))
        return
    from rich.markup import escape
    from rich.table import Table

    table = Table(*(rows[0] if rows else ()))
    for row in rows:
        table.add_row(*(escape(value) for value in row.values()))
    out().print(table)
