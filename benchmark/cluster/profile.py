"""The profile of a batch queue: what its jobs ask for, in a TOML file that people of one cluster share."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import BadOption, near

UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class Profile(BaseModel):
    """What each job asks for, and how many there may be.

    Attributes
    ----------
    queue, account
        Queue (SLURM: partition) and account (LSF, SGE: project); "" for the cluster's own.
    walltime
        ``HH:MM:SS`` of a job. A cell that runs when it ends is run again, so it must be longer than the longest cell.
    cores, memory, gpus
        Of a job, such as 8, "32GB" and 1.
    threads
        CPU threads of a cell: a job runs cores / threads cells at once, and with GPUs at most one for each.
    minimum, maximum
        Number of jobs: between the two as there is work, and at once where they are equal.
    directives
        More lines of the script's head, as the queue's own command takes them: ``--constraint=skylake``.
    prologue
        Lines of shell before the worker starts: ``module load cuda``.
    python
        Interpreter on the nodes; "" for the path of the one that runs here.
    interface
        Network interface that scheduler and workers use, such as ib0; "" for the machine's first address.
    parallel_environment
        Of SGE: what ``-pe`` asks the cores of.
    tls
        Whether all connections are encrypted, under a certificate made for this run. Without, whoever reaches the
        scheduler's port on the network can run code as you.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    queue: str = ""
    account: str = ""
    walltime: str = Field(default="01:00:00", pattern=r"^\d+:\d\d:\d\d$", description='"HH:MM:SS"')
    cores: int = Field(default=1, ge=1)
    memory: str = "4GB"
    gpus: int = Field(default=0, ge=0)
    threads: int = Field(default=1, ge=1)
    minimum: int = Field(default=0, ge=0)
    maximum: int = Field(default=1, ge=1)
    directives: tuple[str, ...] = Field(default=(), description='a list, ["...", "..."]')
    prologue: tuple[str, ...] = Field(default=(), description='a list, ["...", "..."]')
    python: str = ""
    interface: str = ""
    parallel_environment: str = "smp"
    tls: bool = True

    @property
    def slots(self) -> int:
        """Cells that a job runs at once."""
        cells = self.cores // self.threads
        return min(cells, self.gpus) if self.gpus else cells

    @property
    def bytes(self) -> int:
        """Memory of a job in bytes."""
        return _bytes(self.memory)


def read_profile(path: Path, threads: int | None = None) -> Profile:
    """A profile from its file, with other ``threads`` where they are given.

    Raises `BadOption`, with the nearest name for a key that there is not.
    """
    try:
        content = tomllib.loads(path.read_text())
    except OSError as error:
        raise BadOption(f"--profile {path}: {error.strerror}", "docs/clusters.md shows one") from None
    except (ValueError, RecursionError) as error:
        raise BadOption(f"--profile {path}: {error}", "it is written in TOML: docs/clusters.md shows one") from None
    for name in content:
        if name not in Profile.model_fields:
            raise BadOption(
                f"--profile {path}: there is no {name!r}",
                near(name, Profile.model_fields, f"known: {', '.join(Profile.model_fields)}"),
            )
    try:
        profile = Profile.model_validate(content | ({"threads": threads} if threads else {}))
        profile.bytes  # noqa: B018 - read once, so that a wrong unit is told here
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        told = Profile.model_fields[name].description
        wrong = f"expected {told}" if told else first["msg"].lower()
        hint = "docs/clusters.md shows one"
        raise BadOption(f"--profile {path}: {name} = {content.get(name)!r}: {wrong}", hint) from None
    except ValueError as error:
        raise BadOption(f"--profile {path}: {error}") from None
    if profile.threads > profile.cores:
        raise BadOption(f"--profile {path}: threads = {profile.threads} of a cell, but a job has {profile.cores} cores")
    if profile.minimum > profile.maximum:
        raise BadOption(f"--profile {path}: minimum = {profile.minimum} is more than maximum = {profile.maximum}")
    return profile


def _bytes(text: str) -> int:
    """Bytes of ``16GB``, in powers of 1024 as the queues count them. Raises `ValueError`."""
    hit = re.fullmatch(r"(\d{1,15}(?:\.\d+)?)\s*([KMGT]?)i?B?", text.strip(), re.I)
    if hit is None:
        raise ValueError(f"memory = {text!r}: expected a size such as 16GB")
    return int(float(hit[1]) * UNITS[hit[2].upper()])
