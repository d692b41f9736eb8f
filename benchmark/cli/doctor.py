"""``brainbench doctor``: what is installed, and what is missing for what."""

from __future__ import annotations

from ..extras import EXTRAS
from .options import JsonOption, StoreOption, out, store_path


def doctor(store: StoreOption = None, json_: JsonOption = False) -> None:
    """Say what is installed, what is missing for which task or method, and how to get it.

    Example:  brainbench doctor
    """
    import json

    from ..weights import summary

    report = {
        "system": system_lines(),
        "extras": extra_lines(),
        "data": data_lines(),
        "weights": summary(),
        "plugins": plugin_lines(),
        "store": store_lines(store_path(store)),
    }
    if json_:
        print(json.dumps(report, indent=1))
        return
    console = out()
    for title, lines in report.items():
        console.print(f"[bold]{title}[/bold]")
        for line in lines:
            console.print(f"  {line}", markup=False)


def system_lines() -> list[str]:
    """Versions, cores, memory, device."""
    import os
    import platform

    import psutil

    from ..home import home
    from ..system import harness_version, packages
    from .executing import choose_device

    memory = psutil.virtual_memory().total / 2**30
    versions = ", ".join(f"{name} {version}" for name, version in packages().items())
    return [
        f"brainbench {harness_version()}, Python {platform.python_version()}, {platform.platform()}",
        f"{os.cpu_count()} cores, {memory:.0f} GiB memory, device {choose_device('auto')}",
        versions,
        sandbox_line(),
        f"data in {home()}",
    ]


def sandbox_line() -> str:
    """The sandbox of ``run --isolated`` and ``verify --rerun``, or why there is none."""
    from ..errors import NoSandbox
    from ..sandbox import need_sandbox

    try:
        return f"sandbox: {need_sandbox().program}"
    except NoSandbox as error:
        return f"{error.message}; {error.hint}"


def extra_lines() -> list[str]:
    """Each extra: complete, or the command that completes it."""
    from importlib.util import find_spec

    from ..errors import need

    lines = []
    for extra, names in EXTRAS.items():
        missing = [name for name in names if find_spec(name) is None]
        if missing:
            lines.append(f"{extra}: missing {', '.join(missing)}; {need(extra, missing[0]).hint}")
        else:
            lines.append(f"{extra}: complete")
    return [*lines, java_line()]


def java_line() -> str:
    """The Java that METEOR and the tokenizer of captions would take, or what is lacking."""
    from ..errors import Unavailable
    from ..metrics.java import find_java

    try:
        java = find_java()
        return f"java: {java.program}, version {java.version}"
    except Unavailable as error:
        return f"java: missing; {error.hint}"


def data_lines() -> list[str]:
    """Each data set: installed, or how to get it."""
    from ..registry import entries, load_dataset

    lines = []
    for name in entries("datasets"):
        state = "installed" if load_dataset(name).installed() else "not installed (see `brainbench data list`)"
        lines.append(f"{name}: {state}")
    return lines


def plugin_lines() -> list[str]:
    """Plugins that cannot be imported, with their error."""
    from ..errors import PluginBroken
    from ..registry import BUILTIN, load_all

    lines = []
    for group in BUILTIN:
        loaded = list(load_all(group))
        broken = [(entry, error) for entry, error in loaded if isinstance(error, PluginBroken)]
        lines.append(f"{group}: {len(loaded) - len(broken)} work")
        lines += [f"  {entry.name} is broken: {error}" for entry, error in broken]
    return lines


def store_lines(path: object) -> list[str]:
    """How many records there are, and which are damaged."""
    from pathlib import Path

    from ..errors import StoreError
    from ..store import read_record

    lines = []
    files = sorted((Path(str(path)) / "records").glob("*/record.json"))
    for file in files:
        try:
            read_record(file)
        except StoreError as error:
            lines.append(str(error))
    return [f"{path}: {len(files) - len(lines)} records", *lines]
