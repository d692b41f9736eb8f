"""What this machine can do at most, and tables of ours beside a peer's and beside that bound.

The bound of a case is the longer of two times: the bytes that must be moved over the measured bandwidth of memory, and
the operations that must be done over the measured peak of a matrix product. Both are measured when they are first
asked for, with as many threads as the numeric libraries have, and on a GPU by torch where ``device`` says so.

    cases = race({"ours": ours, "numpy loop": loop}, rounds=3)
    print(table([Row("200 scans", "numpy loop", cases["ours"], cases["numpy loop"], bound(moved=6e7, done=3e9))]))
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from tabulate import tabulate

ARRAY_BYTES = 1 << 28
"""Size of the arrays that are read for the bandwidth: far more than a cache holds (32 MB here, 50 MB on an H100)."""

SIDE = {"cpu": 2048, "cuda": 8192}
HEADS = ("case", "ours s", "peer", "peer s", "ratio", "bound s", "share of bound")


class Row(NamedTuple):
    """One line of a table: seconds of ours and of a peer (NaN where there is none), and the bound in seconds."""

    case: str
    peer: str
    ours: float
    theirs: float = math.nan
    bound: float = math.nan

    def cells(self) -> tuple[str, ...]:
        """The line as it is printed; the ratio is the peer's seconds over ours, the share the bound over ours."""
        ratio, share = self.theirs / self.ours, self.bound / self.ours
        return (
            self.case, told(self.ours), self.peer or "-", told(self.theirs), told(ratio), told(self.bound),
            "-" if math.isnan(share) else f"{share:.0%}",
        )  # fmt: skip


def told(value: float) -> str:
    """Three digits, or a dash for what is not known."""
    return "-" if math.isnan(value) else f"{value:.3g}"


def table(rows: Sequence[Row]) -> str:
    """The rows under their heads."""
    return tabulate([row.cells() for row in rows], HEADS, disable_numparse=True)


def race(cases: Mapping[str, Callable[[], Any]], rounds: int = 3) -> dict[str, float]:
    """Least wall seconds of each case over rounds in which all run in turn, so that a busy minute meets all."""
    least = dict.fromkeys(cases, math.inf)
    for _ in range(rounds):
        for name, case in cases.items():
            start = time.perf_counter()
            case()
            least[name] = min(least[name], time.perf_counter() - start)
    return least


def bound(moved: float = 0.0, done: float = 0.0, kind: str = "float32", device: str = "cpu") -> float:
    """Least seconds for bytes moved between memory and processor and operations done, whichever takes longer."""
    return max(moved / bandwidth(device) if moved else 0.0, done / peak(kind, device) if done else 0.0)


@cache
def bandwidth(device: str = "cpu") -> float:
    """Bytes a second that are read from memory, at best."""
    if device == "cpu":
        one, other = np.ones((2, ARRAY_BYTES // 8), np.float32)
        return 2 * one.nbytes / fastest(lambda: one @ other)
    import torch

    values = torch.ones(ARRAY_BYTES, dtype=torch.float32, device=device)
    return values.nbytes / fastest(lambda: values.sum(), device)


@cache
def peak(kind: str = "float32", device: str = "cpu") -> float:
    """Operations a second of a matrix product, at best; an addition and a multiplication are two.

    ``kind`` is a type that numpy knows on a processor, and one of torch's (bfloat16, float16) on a GPU or beside
    networks on a processor.
    """
    side = SIDE[device.split(":")[0]]
    if device == "cpu" and kind in ("float32", "float64"):
        square = np.ones((side, side), kind)
        return 2 * side**3 / fastest(lambda: square @ square)
    import torch

    matrix = torch.ones(side, side, dtype=getattr(torch, kind), device=device)
    return 2 * side**3 / fastest(lambda: matrix @ matrix, device)


def fastest(case: Callable[[], Any], device: str = "cpu", calls: int = 7) -> float:
    """Least seconds of a few calls, each waited for."""
    wait: Callable[[], Any] = bool
    if device != "cpu":
        import torch

        wait = torch.cuda.synchronize
    seconds = math.inf
    for _ in range(calls):
        wait()
        start = time.perf_counter()
        case()
        wait()
        seconds = min(seconds, time.perf_counter() - start)
    return seconds


def main() -> None:
    """Say what was measured on this processor, and on its GPU where there is one."""
    rows = [("cpu", "memory", f"{bandwidth() / 1e9:.1f} GB/s")]
    rows += [("cpu", kind, f"{peak(kind) / 1e9:.0f} Gop/s") for kind in ("float32", "float64")]
    import torch

    if torch.cuda.is_available():
        rows.append(("cuda", "memory", f"{bandwidth('cuda') / 1e9:.0f} GB/s"))
        rows += [
            ("cuda", kind, f"{peak(kind, 'cuda') / 1e12:.1f} Top/s") for kind in ("float32", "bfloat16", "float16")
        ]
    print(tabulate(rows, ["device", "what", "at best"], disable_numparse=True))


if __name__ == "__main__":
    main()
