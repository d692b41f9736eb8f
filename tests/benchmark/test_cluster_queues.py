"""Batch queues: profiles, job scripts, and a run whose jobs are submitted by the queue's own commands."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from dask_machines import until

from brainbench.benchmark.cluster.opening import make_order, queue_pool
from brainbench.benchmark.cluster.profile import Profile, read_profile
from brainbench.benchmark.cluster.queues import job_script
from brainbench.benchmark.errors import BadOption, ClusterError
from brainbench.benchmark.run import Settings, run
from support import MOCKS, plan_of

PROFILE = """
queue = "short"
account = "lab7"
walltime = "02:30:00"
cores = 8
memory = "32GB"
gpus = 2
threads = 4
maximum = 10
directives = ["--mail-type=END"]
prologue = ["module load cuda"]
"""

SBATCH = """#!/bin/sh
grep -q "SBATCH -p closed" "$1" && { echo "sbatch: error: invalid partition specified: closed" >&2; exit 1; }
cp "$1" "$QUEUE/$$.sh"
setsid sh "$QUEUE/$$.sh" > "$QUEUE/$$.out" 2>&1 &
echo $! > "$QUEUE/$$.pid"
echo "Submitted batch job $$"
"""

SCANCEL = """#!/bin/sh
echo "$1" >> "$QUEUE/cancelled"
kill -TERM -- -"$(cat "$QUEUE/$1.pid")"
"""


@pytest.fixture
def profile(tmp_path) -> Path:
    path = tmp_path / "profile.toml"
    path.write_text(PROFILE)
    return path


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """A folder of jobs that run at once on this machine, by commands with the names and the answers of SLURM's."""
    programs, folder = tmp_path / "bin", tmp_path / "queue"
    for place in (programs, folder):
        place.mkdir()
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("QUEUE", str(folder))
    yield folder
    for path in folder.glob("*.pid"):
        try:
            os.killpg(int(path.read_text()), signal.SIGKILL)
        except ProcessLookupError:
            continue


HEADS = {
    "slurm": ["#SBATCH -p short", "#SBATCH -A lab7", "#SBATCH --cpus-per-task=8", "#SBATCH --mem=32G",
              "#SBATCH -t 02:30:00", "#SBATCH --gres=gpu:2", "#SBATCH --mail-type=END"],
    "pbs": ["#PBS -q short", "#PBS -A lab7", "#PBS -l select=1:ncpus=8:mem=32768MB:ngpus=2",
            "#PBS -l walltime=02:30:00", "#PBS --mail-type=END"],
    "lsf": ["#BSUB -q short", '#BSUB -P "lab7"', "#BSUB -n 8", "#BSUB -W 02:30", '#BSUB -gpu "num=2"',
            "#BSUB --mail-type=END"],
    "sge": ["#$ -q short", "#$ -P lab7", "#$ -pe smp 8", "#$ -l h_rt=02:30:00", "#$ -l gpu=2", "#$ --mail-type=END"],
}  # fmt: skip


@pytest.mark.parametrize("name", HEADS)
def test_a_job_script_asks_for_what_the_profile_says(name, profile, tmp_path):
    lines = job_script(name, read_profile(profile), tmp_path / "jobs").splitlines()
    assert [line for line in HEADS[name] if line not in lines] == []
    assert lines.index("module load cuda") == len(lines) - 2
    assert "--nthreads 2" in lines[-1]
    assert "--resources GPU=2" in lines[-1]
    assert " tls://" in lines[-1]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("wall_time = '1:00:00'", "did you mean 'walltime'"),
        ("walltime = '1h'", "walltime = '1h': expected \"HH:MM:SS\""),
        ("prologue = 'module load cuda'", "expected a list"),
        ("cores = 0", "cores = 0: input should be greater"),
        ("memory = 'lots'", "expected a size such as 16GB"),
        ("cores = 2\nthreads = 4", "a job has 2 cores"),
        ("minimum = 3\nmaximum = 2", "more than maximum"),
        ("cores = ", "TOML"),
        pytest.param(f"queue = {'[' * 10_000}", "TOML", id="deep"),
        pytest.param(f"memory = '{'9' * 400}GB'", "expected a size", id="endless"),
    ],
)
def test_a_profile_with_a_slip_is_refused(text, told, tmp_path):
    path = tmp_path / "profile.toml"
    path.write_text(text)
    with pytest.raises(BadOption) as error:
        read_profile(path)
    assert told in str(error.value)


def test_a_job_runs_as_many_cells_as_it_has_cores_and_cards_for():
    assert Profile(cores=8, threads=2).slots == 4
    assert Profile(cores=8, threads=2, gpus=1).slots == 1
    assert Profile(memory="1.5G").bytes == 3 << 29


def brainbench(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from brainbench.benchmark.cli import main; main()", *arguments]


def test_a_run_submits_jobs_and_cancels_them(queue, tmp_path):
    """The whole command, with encrypted connections: a job of one cell, and the records at the end."""
    path = tmp_path / "profile.toml"
    path.write_text("minimum = 1\nmemory = '2GB'\n")
    done = subprocess.run(
        brainbench("run", "--task", f"{MOCKS}:CLASSIFICATION", "--method", f"{MOCKS}:FirstRoi", "--executor", "slurm",
                   "--profile", str(path), "--store", str(tmp_path / "runs"), "--json"),
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (record,) = json.loads(done.stdout)
    assert (record["status"], record["environment"]["executor"]) == ("ok", "slurm")
    jobs = {path.stem for path in queue.glob("*.sh")}
    assert len(jobs) == 1
    assert set((queue / "cancelled").read_text().split()) == jobs
    leaders = [int(path.read_text()) for path in queue.glob("*.pid")]
    until(lambda: not any(map(psutil.pid_exists, leaders)))
    assert not list((tmp_path / "runs" / "work").iterdir())


def test_ctrl_c_stays_an_interrupt():
    """The library would turn it into an end with exit code 0."""
    code = "import signal; from brainbench.benchmark.cluster.queues import job_class; job_class('slurm'); " \
           "assert signal.getsignal(signal.SIGINT) is signal.default_int_handler"  # fmt: skip
    subprocess.run([sys.executable, "-c", code], check=True)


class Lines(logging.Handler):
    """Keeps what a logger is told."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record)


def test_a_queue_that_refuses_jobs_is_said(queue, store, monkeypatch):
    """Once, by the run's error, and by no log of a library."""
    log = Lines()
    monkeypatch.setattr(logging.getLogger("tornado.application"), "handlers", [log])
    order = make_order(store, 1, 120, 0, False, "cpu")
    refused = Profile(queue="closed", tls=False)
    with (
        pytest.raises(ClusterError, match="invalid partition specified: closed") as told,
        queue_pool("slurm", refused, store, order, print) as pool,
    ):
        list(run(plan_of("CLASSIFICATION", "FirstRoi"), store, pool, Settings("cpu", 1), lambda cell, event: None))
    assert "--profile" in told.value.hint
    assert not log.lines


def test_a_machine_without_the_queue_is_said(store, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    order = make_order(store, 1, 120, 0, False, "cpu")
    with (
        pytest.raises(ClusterError, match="sbatch is not found"),
        queue_pool("slurm", Profile(), store, order, print),
    ):
        pass


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--executor", "slrum"), "did you mean 'slurm'"),
        (("--executor", "dask"), "go together"),
        (("--scheduler", "tcp://127.0.0.1:1"), "go together"),
        (("--executor", "slurm"), "go together"),
        (("--data", "simulated:full", "--shard", "0/3"), "expected I/N"),  # said before a twin is made
        (("--executor", "dask", "--scheduler", "tcp://127.0.0.1:1", "--jobs", "2"), "--jobs is of --executor local"),
        (("--executor", "dask", "--scheduler", "tcp://127.0.0.1:1", "--device", "cuda:1"), "each cell sees one GPU"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, told, capsys, monkeypatch):
    from brainbench.benchmark.cli import main

    monkeypatch.setattr(sys, "argv", ["brainbench", "run", "-t", "abide2-asd", "-m", "majority", *options])
    with pytest.raises(SystemExit) as error:
        main()
    assert error.value.code == 2
    assert told in capsys.readouterr().err


def test_a_dry_run_prints_the_job_script(profile, tmp_path, capsys, monkeypatch):
    from brainbench.benchmark.cli import main

    told = ["-t", f"{MOCKS}:CLASSIFICATION", "-m", f"{MOCKS}:FirstRoi", "--store", str(tmp_path / "runs")]
    asked = ["--executor", "slurm", "--profile", str(profile), "--dry-run"]
    monkeypatch.setattr(sys, "argv", ["brainbench", "run", *told, *asked])
    with pytest.raises(SystemExit) as error:
        main()
    assert error.value.code == 0
    assert "#SBATCH --gres=gpu:2" in capsys.readouterr().out
