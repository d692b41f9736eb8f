"""``brainbench data withhold``: a cohort that anybody may have, and the test labels in a file that its keeper keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import JsonOption, out


def withhold(
    cohort: Annotated[str, typer.Argument(metavar="COHORT", help="An installed cohort or twin with all labels.")],
    task: Annotated[str, typer.Option("--task", "-t", help="Whose labels, such as abide1-asd.")],
    name: Annotated[str, typer.Option(metavar="NAME", help="Name of the open cohort.")],
    truth: Annotated[Path, typer.Option(metavar="FILE", help="Where the truth goes; keep it to yourself.")],
    share: Annotated[float, typer.Option(help="Share of the people who are tested.")] = 0.3,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other people.")] = 0,
    json_: JsonOption = False,
) -> None:
    """Cut a cohort in two: people with labels to learn from, and people whose labels only you hold.

    The open cohort may be given away: its test people have new names, the task's covariates, and nothing else. Others
    run and submit  TASK@hidden:NAME  on it; you score with  brainbench verify SUBMISSION --truth FILE.

    Example:  brainbench data withhold abide1 --task abide1-asd --name abide1-open --truth abide1-truth.json
    """
    from ..datasets.cohort import Cohort
    from ..errors import BadOption
    from ..registry import load_task
    from ..withheld import withhold as cut
    from .data import progress_bar
    from .data_views import find_cohort

    asked, _ = load_task(task)
    folder = find_cohort(cohort)
    if not (folder / "cohort.json").is_file():
        raise BadOption(f"{cohort} is no cohort of scans", "labels are withheld of cohorts of scans only")
    with progress_bar() as progress:
        made = cut(asked, Cohort.open(folder), name, truth, share, seed, progress)
    if json_:
        import json

        print(json.dumps({"cohort": str(made.cohort), "truth": str(truth), "train": made.train, "test": made.test}))
        return
    out().print(
        f"{made.cohort}\n{made.train} scans with labels, {made.test} without\n"
        f"the truth, which is yours to keep:  {truth}\n"
        f"next:  brainbench run --task {asked.name}@hidden:{name} --method fc-svm",
        markup=False,
        soft_wrap=True,
    )
