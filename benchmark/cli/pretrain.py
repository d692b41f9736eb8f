"""``brainbench pretrain``: weights that are learned before a task, with a list of the subjects they saw."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .executing import choose_device
from .options import errors


def pretrain(
    method: Annotated[str, typer.Option("--method", "-m", metavar="M", help="Method that can be pretrained.")],
    save: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the checkpoint goes.")],
    cohort: Annotated[
        list[str] | None,
        typer.Option("--cohort", "-c", metavar="C", help="Imported cohort or data set; repeat for several."),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option("--task", "-t", metavar="T", help="Task whose labels are learned from; repeat for several."),
    ] = None,
    stage: Annotated[int, typer.Option(min=0, help="One stage of a method that has several; 0 for all.")] = 0,
    checkpoint: Annotated[Path | None, typer.Option(metavar="DIR", help="Weights to start from.")] = None,
    data: Annotated[str, typer.Option(help="real | simulated | simulated:full | simulated:SIZE.")] = "real",
    preset: Annotated[str | None, typer.Option(help="Size of the method.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="An option.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 ...")] = "auto",
) -> None:
    """Pretrain a method on cohorts without labels, or on the labels of tasks, and write a checkpoint.

    The checkpoint lists (as hashes) whom it has seen; `brainbench run --checkpoint` refuses to test on them.
    The same command goes on where an interrupted one stopped, with methods that keep their state.

    Example:  brainbench pretrain --method brain-jepa --cohort abide1 --cohort my-cohort --out ./weights
    """
    from ..pretraining import Plan
    from ..pretraining import pretrain as learn
    from .data import progress_bar

    settings = dict(split_setting(text) for text in set_ or ())
    plan = Plan(
        method=method,
        cohorts=tuple(cohort or ()),
        data=data,
        tasks=tuple(task or ()),
        stage=stage,
        checkpoint=checkpoint,
        preset=preset,
        settings=settings,
        seed=seed,
        device=choose_device(device),
    )
    try:
        with progress_bar() as progress:
            seen = learn(plan, save, progress)
    except KeyboardInterrupt:
        errors().print("interrupted: the same command goes on, with methods that keep their state; else it starts anew")
        raise typer.Exit(130) from None
    print(f"{save}: pretrained on {seen.scans} scans of {seen.subjects} subjects ({', '.join(seen.cohorts)})")
    errors().print(
        f"next:  brainbench run --task TASK --method {method} --checkpoint {save}", markup=False, soft_wrap=True
    )


def split_setting(text: str) -> tuple[str, str]:
    """Key and value of ``key=value``. Raises `BadOption`."""
    from ..errors import BadOption

    key, equals, value = text.partition("=")
    if not equals:
        raise BadOption(f"--set {text}: expected key=value", "such as  --set epochs=5")
    return key, value
