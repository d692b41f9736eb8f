"""The machine that a bundle is for: its Python and its platform."""

from __future__ import annotations

import platform
import re
import sys
from dataclasses import dataclass

from ..errors import BadOption, near

GLIBC = (28, 27, 26, 24, 17, 12, 5)
"""Minor versions of glibc 2 whose wheels run on a system of 2018 or later."""

MACOS = (14, 13, 12, 11)


@dataclass(frozen=True)
class Machine:
    """A kind of machine.

    Attributes
    ----------
    python
        Version of Python, such as ``3.11``.
    system, processor
        As `platform.system` and `platform.machine` say.
    tags
        Platform tags of wheels that run there, the best first.
    """

    python: str
    system: str
    processor: str
    tags: tuple[str, ...]

    @property
    def told(self) -> str:
        """``Python 3.11 on Linux x86_64``."""
        return f"Python {self.python} on {self.system} {self.processor}"


def _linux(processor: str) -> tuple[str, str, tuple[str, ...]]:
    tags = (*(f"manylinux_2_{minor}_{processor}" for minor in GLIBC), f"manylinux2014_{processor}")
    old = tuple(f"{name}_{processor}" for name in ("manylinux2010", "manylinux1") if processor == "x86_64")
    return "Linux", processor, (*tags, *old, f"linux_{processor}")


def _macos(processor: str) -> tuple[str, str, tuple[str, ...]]:
    return "Darwin", processor, tuple(f"macosx_{v}_0_{kind}" for v in MACOS for kind in (processor, "universal2"))


PLATFORMS = {
    "linux_x86_64": _linux("x86_64"),
    "linux_aarch64": _linux("aarch64"),
    "macosx_arm64": _macos("arm64"),
    "macosx_x86_64": _macos("x86_64"),
}
"""Name -> system, processor and tags of wheels."""


def here() -> str:
    """Version of the Python that runs."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def machine_of(python: str | None, name: str | None) -> Machine | None:
    """Another machine by version of Python and name of platform; None where neither is given: one like this.

    Raises `BadOption`.
    """
    if python is None and name is None:
        return None
    if python is not None and not re.fullmatch(r"3\.\d{2}", python):
        raise BadOption(f"--python {python}: expected a version", "such as  --python 3.11")
    name = name or _own_platform()
    if name not in PLATFORMS:
        raise BadOption(
            f"--platform {name}: no such platform", near(name, PLATFORMS, f"one of: {', '.join(PLATFORMS)}")
        )
    system, processor, tags = PLATFORMS[name]
    return Machine(python or here(), system, processor, tags)


def this_machine() -> Machine:
    """The machine that runs this."""
    return Machine(here(), platform.system(), platform.machine(), ())


def _own_platform() -> str:
    own = platform.system(), platform.machine()
    found = [name for name, told in PLATFORMS.items() if told[:2] == own]
    if not found:
        raise BadOption(f"{' '.join(own)}: bundles are made for {', '.join(PLATFORMS)}", "give  --platform")
    return found[0]
