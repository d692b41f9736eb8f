"""The long table as a folder that Hugging Face's ``datasets`` loads: a Parquet file an origin, and a data set card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import __version__
from ..benchmark.errors import BadOption
from ..benchmark.files import whole_folder
from .exporting import ParquetRows, Rows
from .longform import FIELDS
from .markdown import escape_markdown

SPLITS = {
    "real": "Scored on measured data.",
    "public_simulation": "Scored on simulations that others published.",
    "twin": "Scored on data simulated here: says nothing about real brains.",
}
"""Names of splits and what is in them. Rows of different splits are never compared."""

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


@dataclass
class Seen:
    """What the rows hold, for the card."""

    rows: Counter[str] = field(default_factory=Counter)
    records: dict[str, str] = field(default_factory=dict)
    tasks: dict[str, set[str]] = field(default_factory=dict)
    methods: set[str] = field(default_factory=set)

    def add(self, split: str, row: Mapping[str, Any]) -> None:
        """Count one row."""
        self.rows[split] += 1
        self.records[row["record"]] = split
        self.tasks.setdefault(row["task"], set()).add(split)
        self.methods.add(row["method"])


def write_folder(rows: Rows, target: Path) -> int:
    """Write the folder; returns the number of rows.

    Raises `BadOption` where something is there already, such as a clone with its history, and `StoreError`.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise BadOption(f"{target} is not empty", "choose a new folder, and copy it over a clone by hand")
    seen = Seen()
    with whole_folder(target) as folder:
        (folder / "data").mkdir()
        with ExitStack() as stack:
            sinks: dict[str, ParquetRows] = {}
            for row in rows:
                split = split_of(row["origin"])
                if split not in sinks:
                    file = stack.enter_context(open(folder / "data" / f"{split}.parquet", "wb"))
                    sinks[split] = stack.enter_context(ParquetRows(file))
                sinks[split].add(row)
                seen.add(split, row)
        (folder / "README.md").write_text(card(seen), encoding="utf-8")
    return sum(seen.rows.values())


def split_of(origin: str) -> str:
    """The split of an origin."""
    name = origin.replace(" ", "_")
    return name if name in SPLITS else "twin"


def card(seen: Seen) -> str:
    """The data set card: YAML for programs, then Markdown for people."""
    return "\n".join(["---", *front_matter(seen), "---", "", *body(seen)]) + "\n"


def front_matter(seen: Seen) -> Iterator[str]:
    """The card's YAML. It holds nothing from outside."""
    total = sum(seen.rows.values())
    size = next((name for limit, name in SIZES if total < limit), "n>1M")
    yield "pretty_name: brainbench results"
    yield "tags: [neuroimaging, fmri, benchmark, leaderboard]"
    yield f"size_categories: ['{size}']"
    yield "configs:"
    yield "- config_name: results"
    yield "  default: true"
    yield "  data_files:"
    for split in SPLITS:
        if seen.rows[split]:
            yield f"  - split: {split}"
            yield f"    path: data/{split}.parquet"


def body(seen: Seen) -> Iterator[str]:
    """The card's text."""
    yield "# Results of models that read fMRI"
    yield ""
    yield (
        f"Scores of {len(seen.methods)} methods on {len(seen.tasks)} tasks, exported by brainbench {__version__}. "
        "A row is one metric of one record; a record is one method, with its configuration and seeds, on one task. "
        "There are no scans, predictions or ids of people in it."
    )
    yield ""
    yield "    from datasets import load_dataset"
    yield '    results = load_dataset("PATH/OF/THIS/FOLDER", split="real")'
    yield ""
    yield from _splits(seen)
    yield from RULES
    yield from _tasks(seen)
    yield "## Columns"
    yield ""
    yield "| column | type | meaning |"
    yield "| --- | --- | --- |"
    yield from (f"| {name} | {kind} | {escape_markdown(meaning)} |" for name, (kind, meaning) in FIELDS.items())


RULES = (
    "## How to read it",
    "",
    "- Compare rows only where `task`, `task_version`, `fingerprint`, `split_hash` and `row` are equal; `rank` does.",
    "- `low` and `high` are a 95 % interval over test subjects, given the trained models, not over trainings.",
    "- Rows with `separated` false are not shown to be worse than the best.",
    "- Rows with `on_board` false were replaced by newer records of the same configuration.",
    "- Scores by different metrics, or of different tasks, are not averaged: rank within tasks instead.",
    "- The licence of each method stands in `licence`; choose one for this table before you publish it.",
    "",
)


def _splits(seen: Seen) -> Iterator[str]:
    yield "| split | rows | records | what |"
    yield "| --- | --- | --- | --- |"
    records = Counter(seen.records.values())
    for split, what in SPLITS.items():
        if seen.rows[split]:
            yield f"| {split} | {seen.rows[split]} | {records[split]} | {what} |"
    yield ""


def _tasks(seen: Seen) -> Iterator[str]:
    yield "## Tasks"
    yield ""
    for task, splits in sorted(seen.tasks.items()):
        yield f"- {escape_markdown(task)} ({', '.join(sorted(splits))})"
    yield ""
