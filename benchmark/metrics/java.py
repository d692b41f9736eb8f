"""Java, where a metric of the field runs in it: found, and its version checked."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from ..errors import Unavailable, need

LEAST = 8
"""Oldest major version that the field's jars run under."""

NEWEST = 1000
"""Above any version."""

HOW = (
    "install a Java runtime, such as  apt install default-jre-headless  |  brew install openjdk  |  "
    "conda install -c conda-forge openjdk   and put it on PATH or name its folder in JAVA_HOME"
)

# The jars read numbers and texts by the locale unless they are told.
OPTIONS = ("-Duser.language=en", "-Duser.country=US", "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8")


@dataclass(frozen=True)
class Java:
    """A Java that runs: its program, and its major version (8, 11, 17 ...)."""

    program: str
    version: int

    def command(self, *arguments: str) -> list[str]:
        """Program and arguments, for `subprocess` without a shell."""
        return [self.program, *OPTIONS, *arguments]


def find_java(least: int = LEAST, most: int = NEWEST) -> Java:
    """The Java of JAVA_HOME, else of PATH, whose version is in a range. Raises `Unavailable` where there is none."""
    found = _javas(os.environ.get("JAVA_HOME", ""), os.environ.get("PATH", ""))
    for java in found:
        if least <= java.version <= most:
            return java
    if not found:
        raise Unavailable("no Java is found in JAVA_HOME or on PATH", HOW)
    told = ", ".join(f"{java.program} is version {java.version}" for java in found)
    if most == NEWEST:
        raise Unavailable(f"Java {least} or newer is needed; {told}", HOW)
    raise Unavailable(
        f"Java {least} to {most} is needed; {told}",
        f"bring one beside it, such as  conda create -p FOLDER -c conda-forge openjdk={least}   and name its folder "
        "in JAVA_HOME, which is looked at first",
    )


@lru_cache(maxsize=8)
def _javas(home: str, path: str) -> tuple[Java, ...]:
    """Those that run, the one of JAVA_HOME first."""
    named = shutil.which("java", path=str(Path(home) / "bin")) if home else None
    programs = [program for program in (named, shutil.which("java", path=path)) if program]
    versions = [(program, _version(program)) for program in dict.fromkeys(programs)]
    return tuple(Java(program, version) for program, version in versions if version)


def _version(program: str) -> int:
    """Major version; 0 where the program does not tell one."""
    try:
        done = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return 0
    match = re.search(r'version "(?:1\.)?(\d+)', done.stderr + done.stdout)
    return int(match[1]) if match else 0


def jars(*parts: str) -> Path:
    """A file or folder of the package pycocoevalcap, which brings the jars. Raises `Unavailable` without it."""
    spec = find_spec("pycocoevalcap")
    if spec is None or not spec.submodule_search_locations:
        missing = need("captions", "pycocoevalcap")
        raise Unavailable(missing.message, missing.hint)
    return Path(next(iter(spec.submodule_search_locations)), *parts)
