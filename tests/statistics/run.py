"""Measure the engine's intervals and tests by simulation, and print the tables of docs/statistics.md.

Run:  tox -e statistics   or   python tests/statistics/run.py [NAME ...] [--part SHARE]

Each simulate_*.py beside this file is one NAME. ``--part 0.1`` takes a tenth of the repeats, ``--part 4`` four times
as many. Seeds are the numbers of the repeats, so that a run prints the same tables again.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    """Print the tables that were asked for."""
    known = sorted(path.stem.removeprefix("simulate_") for path in HERE.glob("simulate_*.py"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*known, []], default=known, metavar="NAME", help=", ".join(known))
    parser.add_argument("--part", type=float, default=1.0, metavar="SHARE", help="share of the repeats")
    wanted = parser.parse_args()
    for name in wanted.names:
        print(f"\n## {name}", flush=True)
        importlib.import_module(f"simulate_{name}").main(wanted.part)


if __name__ == "__main__":
    main()
