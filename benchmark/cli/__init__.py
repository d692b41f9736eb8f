"""The command line: one small file a command. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import signal
import sys

import typer

from ..errors import BrainbenchError
from . import (
    audit,
    bundle,
    check,
    compare,
    data,
    describe,
    doctor,
    export,
    features,
    judge,
    leaderboard,
    listing,
    new,
    pretrain,
    rescore,
    run,
    score,
    show,
    show_answers,
    show_encoding,
    show_vision,
    submit,
    sweep,
    verify,
    weights,
    withdraw,
    withhold,
)

app = typer.Typer(
    name="brainbench",
    help="Benchmark models that read fMRI: run methods on tasks, with honest numbers, and rank them.\n\n"
    "Example:  brainbench run --task abide2-asd --method fmri-lm",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("run")(run.run)
app.command("tasks")(listing.tasks)
app.command("methods")(listing.methods)
data.app.command("withhold")(withhold.withhold)
app.add_typer(data.app, name="data")
app.command("pretrain")(pretrain.pretrain)
app.command("leaderboard")(leaderboard.leaderboard)
show.app.command("answers")(show_answers.answers)
show.app.command("reconstructions")(show_vision.reconstructions)
show.app.command("captions")(show_vision.captions)
show.app.command("localisation")(show_vision.localisation)
show.app.command("parcels")(show_encoding.parcels)
show.app.command("networks")(show_encoding.networks)
show.app.command("course")(show_encoding.course)
app.add_typer(show.app, name="show")
app.add_typer(export.app, name="export")
app.command("sweep")(sweep.sweep)
app.command("compare")(compare.compare)
app.command("score")(score.score)
app.command("submit")(submit.submit)
app.command("verify")(verify.verify)
app.command("withdraw")(withdraw.withdraw)
app.command("rescore")(rescore.rescore)
app.command("judge")(judge.judge)
app.command("audit")(audit.audit)
app.add_typer(new.app, name="new")
app.command("check")(check.check)
app.command("describe")(describe.describe)
app.add_typer(weights.app, name="weights")
app.add_typer(features.app, name="features")
app.command("bundle")(bundle.bundle)
app.command("doctor")(doctor.doctor)

INTERRUPTED = 130


def main() -> None:
    """Run the command line; an error that a person can mend is one message and exit code 2.

    A batch system ends its jobs by SIGTERM: that is taken as Ctrl-C is.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app()
    except BrainbenchError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None
