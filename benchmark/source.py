"""Hash of a plugin's source: what the cache key must change with."""

from __future__ import annotations

import ast
import hashlib
import inspect
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from .errors import PluginBroken

ROOT = Path(__file__).resolve().parent.parent


def source_hash(plugin: type) -> str:
    """Hash of the files that a plugin is made of: see `source_files`."""
    digest = hashlib.sha256()
    for path in sorted(source_files(plugin)):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def source_files(plugin: type) -> set[Path]:
    """The files that a plugin is made of.

    Inside this package: its file and all that it imports relatively, followed, with the JSON tables of packages.
    In another package: every Python file of it. A single file: that file and the files beside it that it imports,
    followed.
    """
    try:
        file = Path(inspect.getfile(plugin)).resolve()
    except (OSError, TypeError):
        raise PluginBroken(f"{plugin.__name__} has no source file", "define it in a file") from None
    if file.is_relative_to(ROOT) and not plugin.__module__.startswith("brainbench_plugin_"):
        return closure(file, _relative_imports)
    if "." in plugin.__module__:
        top = file.parents[plugin.__module__.count(".") - (file.name != "__init__.py")]
        return set(top.rglob("*.py"))
    return closure(file, _sibling_imports)


def closure(start: Path, imports: Callable[[Path], Iterable[Path]]) -> set[Path]:
    """A file and every file that ``imports`` finds from it, followed."""
    found: set[Path] = set()
    todo = [start]
    while todo:
        file = todo.pop()
        if file not in found:
            found.add(file)
            todo.extend(imports(file))
    return found


@cache
def _relative_imports(file: Path) -> tuple[Path, ...]:
    """Files behind the relative imports of a file of this package, function-level ones too. Read once a process."""
    out: list[Path] = []
    if file.suffix != ".py":
        return ()
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = file.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            named = [base / alias.name for alias in node.names]
            modules = [path.with_suffix(".py") for path in (base, *named) if path.with_suffix(".py").is_file()]
            out += modules
            # Names may be taken from a package itself, beside which its tables lie.
            packages = [path for path in named if (path / "__init__.py").is_file()]
            if (base / "__init__.py").is_file() and len(modules) + len(packages) < len(named):
                packages.append(base)
            out += [file for path in packages for file in (path / "__init__.py", *path.glob("*.json"))]
    return tuple(out)


def _sibling_imports(file: Path) -> list[Path]:
    """Files and packages beside a file that it imports by name."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names.add(node.module.split(".")[0])
    found = [file.parent / f"{name}.py" for name in sorted(names)]
    packages = [path for name in sorted(names) for path in sorted((file.parent / name).rglob("*.py"))]
    return [path for path in found if path.is_file()] + packages
