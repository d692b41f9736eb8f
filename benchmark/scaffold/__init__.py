"""``brainbench new method``: a package with one small, real model of a kind, its test, its card and its entry point.

The templates are working text: three names stand in them, and are replaced.
"""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from importlib.resources import files
from pathlib import Path

from ..errors import BadOption, unknown
from ..files import whole_folder
from ..registry import entries

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST = 40

MODELS = {
    "classification": "classification",
    "regression": "regression",
    "questions": "questions",
    "connectivity": "connectivity",
    "captioning": "texts",
    "description": "texts",
    "reasoning": "texts",
    "reconstruction": "reconstruction",
    "grounding": "grounding",
    "localisation": "localisation",
    "encoding": "encoding",
}
"""Kind -> template of its model."""

TASKS = {
    "classification": "abide1-asd",
    "regression": "abide1-age",
    "questions": "abide1-multi",
    "connectivity": "netsim-3",
    "encoding": "algonauts2025-val",
    **{
        name: f"nsd-{name.removesuffix('ing')}" if name == "captioning" else f"nsd-{name}"
        for name in ("captioning", "description", "reasoning", "reconstruction", "grounding", "localisation")
    },
}
"""Kind -> a task to start with."""


def new_method(name: str, kind: str, folder: Path) -> list[Path]:
    """Write the package of a new method into a folder that is not there yet, and return its files.

    Raises `BadOption` for a name that cannot be one or is taken and for a folder that exists, `UnknownName` for a
    kind.
    """
    check_name(name)
    if kind not in MODELS:
        raise unknown("kind", kind, MODELS)
    if folder.exists() or folder.is_symlink():
        raise BadOption(f"{folder} is there already", "nothing was written: choose another place with --to")
    module = name.replace("-", "_")
    wanted = {
        f"{module}/__init__.py": "init.py",
        f"{module}/method.py": f"{MODELS[kind]}.py",
        f"tests/test_{module}.py": "test.py",
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
    }
    folder.parent.mkdir(parents=True, exist_ok=True)
    with whole_folder(folder) as place:
        for path, template in wanted.items():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_text(filled(template, name, kind))
    return [folder / path for path in wanted]


def filled(template: str, name: str, kind: str) -> str:
    """A template with the names of a method in it."""
    text = (files(__name__) / "templates" / f"{template}.txt").read_text()
    if MODELS[kind] == "texts":
        text = text.replace('"captioning"', f'"{kind}"')
    if template == "README.md":
        text = text.replace("`classification`", f"`{kind}`").replace("TASK", TASKS[kind])
    for old, new in {
        "MyMethod": class_name(name),
        "my_method": name.replace("-", "_"),
        "my-method": name,
        "My method": name.replace("-", " ").capitalize(),
    }.items():
        text = text.replace(old, new)
    return aligned(text) if template == "README.md" else text


def aligned(text: str) -> str:
    """A page whose comments behind commands begin in one column, however long the names in the commands are."""
    lines = text.splitlines()
    behind = {place: re.split(r" {2,}# ", line, maxsplit=1) for place, line in enumerate(lines)}
    told = {place: parts for place, parts in behind.items() if len(parts) == 2}
    width = max(len(command) for command, _ in told.values())
    for place, (command, comment) in told.items():
        lines[place] = f"{command:{width}}  # {comment}"
    return "\n".join(lines) + "\n"


def class_name(name: str) -> str:
    """Such as ``MyMethod`` for ``my-method``."""
    return "".join(part.capitalize() for part in name.split("-"))


def check_name(name: str) -> None:
    """Raise `BadOption` for a name that is none, or that something else has already."""
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        near = re.sub(r"[^a-z0-9]+", "-", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()).strip("-0123456789")
        hint = f"such as  {near[:LONGEST].strip('-')}" if near else "such as  my-method"
        raise BadOption(
            f"{name!r} is no name of a method: lower-case letters and digits with single hyphens, at most {LONGEST}",
            hint,
        )
    if name in entries("methods"):
        raise BadOption(f"there is a method {name!r} already", f"choose another name; see  brainbench methods {name}")
    module = name.replace("-", "_")
    taken = keyword.iskeyword(module) or module in sys.stdlib_module_names or importlib.util.find_spec(module)
    if taken or class_name(name) in ("Method", "Card", "Context", "Train", "TaskInfo", "Graphs", "Network", "Answers"):
        raise BadOption(f"{name!r} would make a package {module!r}, and Python has one of that name", f"try  my-{name}")
