"""Speed tables. Run:  tox -e perf   or   python tests/perf/run.py [NAME ...]

Each bench_*.py beside this file prints one table: ours, the peer, and the ratio, from one run.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    wanted = sys.argv[1:]
    for path in sorted(HERE.glob("bench_*.py")):
        if not wanted or path.stem.removeprefix("bench_") in wanted:
            print(f"\n== {path.stem.removeprefix('bench_')}", flush=True)
            runpy.run_path(str(path), run_name="__main__")


if __name__ == "__main__":
    main()
