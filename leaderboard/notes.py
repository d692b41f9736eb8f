"""What a reader must know below a board, in sentences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from ..benchmark.record import Record
from .board import Board, Line
from .fields import drawn, higher_is_better, metrics_of, ranges
from .wording import counted, labeller


def board_notes(board: Board) -> Iterator[str]:
    """Every note of a board, what the headline means first."""
    record = board.first
    if record.data.reference:
        yield "Scores are agreement with a reference, not with a measured truth."
    yield headline_note(board)
    lower = [name for name in metrics_of(board) if higher_is_better(board, name) is False]
    if lower:
        yield f"Lower is better: {', '.join(lower)}."
    yield from standing_notes(board.lines + board.rescored)
    yield from score_notes(board.every, metrics_of(board))
    if record.ceiling:
        yield ceiling_note(record)
    if record.data.left_out:
        yield f"Left out: {', '.join(f'{count} {reason}' for reason, count in record.data.left_out.items())}."
    named = labeller(board)
    for line in board.every:
        if line.record.reason:
            yield f"{named(line.record)} {line.record.status}: {line.record.reason}"
    found = sorted({note for line in board.every for note in audit_notes(line)})
    yield from sorted(found, key=lambda note: note.startswith("Audit"))
    if board.lines and not any(line.record.isolated for line in board.lines):
        yield "Workers saw no test label, but their file system was not closed to the cohort (isolated: no)."
    if board.superseded:
        yield f"Older records of the same rows, left out: {board.superseded}."
    if board.published_elsewhere:
        base = record.task.name.partition("@")[0]
        command = f"brainbench leaderboard --task {base} --data real"
        yield f"{board.published_elsewhere} published rows stand under the real-data table: {command}"


def standing_notes(lines: Sequence[Line]) -> Iterator[str]:
    """How ranks were tested, and which rows could not be."""
    known = [line.standing for line in lines if line.standing]
    if any(stand.rank_low is not None for stand in known):
        yield "In brackets after a rank: its 95 % bootstrap interval."
    if any(stand.p is not None for stand in known):
        tested = "paired bootstrap over the same resamples, given the trained models, Holm over all pairs of rows"
        yield f"=: not separated from the best ({tested})."
    reasons: dict[str, list[str]] = {}
    for line in lines:
        if line.standing and line.standing.reason:
            why = line.standing.reason.replace(line.record.id, "RECORD")
            reasons.setdefault(why, []).append(line.record.method.name)
    for why, names in reasons.items():
        which = "No row is" if len(names) == len(known) else f"{', '.join(dict.fromkeys(names))}: not"
        yield f"{which} tested against the best: {why}"


def audit_notes(line: Line) -> Iterator[str]:
    """What the audit found; a leak is told with its row."""
    for finding in line.record.audit:
        who = f"LEAK in {line.record.method.name}" if finding.level == "leak" else "Audit"
        yield f"{who}, {finding.detector}: {finding.message}."


def headline_note(board: Board) -> str:
    """What the headline averages, and its chance level."""
    found = (line.record.scores.get(board.headline) for line in board.every)
    chance = next((score.chance for score in found if score), None)
    return f"{board.headline}: {meaning(board)}{'' if chance is None else f'; chance {chance:g}'}."


def meaning(board: Board) -> str:
    """What the headline averages, and what stands in its brackets."""
    if ranges(board):
        return range_meaning(board)
    task, data = board.first.task, board.first.data
    scores = [line.record.scores.get(board.headline) for line in board.every]
    if any(score and score.item_sd is not None for score in scores):
        return "mean over subjects, each alone; interval and standard deviation over subjects"
    if task.track == "score-mean":
        return "the subjects' score matrices averaged, then scored; interval over subjects"
    if drawn(board):
        draws = len(board.first.split.folds)
        return f"mean over {draws} draws of the labelled items; interval over test subjects and draws"
    if task.kind == "encoding":
        return (
            "Pearson r of each parcel, mean over parcels, people and films; interval over segments of about 90 s of "
            f"{counted(data.items, 'run')} of film in {data.subjects} people, given the trained models: nothing "
            "follows for other people, and little for other films"
        )
    if task.parts:
        return "mean over parts, each scored by itself; interval over test images, which parts may share"
    narrow = " (under cross-validation read it a quarter wider: docs/statistics.md)" if crossed(board.first) else ""
    how = "pooled" if task.pooled else "mean"
    return f"{how} over folds; interval over test subjects, given the trained models{narrow}"


def crossed(record: Record) -> bool:
    """Whether models that share training people were tested on each other's."""
    return "-fold " in record.split.rule


def range_meaning(board: Board) -> str:
    """What stands in the brackets of one item's scores."""
    found: dict[str, list[str]] = {}
    for line in board.every:
        if score := line.record.scores.get(board.headline):
            found.setdefault(score.spread or "nothing (one seed)", []).append(line.record.method.name)
    each = "; ".join(f"{spread} for {', '.join(sorted(set(names)))}" for spread, names in found.items())
    return f"all subjects together, one graph; in brackets no interval but the {each}"


def ceiling_note(record: Record) -> str:
    """Best attainable score of the twin in one sentence."""
    ceiling = record.ceiling
    assert ceiling is not None
    text = f"Best attainable {ceiling.metric} {ceiling.value:.3f} (Monte-Carlo error {ceiling.error:.4f})"
    if ceiling.with_covariates is not None:
        text += f", {ceiling.with_covariates:.3f} with covariates"
    if ceiling.at_training_size is not None:
        learned = f"{ceiling.training_size} {'images' if record.task.parts else 'subjects'}"
        text += f", {ceiling.at_training_size:.3f} when its weights are learned from {learned}"
    return f"{text}. {ceiling.note}".rstrip()


def gap_notes(lines: Sequence[Line], names: Sequence[str]) -> Iterator[str]:
    """Scores that finished rows lack without saying why: an older record, or items on which it is not defined."""
    absent: dict[tuple[str, ...], list[str]] = defaultdict(list)
    undefined: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for record in (line.record for line in lines if line.record.status == "ok"):
        empty = {name for name, score in record.scores.items() if score.value is None and not score.missing}
        absent[tuple(name for name in names if name not in record.scores)].append(record.method.name)
        undefined[tuple(name for name in names if name in empty)].append(record.method.name)
    for how, found in (("not scored in the record of", absent), ("not defined on the items of", undefined)):
        for metrics, rows in found.items():
            if metrics:
                yield f"{', '.join(metrics)}: {how} {', '.join(dict.fromkeys(rows))}."


def score_notes(lines: Sequence[Line], names: Sequence[str]) -> Iterator[str]:
    """What scores rest on, and why some are not there: one sentence for metrics that share it."""
    made: dict[str, list[str]] = {}
    missing: dict[str, list[str]] = {}
    for line in lines:
        for name, score in line.record.scores.items():
            if score.missing and name not in missing.setdefault(score.missing, []):
                missing[score.missing].append(name)
            if score.made_with and name in names and name not in made.setdefault(score.made_with, []):
                made[score.made_with].append(name)
    for what, metrics in made.items():
        yield f"{', '.join(metrics)}: {what}."
    for why, metrics in missing.items():
        yield f"Not scored here, {', '.join(metrics)}: {why.partition(chr(10))[0]}."
    yield from gap_notes(lines, names)
    remedies = {why.partition("\n")[2] for why in missing}
    if len(remedies) == 1:
        yield from filter(None, remedies)
    elif missing:
        yield "What brings them:  brainbench doctor   and  brainbench weights list"
