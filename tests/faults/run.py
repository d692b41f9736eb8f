"""Runs every test of this folder and prints what each fault did. Run:  python tests/faults/run.py"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HEAD = "| fault | what happened | what was lost | message |\n|---|---|---|---|"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "table.md"
        command = [sys.executable, "-m", "pytest", "-q", "-n", "0", str(Path(__file__).parent), *sys.argv[1:]]
        code = subprocess.run(command, env={**os.environ, "BRAINBENCH_FAULT_TABLE": str(table)}).returncode
        print(HEAD)
        print(table.read_text() if table.exists() else "")
    sys.exit(code)


if __name__ == "__main__":
    main()
