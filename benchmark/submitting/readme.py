"""The page of a submission: what is in it, and the commands that make it again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence

from ..record import Record
from .layout import METHOD, Manifest

PAGE = """# {name}

{method}, made with brainbench {harness}. What lies here may be used under {licence}.

| record | task | data | {scores} |
|---|---|---|---|
{rows}

## To run it again

With brainbench {harness} installed and the data where `brainbench data where` finds them, in this folder:

```text
{commands}
```

## To check it

```text
brainbench verify .
```

`record.json` holds every setting, hash and package version of a run; `checksums.sha256` the hash of every file.
"""


def readme(manifest: Manifest, records: Sequence[Record]) -> str:
    """The page as Markdown. Texts in it are names that were checked."""
    rows = [f"| `{r.id}` | {r.task.name} | {r.data.name}, {r.data.origin} | {headline(r)} |" for r in records]
    commands = dict.fromkeys(again(manifest, record) for record in records)
    return PAGE.format(
        name=manifest.name,
        method=manifest.method,
        harness=manifest.harness,
        licence=manifest.licence,
        scores="headline score",
        rows="\n".join(rows),
        commands="\n".join(commands),
    )


def headline(record: Record) -> str:
    """The headline score with its interval, or a dash."""
    name = record.task.metrics[0]
    score = record.scores[name]
    return "-" if score.value is None else f"{name} {score.told}"


def again(manifest: Manifest, record: Record) -> str:
    """The command that makes a record again."""
    method = record.method
    if not manifest.source:
        return f"# {record.task.name}: {method.name} was run elsewhere; only its predictions are here"
    control = method.name.partition("+")[2]
    name = f"./{manifest.source}" if manifest.source.startswith(f"{METHOD}/") else manifest.source
    data = record.data.source if record.data.source.startswith("simulated") else "real"
    parts = ["brainbench", "run", "--task", record.task.name, "--method", f"{name}+{control}" if control else name]
    parts += ["--preset", method.preset] if method.preset else []
    parts += ["--data", data]
    parts += ["--seeds", str(len(record.seeds))] if len(record.seeds) > 1 else []
    parts += ["--checkpoint", "FILE"] if method.weights else []
    parts += [part for name, value in method.options.items() for part in ("--set", f"{name}={typed(value)}")]
    return shlex.join(parts) + (f"    # FILE: weights {method.weights[:12]}" if method.weights else "")


def typed(value: object) -> str:
    """An option's value as it is typed after ``--set``."""
    return value if isinstance(value, str) else "none" if value is None else json.dumps(value)
