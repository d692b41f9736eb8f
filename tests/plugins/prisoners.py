"""Methods that try to get out of the sandbox, each in one way, on the mock classification task."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainbench import Card, Method


@dataclass
class Coin(Method):
    """A fair method: half and half. ``at`` is where a rogue looks or strikes."""

    at: str = ""
    card = Card("coin", "Says one half.")
    supports = ("classification",)

    def fit(self, train, context) -> None:
        self.found = self.act(context)

    def act(self, context):
        return None

    def predict(self, test, context):
        return np.full((len(test), 2), 0.5)

    def report(self):
        return {"found": self.found}


def attempt(action):
    """What an action gives, or the name of the error that stops it."""
    try:
        return action()
    except OSError as error:
        return type(error).__name__


class ReadsLabels(Coin):
    """Looks for the cohort by its path, and for tables anywhere on a disk that is not much more than Python."""

    def act(self, context):
        listed = []
        for folder, inside, files in os.walk("/"):
            inside[:] = [name for name in inside if name not in ("proc", "sys", "usr", "site-packages", "lib")]
            listed += [f"{folder}/{name}" for name in files if name in ("scans.parquet", "split.json", "record.json")]
            if len(listed) > 3:
                break
        return [attempt(lambda: len(Path(self.at, "scans.parquet").read_bytes())), listed]


class ReadsBeside(Coin):
    """Opens a table that lies beside its own source."""

    def act(self, context):
        return attempt(lambda: Path(__file__).with_name(self.at).read_text())


class ReadsEnvironment(Coin):
    def act(self, context):
        told = [attempt(path.read_text) for path in Path("/proc").glob("[0-9]*/environ")]
        return [os.environ.get("SECRET_TOKEN", ""), any(self.at in text for text in told), len(told)]


class Calls(Coin):
    """Opens a connection to a server of this machine, and asks for a name."""

    def act(self, context):
        def connect():
            with socket.create_connection(("127.0.0.1", int(self.at)), timeout=2) as link:
                return link.recv(5).decode()

        return [attempt(connect), attempt(lambda: socket.getaddrinfo("pypi.org", 443) and "a name")]


class Writes(Coin):
    """Writes to a folder of the user's, to the package and to its own source."""

    def act(self, context):
        import brainbench

        places = [Path(self.at), Path(brainbench.__file__).parent, Path(brainbench.__file__).parent / "benchmark"]
        told = [attempt(lambda place=place: (place / "was-here.txt").write_text("x")) for place in places]
        return [*told, attempt(lambda: Path(__file__).write_text("x"))]


class KillsAll(Coin):
    """Sends kill to the parent, to a process of the test's, and to all it may."""

    def act(self, context):
        told = [attempt(lambda: os.kill(int(self.at), signal.SIGKILL))]
        Path(context.workdir.parent / "out" / "told.txt").write_text(str(told))
        os.kill(-1, signal.SIGKILL)
        os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


class Forks(Coin):
    """A fork bomb."""

    def act(self, context):
        while True:
            try:
                os.fork()
            except OSError:
                time.sleep(0.01)


class Gorges(Coin):
    """Takes memory as fast as it can, and hides it from its own size in a child."""

    def act(self, context):
        if self.at == "child" and os.fork():
            os.wait()
        hoard = []
        while True:
            hoard.append(np.ones(1 << 23))


class NeverEnds(Coin):
    """Ignores signals, and leaves a child in a session of its own that writes on."""

    def act(self, context):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        mark = context.workdir.parent / "out" / "alive"
        if os.fork() == 0:
            os.setsid()
            while True:
                mark.write_text(str(time.monotonic()))
                time.sleep(0.05)
        while True:
            time.sleep(1)


class Links(Coin):
    """Puts a link where its prediction should be."""

    def predict(self, test, context):
        (context.workdir.parent / "out" / "prediction" / "probabilities.csv").symlink_to(self.at)
        return super().predict(test, context)


class Unfolds(Coin):
    """Puts a small file that unfolds to very many rows where its prediction should be."""

    def act(self, context):
        from brainbench.benchmark.kinds import get_kind

        def bomb(kind, prediction, folder, task):
            import pyarrow as pa
            import pyarrow.parquet as parquet

            few = pa.DictionaryArray.from_arrays(pa.array(np.zeros(20_000_000, np.int8)), pa.array([0.5]))
            parquet.write_table(pa.table(dict.fromkeys(task.classes, few)), folder / "probabilities.parquet")

        type(get_kind("classification")).save = bomb


class Pipes(Coin):
    """Puts a pipe where the parent reads, which would wait for ever."""

    def predict(self, test, context):
        os.mkfifo(context.workdir.parent / "out" / "prediction" / "more.parquet")
        return super().predict(test, context)


class Digs(Coin):
    """Leaves folders in each other, deeper than a walk can follow."""

    def act(self, context):
        os.chdir(context.workdir)
        for _ in range(1500):
            Path("d").mkdir()
            os.chdir("d")
        os.chdir("/tmp")


class Swaps(Coin):
    """Puts a link where the whole output folder was."""

    def predict(self, test, context):
        out = context.workdir.parent / "out"
        out.rename(out.with_name("in"))
        out.symlink_to(self.at)
        return super().predict(test, context)


class Babbles(Coin):
    """Finds the pipe of the worker's messages and writes what is none."""

    def act(self, context):
        for number in range(3, 20):
            try:
                if str(Path(f"/proc/self/fd/{number}").readlink()).startswith("pipe:"):
                    os.write(number, self.at.encode() + b"\n")
            except OSError:
                continue


class Lies(Coin):
    """Says that it has ended, with an outcome of its own."""

    def act(self, context):
        (context.workdir.parent / "out" / "outcome.json").write_text(self.at)
        for number in range(3, 20):
            try:
                if str(Path(f"/proc/self/fd/{number}").readlink()).startswith("pipe:"):
                    os.write(number, b'{"done": "ok"}\n')
            except OSError:
                continue
        time.sleep(60)


class Fills(Coin):
    """Fills the folders in memory, and one file."""

    def act(self, context):
        told = []
        for place in ("/tmp", "/dev/shm"):
            told.append(attempt(lambda place=place: Path(place, "big").write_bytes(bytes(1 << 22))))
        return told


class Nests(Coin):
    """Makes a namespace of its own, in which it would be root; mounts; raises its limits."""

    def act(self, context):
        import resource

        told = [subprocess.run(["unshare", "-Ur", "true"], capture_output=True, check=False).returncode != 0]
        told.append(
            subprocess.run(["mount", "-t", "tmpfs", "x", "/tmp"], capture_output=True, check=False).returncode != 0
        )
        try:
            resource.setrlimit(resource.RLIMIT_NPROC, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            told.append(False)
        except (ValueError, OSError):
            told.append(True)
        return told
