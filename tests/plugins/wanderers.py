"""Methods that change what they can reach in their process, start processes and threads, or end in an odd way."""

from __future__ import annotations

import ctypes
import math
import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainbench import Card, Method

TRACES: list[str] = []


@dataclass
class Wanderer(Method):
    """Says one half; ``told`` goes into its report."""

    card = Card("wanderer", "Says one half.")
    supports = ("classification",)

    def fit(self, train, context) -> None:
        self.told = {}

    def predict(self, test, context):
        return np.full((len(test), 2), 0.5)

    def report(self):
        return self.told


class Leaves(Wanderer):
    """Tells what it finds, and leaves a trace everywhere."""

    def fit(self, train, context) -> None:
        self.told = {
            "found": {
                "globals": list(TRACES),
                "environment": os.environ.get("TRACE", ""),
                "folder": str(Path.cwd()),
                "path": "/trace" in sys.path,
                "handler": str(signal.getsignal(signal.SIGUSR1)),
                "mask": sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, []))),
                "umask": os.umask(0o022),
                "threads": threading.active_count(),
                "files": len(list(Path("/proc/self/fd").iterdir())),
                "recursion": sys.getrecursionlimit(),
                "warnings": any("trace" in str(entry) for entry in warnings.filters),
                "errors": np.geterr()["divide"],
                "module": "trace_module" in sys.modules,
                "attribute": hasattr(np, "trace_of_a_cell"),
                "session": os.getsid(0) == os.getpid(),
                "timer": signal.getitimer(signal.ITIMER_REAL)[0],
            },
            "drawn": [random.random(), float(np.random.rand())],
            "process": os.getpid(),
        }
        TRACES.append("here")
        os.environ["TRACE"] = "here"
        os.chdir("/tmp")
        sys.path.insert(0, "/trace")
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
        os.umask(0o077)
        threading.Thread(target=time.sleep, args=(600,)).start()
        self.open = open(os.devnull)  # noqa: SIM115
        sys.setrecursionlimit(5000)
        warnings.filterwarnings("ignore", "trace")
        np.seterr(divide="ignore")
        sys.modules["trace_module"] = sys
        np.trace_of_a_cell = True
        signal.setitimer(signal.ITIMER_REAL, 600)
        random.seed(1)
        np.random.seed(1)
        print("a line for the log", flush=True)
        os.system("echo a line of a child")


class Starts(Wanderer):
    """Starts processes that would outlive it: in its group, in a session of their own, orphaned; tells their ids."""

    def fit(self, train, context) -> None:
        sleep = ["sleep", "600"]
        mine = [subprocess.Popen(sleep).pid, subprocess.Popen(sleep, start_new_session=True).pid]
        orphan = subprocess.run(
            ["sh", "-c", "setsid sleep 600 >/dev/null & echo $!"], stdout=subprocess.PIPE, text=True, check=True
        )
        self.told = {"started": [*mine, int(orphan.stdout)]}
        Path(os.environ["STARTED"]).write_text(" ".join(map(str, [os.getpid(), *self.told["started"]])))
        if wait := os.environ.get("STARTS_WAITS"):
            time.sleep(float(wait))


class Ends(Wanderer):
    """Ends its process in the way that a file names."""

    def fit(self, train, context) -> None:
        ways = {
            "exit": lambda: os._exit(3),
            "silent exit": lambda: os._exit(0),
            "sys.exit": lambda: sys.exit(4),
            "told exit": lambda: sys.exit("no more"),
            "interrupt": lambda: os.kill(os.getpid(), signal.SIGINT),
            "terminated": lambda: os.kill(os.getpid(), signal.SIGTERM),
            "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
            "segfault": lambda: ctypes.string_at(0),
            "abort": os.abort,
            "sleep": lambda: time.sleep(600),
            "memory": self.eat,
            "error": lambda: 1 / 0,
        }
        ways[Path(os.environ["WAY"]).read_text()]()

    def eat(self) -> None:
        hoard = []
        while True:
            hoard.append(np.ones(1 << 22))
            time.sleep(0.01)


class Libraries(Wanderer):
    """Uses what threads and processes the libraries have; tells which were imported before it."""

    def fit(self, train, context) -> None:
        names = ("torch", "sklearn.ensemble", "tokenizers", "pyarrow.parquet", "joblib")
        before = [name for name in names if name in sys.modules]
        import pyarrow as pa
        import pyarrow.parquet as pq
        import torch
        from joblib import Parallel, delayed
        from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
        from tokenizers import Tokenizer
        from tokenizers.models import WordLevel
        from tokenizers.pre_tokenizers import Whitespace

        rng = np.random.default_rng(context.seed)
        x = rng.normal(size=(300, 20))
        y = (x[:, 0] + 0.1 * rng.normal(size=300) > 0).astype(int)
        forest = RandomForestClassifier(10, n_jobs=2, random_state=0).fit(x, y)  # threads
        boosted = HistGradientBoostingClassifier(max_iter=5).fit(x, y)  # OpenMP
        shares = Parallel(2)(delayed(math.sqrt)(k) for k in range(4))  # processes
        torch.set_num_threads(2)
        product = torch.ones(600, 600) @ torch.ones(600, 600)
        words = Tokenizer(WordLevel({"a": 0, "b": 1, "?": 2}, unk_token="?"))
        words.pre_tokenizer = Whitespace()
        read = words.encode_batch(["a b a", "b c"] * 500)
        file = context.workdir / "table.parquet"
        pq.write_table(pa.table({f"c{k}": x[:, k] for k in range(20)}), file)
        table = pq.read_table(file, use_threads=True)
        self.told = {
            "before": before,
            "values": [
                float(forest.score(x, y)), float(boosted.score(x, y)), float(sum(shares)), float(product[0, 0]),
                float(np.linalg.norm(x @ x.T)), sum(len(one.ids) for one in read), table.num_rows,
            ],
        }  # fmt: skip


class Looks(Wanderer):
    """Tells whether a library was imported before it."""

    def fit(self, train, context) -> None:
        self.told = {"before": "networkx" in sys.modules}


class Imports(Looks):
    """Tells the same, and imports it."""

    def fit(self, train, context) -> None:
        super().fit(train, context)
        import networkx  # noqa: F401


class Changes(Imports):
    """Before that sets a variable that a library could read when it is imported."""

    def fit(self, train, context) -> None:
        os.environ["NETWORKX_AUTOMATIC_BACKENDS"] = ""
        super().fit(train, context)
