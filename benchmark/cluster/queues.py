"""Batch queues: a scheduler here, and its workers as jobs. SLURM, PBS, LSF and SGE, through dask-jobqueue."""

from __future__ import annotations

import logging
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ClusterError, needing
from .profile import Profile

if TYPE_CHECKING:
    from dask_jobqueue.core import JobQueueCluster

MIB = 2**20


def slurm(profile: Profile) -> dict[str, Any]:
    """Options of dask-jobqueue for SLURM."""
    cards = [f"--gres=gpu:{profile.gpus}"] * bool(profile.gpus)
    return {"account": profile.account or None, "job_cpu": profile.cores, "job_extra_directives": cards}


def pbs(profile: Profile) -> dict[str, Any]:
    """Options of dask-jobqueue for PBS."""
    cards = f":ngpus={profile.gpus}" * bool(profile.gpus)
    chunk = f"select=1:ncpus={profile.cores}:mem={ceil(profile.bytes / MIB)}MB{cards}"
    return {"account": profile.account or None, "resource_spec": chunk, "job_extra_directives": []}


def lsf(profile: Profile) -> dict[str, Any]:
    """Options of dask-jobqueue for LSF, which takes hours and minutes."""
    cards = [f'-gpu "num={profile.gpus}"'] * bool(profile.gpus)
    return {
        "project": profile.account or None,
        "ncpus": profile.cores,
        "mem": profile.bytes,
        "walltime": profile.walltime.rpartition(":")[0],
        "job_extra_directives": cards,
    }


def sge(profile: Profile) -> dict[str, Any]:
    """Options of dask-jobqueue for SGE. How it calls memory differs from site to site: that is a directive."""
    cards = [f"-l gpu={profile.gpus}"] * bool(profile.gpus)
    cores = [f"-pe {profile.parallel_environment} {profile.cores}"] * (profile.cores > 1)
    return {"project": profile.account or None, "job_extra_directives": cores + cards}


QUEUES: dict[str, tuple[str, Callable[[Profile], dict[str, Any]]]] = {
    "slurm": ("SLURMCluster", slurm),
    "pbs": ("PBSCluster", pbs),
    "lsf": ("LSFCluster", lsf),
    "sge": ("SGECluster", sge),
}
"""Executor -> the class of dask-jobqueue, and what it is given."""


def job_options(name: str, profile: Profile, logs: Path) -> dict[str, Any]:
    """What dask-jobqueue is given for the jobs of a queue: one worker in each, with a slot for each cell."""
    own = QUEUES[name][1](profile)
    extra = ["--resources", f"GPU={profile.gpus}"] if profile.gpus else []
    return {
        "queue": profile.queue or None,
        "walltime": profile.walltime,
        "cores": profile.slots,
        "processes": 1,
        "memory": f"{profile.bytes}B",
        "job_name": "brainbench",
        "job_script_prologue": list(profile.prologue),
        "python": profile.python or sys.executable,
        "interface": profile.interface or None,
        "log_directory": str(logs),
        "worker_extra_args": extra,
        **own,
        "job_extra_directives": [*own["job_extra_directives"], *profile.directives],
    }


def job_class(name: str) -> Any:
    """The class of dask-jobqueue for a queue. Raises `ExtraMissing`."""
    interrupt = signal.getsignal(signal.SIGINT)
    with needing("cluster", "dask_jobqueue", "distributed", "dask"):
        import dask_jobqueue
    signal.signal(signal.SIGINT, interrupt)  # dask-jobqueue 0.9 sets one that ends the process as if all were well
    return getattr(dask_jobqueue, QUEUES[name][0])


def job_script(name: str, profile: Profile, logs: Path) -> str:
    """The script of a job as it is submitted, with a placeholder for the scheduler's address."""
    protocol = "tls" if profile.tls else "tcp"
    job = job_class(name).job_cls(
        f"{protocol}://SCHEDULER:PORT", name="brainbench-0", **job_options(name, profile, logs)
    )
    return str(job.job_script())


class Refused(RuntimeError):
    """Why a queue does not take a job: told once, by `Workers.check`."""


def untold(line: logging.LogRecord) -> bool:
    """Whether a line of a log is no `Refused`: Tornado and asyncio print each with the way that it took."""
    return not (line.exc_info and isinstance(line.exc_info[1], Refused))


def noting(job: Any, refused: list[str]) -> Any:
    """A class of jobs that notes why a queue refuses one: by itself Dask only logs that, and waits for ever."""

    async def submit(self: Any, script: str) -> Any:
        try:
            return await job._submit_job(self, script)
        except (RuntimeError, OSError) as error:
            refused.append(" ".join(str(error).rpartition("stderr:")[2].split()) or str(error))
            raise Refused(refused[-1]) from None

    return type(job.__name__, (job,), {"_submit_job": submit})


@contextmanager
def jobs(name: str, profile: Profile, logs: Path) -> Iterator[tuple[JobQueueCluster, list[str]]]:
    """A scheduler on this machine with jobs of a queue, which are cancelled at the end; and why jobs were refused.

    Raises `ClusterError` where the queue's commands are not found.
    """
    kind = job_class(name)
    refused: list[str] = []
    submit = kind.job_cls.submit_command.split()[0]
    if shutil.which(submit) is None:
        raise ClusterError(f"{submit} is not found on this machine", f"run it where jobs of {name} can be submitted")
    logs.mkdir(parents=True, exist_ok=True)
    for logger in ("tornado.application", "asyncio"):
        logging.getLogger(logger).addFilter(untold)
    cluster = kind(
        job_cls=noting(kind.job_cls, refused),
        **job_options(name, profile, logs),
        security=True if profile.tls else None,
        shared_temp_directory=str(logs),
        scheduler_options={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
    )
    try:
        if profile.minimum == profile.maximum:
            cluster.scale(jobs=profile.maximum)
        else:
            cluster.adapt(minimum_jobs=profile.minimum, maximum_jobs=profile.maximum, target_duration="1s")
        yield cluster, refused
    finally:
        with suppress(Exception):  # what cannot be cancelled ends by itself: its scheduler is gone
            cluster.close(timeout=20)
