"""Coverage-guided fuzzing of every reader of outside files, by hand (needs the package ``atheris``).

    python tests/fuzz/atheris_readers.py --seconds 60 [--only NAME] [--jobs N] [--out DIR]

Prints for each reader how many inputs were tried and which crashes were found; the inputs that crash, one for each
sort of error and line, are kept under DIR.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from random import Random

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent)]

from fuzz_reader import Reader  # noqa: E402 - found by the line above

LARGEST = 1 << 18
"""Bytes of an input."""


def main() -> None:
    """Fuzz the readers, each in a fork of this process, and print the table."""
    ask = argparse.ArgumentParser()
    ask.add_argument("--seconds", type=int, default=60, help="for each reader")
    ask.add_argument("--only", default="", help="readers whose name holds this")
    ask.add_argument("--jobs", type=int, default=1)
    ask.add_argument("--out", type=Path, default=Path("fuzzed"))
    asked = ask.parse_args()
    warnings.simplefilter("ignore")
    import atheris

    with atheris.instrument_imports(include=["brainbench"]):
        from fuzz_readers import READERS

        names = [name for name in READERS if asked.only in name]
        for name in names:  # what is imported late is imported now
            with tempfile.TemporaryDirectory() as place:
                READERS[name].seed(Path(place))
                READERS[name].read(Path(place))
    running: dict[int, str] = {}
    while names or running:
        if names and len(running) < asked.jobs:
            name = names.pop(0)
            child = os.fork()
            if not child:
                fuzz(READERS[name], asked.seconds, folder_of(asked.out, name))
            running[child] = name
        else:
            child, status = os.wait()
            name = running.pop(child)
            print(row(name, folder_of(asked.out, name), status), flush=True)


def folder_of(out: Path, name: str) -> Path:
    """Where a reader's crashes and log are kept."""
    place = out / "".join(letter if letter.isalnum() or letter in ".-" else "_" for letter in name)
    place.mkdir(parents=True, exist_ok=True)
    return place


def row(name: str, place: Path, status: int) -> str:
    """A row of the table."""
    told = json.loads((place / "told.json").read_text())
    crashes = [f"{where} ({count})" for where, count in told["crashes"].items()]
    if status:
        crashes.append(f"the process ended with status {status}")
    return f"| {name} | {told['tried']:,} | {told['refused']:,} | {'; '.join(crashes) or 'none'} |"


def fuzz(reader: Reader, seconds: int, out: Path) -> None:
    """Fuzz one reader in this process, which libFuzzer ends."""
    import atheris
    from fuzz_mutations import sort_of, spoil
    from fuzz_trials import try_on

    log = os.open(out / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    reader.seed(folder)
    sound = (folder / reader.file).read_bytes()
    sort = sort_of(reader.file, sound)
    told: dict = {"tried": 0, "refused": 0, "crashes": {}}
    written = 0.0

    def attempt(content: bytes) -> None:
        nonlocal written
        told["tried"] += 1
        try:
            told["refused"] += try_on(reader, folder, content)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            where = site(error)
            if where not in told["crashes"]:
                (out / where.replace("/", "_").replace(" ", "-").replace(":", "-")).write_bytes(content)
                written = 0.0
            told["crashes"][where] = told["crashes"].get(where, 0) + 1
        if time.monotonic() - written > 1:
            written = time.monotonic()
            (out / "told.json").write_text(json.dumps(told))

    def mutate(content: bytes, most: int, seed: int) -> bytes:
        random = Random(seed)
        if random.random() < 0.3:
            return bytes(atheris.Mutate(content, most))
        return spoil(content, sort, random)[:most]

    corpus = folder / "corpus"
    corpus.mkdir()
    (corpus / "sound").write_bytes(sound)
    settings = {"max_total_time": seconds, "max_len": LARGEST, "handle_alrm": 0, "rss_limit_mb": 0, "verbosity": 0}
    options = [f"-{key}={value}" for key, value in settings.items()]
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={out}/", str(corpus)], attempt, custom_mutator=mutate)
    atheris.Fuzz()


def site(error: BaseException) -> str:
    """An error and the last line of the project that it went through."""
    import brainbench

    root = str(Path(str(brainbench.__file__)).parent)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/tests/" not in frame.filename]
    own = [frame for frame in frames if frame.filename.startswith(root)] or frames
    line = f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else "?"
    return f"{type(error).__name__} {line}"


if __name__ == "__main__":
    main()
