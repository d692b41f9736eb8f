"""``brainbench judge``: a language model's verdicts on the answers of a record, beside the matcher's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import JsonOption, StoreOption, errors, store_path

if TYPE_CHECKING:
    from ..judges import Judge
    from ..judging import Asked, Opinion
    from ..record import Record


def judge(
    record: Annotated[str, typer.Argument(help="Record id (its beginning is enough), or its folder.")],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help="A model of the endpoint; without --endpoint also smollm2 or a folder that holds a saved model.",
        ),
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Of the OpenAI form, up to /v1; the key is read from OPENAI_API_KEY."),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Answers and true labels may be sent to a remote endpoint.")
    ] = False,
    json_: JsonOption = False,
    store: StoreOption = None,
) -> None:
    """Let a language model say which fields are answered rightly; without --model, show who has judged.

    The matcher's scores stay as they are. A judge's are kept in a file of their own and are never ranked.

    Example:  brainbench judge abide1-open--fmri-lm --model gpt-4o-mini --yes
    """
    from ..judging import judge_record, opinions, prepare
    from ..store import Store

    place = Store(store_path(store))
    found, folder = place.find(record)
    if model is None:
        refuse_no_model(endpoint)
        shown = opinions(place, found)
        if not shown:
            errors().print(f"nobody has judged {found.id}: name a judge with --model")
        show(shown, found, json_)
        return
    one = chosen(model, endpoint)
    with errors().status("reading the record ..."):
        asked = prepare(found, folder, lambda label, done, total: None)
    tell(asked, one, yes)
    try:
        with errors().status("judging ...") as status:
            opinion = judge_record(
                asked, one, place.path, lambda label, done, total: status.update(f"{label}: {done} of {total} ...")
            )
    except KeyboardInterrupt:
        errors().print("interrupted: verdicts so far are kept; the same command goes on")
        raise typer.Exit(130) from None
    show([opinion], found, json_)


def chosen(model: str, endpoint: str | None) -> Judge:
    """A model on this machine, or an endpoint."""
    from ..judges import OPENAI, EndpointJudge, LocalJudge

    if endpoint is None and (model in ("smollm2", "tiny-random") or Path(model).is_dir()):
        return LocalJudge(model)
    return EndpointJudge(model, endpoint or OPENAI, os.environ.get("OPENAI_API_KEY", ""))


def refuse_no_model(endpoint: str | None) -> None:
    """Raise `BadOption` where an endpoint is named, and none of its models."""
    from ..errors import BadOption

    if endpoint is not None:
        raise BadOption(f"--endpoint {endpoint}: with which model?", "name one of its models:  --model NAME")


def tell(asked: Asked, one: Judge, yes: bool) -> None:
    """Say what leaves the machine. Raises `BadOption` where that was not agreed to."""
    from ..errors import BadOption
    from ..judges import OPENAI, EndpointJudge

    count = len(asked.unique)
    if not isinstance(one, EndpointJudge) or one.local:
        errors().print(f"{count} different answers are judged on this machine; nothing leaves it")
        return
    told = (
        f"{count} requests to {one.where}: each holds an answer of the method, a field with its labels, and the true "
        "label; no scan, no id of a person"
    )
    if not yes:
        raise BadOption(
            f"this sends {told}",
            "say that this may leave the machine with  --yes  (a data-use agreement may forbid it)",
        )
    if one.endpoint == OPENAI and not one.key:
        raise BadOption(f"{one.where} needs a key", "put it in the environment variable OPENAI_API_KEY")
    errors().print(told)


def show(found: list[Opinion], record: Record, as_json: bool) -> None:
    """Print verdicts in short: the judge's numbers beside the matcher's."""
    if as_json:
        import json

        print(json.dumps([opinion.model_dump(mode="json", exclude={"verdicts"}) for opinion in found], indent=1))
        return
    again = " (the same command asks again)"
    for opinion in found:
        judge = opinion.judge
        print(f"{record.id} judged by {judge.name} ({judge.version or 'version not told'}; {judge.where})")
        for name, score in opinion.scores.items():
            ours = record.scores.get(name.removeprefix("judged-"))
            beside = f"   matcher {number(ours.value, ours.low, ours.high)}" if ours else ""
            print(f"  {name:28} {number(score.value, score.low, score.high)}{beside}")
        print(
            f"  {opinion.cases} different answers; {opinion.agreement:.1%} of the verdicts are the matcher's; "
            f"{opinion.void} void, {opinion.unread} not read{again if opinion.unread else ''}"
        )


def number(value: float | None, low: float | None, high: float | None) -> str:
    """A score with its interval."""
    if value is None:
        return "not defined"
    return f"{value:.3f}" + (f" [{low:.3f}, {high:.3f}]" if low is not None and high is not None else "")
