"""Are labels read that are not given? What is opened, and what is predicted where there is nothing to find."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from . import watching
from .compare import Judgement, judge
from .steady import CHANCE, Found
from .trials import Answer, Trial
from .verdict import Verdict, fault, note, ok

if TYPE_CHECKING:
    from .checks import Bench

LABELS, NOISE, AROUND = "labels", "noise", "surroundings"
NOTHING = "nothing to find"
MOST = 3
"""Names that a message lists."""


def trials(bench: Bench) -> list[Trial]:
    """A run on data whose labels say nothing of the inputs."""
    return [Trial(NOTHING, bench.planted.without_signal(1))]


def verdicts(bench: Bench, base: Answer, found: Found, tells: bool) -> Iterator[Verdict]:
    """Files with labels, scores on noise, and what else was opened, started or connected to."""
    answers = [base, *found.values()]
    yield opened(bench, answers, tells)
    yield on_noise(bench, found[NOTHING])
    yield from around(bench, answers)


def opened(bench: Bench, answers: Sequence[Answer], tells: bool) -> Verdict:
    """Whether a file with labels was opened."""
    place = bench.trials.folder
    paths = [path for answer in answers for path in watching.forbidden(answer.seen, place)]
    paths += [f"$BRAINBENCH_HOME/{_inside(path)}" for answer in answers for path in answer.touched]
    if paths:
        return fault(
            LABELS, f"files that hold labels of test items were opened: {_some(paths)}",
            "read nothing but what fit and predict are given; data of other people come through context.sources",
        )  # fmt: skip
    told = "no file of $BRAINBENCH_HOME's cohorts or of the store was opened"
    if not tells:
        return note(LABELS, f"{told}, as far as Python says; this file system keeps no times of reads by compiled code")
    return ok(LABELS, f"{told}, by Python or by compiled code")


def _inside(path: object) -> str:
    """A bait file's path below the home."""
    return "/".join(str(path).replace("\\", "/").split("/home/")[-1:])


def _some(names: Sequence[str]) -> str:
    different = list(dict.fromkeys(names))
    more = f" and {len(different) - MOST} more" if len(different) > MOST else ""
    return ", ".join(different[:MOST]) + more


def on_noise(bench: Bench, answer: Answer) -> Verdict:
    """Whether chance is beaten where labels were dealt out at random; one lucky draw is tried again."""
    if not answer.ok:
        return fault(NOISE, f"on labels that say nothing it ends otherwise: {answer.told}")
    first = judge(answer)
    if first.p > CHANCE:
        return ok(NOISE, f"at chance where labels say nothing: {first}", score=first.score, p=first.p)
    second = _again(bench)
    if second is None or second.p > CHANCE:
        return ok(NOISE, f"at chance where labels say nothing: {first}; drawn anew: {second}", p=first.p)
    return fault(
        NOISE, f"beats chance where there is nothing to find, twice: {first}; {second}",
        "the test labels reach the predictions: through a file, the order of items, or a list kept from elsewhere",
        score=second.score, p=second.p,
    )  # fmt: skip


def _again(bench: Bench) -> Judgement | None:
    (answer,) = bench.trials.run([Trial(f"{NOTHING}, drawn anew", bench.planted.without_signal(2))])
    return judge(answer) if answer.ok else None


def around(bench: Bench, answers: Sequence[Answer]) -> Iterator[Verdict]:
    """Other files, programs and hosts, which a machine elsewhere may lack."""
    seen = [one for answer in answers for one in answer.seen]
    cached, other = watching.elsewhere(seen, bench.trials.folder, bench.source)
    said = []
    if other:
        said.append(f"opens {_some(other)}")
    if cached:
        said.append(f"reads kept files, such as weights: {_some(cached)}")
    if programs := watching.told(seen, "start"):
        said.append(f"starts {_some(programs)}, and what these read is not seen")
    if hosts := watching.told(seen, "connect"):
        said.append(f"connects to {_some(hosts)}")
    if said:
        yield note(AROUND, "; ".join(said), "another machine may lack them: name them in notes, or bring them along")
    else:
        yield ok(AROUND, "opens nothing but what it is given, starts no program, connects to nobody")
