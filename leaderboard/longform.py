"""Records as one long table: a row for each record and metric, with all that a reader needs to judge the number.

What leaves follows each cohort's rule (`benchmark.privacy`): machines and folders never, and of people who may not be
told apart nothing but scores over at least ten of them.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from ..benchmark.errors import BrainbenchError
from ..benchmark.index import Place, place_of
from ..benchmark.record import Record, ScorePart
from .board import Board, Line
from .costs import parameters
from .gathered import Gathered

TEXT, FLAG, COUNT, NUMBER = pa.string(), pa.bool_(), pa.int64(), pa.float64()

FIELDS: dict[str, tuple[pa.DataType, str]] = {
    "record": (TEXT, "Id of the record."),
    "row": (TEXT, "reproduced (trained and scored here), rescored (predictions of others) or reported (aggregates)."),
    "on_board": (FLAG, "Whether the board shows it; false for older records of the same row."),
    "task": (TEXT, "Name of the task with its regime."),
    "task_version": (COUNT, "Changes with split, data rules or metrics; versions are never compared."),
    "task_title": (TEXT, "The task in one line."),
    "family": (TEXT, "Family of the task."),
    "kind": (TEXT, "Kind of the task, such as classification."),
    "target": (TEXT, "What is predicted."),
    "dataset": (TEXT, "Data set that the task names."),
    "cohort": (TEXT, "Name of the cohort, as it was installed."),
    "origin": (TEXT, "real, public simulation or twin (simulated here); never compared with each other."),
    "fingerprint": (TEXT, "Hash of the data."),
    "reference": (TEXT, "What stands in the place of a truth that is not known."),
    "items": (COUNT, "Number of items."),
    "subjects": (COUNT, "Number of people."),
    "sites": (COUNT, "Number of sites."),
    "split": (TEXT, "Rule of the split."),
    "split_hash": (TEXT, "Hash of the split; equal for rows that compare."),
    "method": (TEXT, "Name of the method."),
    "method_ref": (TEXT, "What finds the method."),
    "preset": (TEXT, "Name of its preset."),
    "options": (TEXT, "All its options, as JSON."),
    "source": (TEXT, "Hash of its source."),
    "weights": (TEXT, "Hash of the weights that it started from; empty for none."),
    "paper": (TEXT, "Source that the method follows."),
    "licence": (TEXT, "Licence of the method's code."),
    "pretraining": (TEXT, "Data sets that its weights were trained on, as a JSON list."),
    "covariates": (TEXT, "Covariates that it reads beside scans, as a JSON list."),
    "seeds": (TEXT, "Its seeds, as a JSON list."),
    "metric": (TEXT, "Name of the metric."),
    "headline": (FLAG, "Whether the metric ranks the task."),
    "higher_is_better": (FLAG, "Whether more is better."),
    "value": (NUMBER, "The score: see aggregate. Empty where it could not be computed: see missing."),
    "low": (NUMBER, "Lower end of the 95 % interval over test subjects, given the trained models; or see spread."),
    "high": (NUMBER, "Upper end of it."),
    "spread": (TEXT, "What low and high are where they are not that interval."),
    "aggregate": (TEXT, "How folds were joined."),
    "folds": (COUNT, "Number of folds (and parts) that define the score."),
    "fold_sd": (NUMBER, "Standard deviation over folds."),
    "seed_sd": (NUMBER, "Standard deviation over seeds."),
    "item_sd": (NUMBER, "Standard deviation over test items."),
    "pooled": (NUMBER, "Score of all folds' predictions ranked together."),
    "chance": (NUMBER, "What guessing scores."),
    "ceiling": (NUMBER, "Best attainable score, of a simulated twin."),
    "share": (NUMBER, "(score - chance) / (ceiling - chance)."),
    "made_with": (TEXT, "What the number rests on beside truth and prediction."),
    "missing": (TEXT, "Why it could not be computed."),
    "rank": (COUNT, "Rank on its board by the headline, of rows of its sort; on headline rows only, as the next four."),
    "rank_low": (COUNT, "Best rank of its 95 % interval: one more than the rows that are separated before it."),
    "rank_high": (COUNT, "Worst rank of its 95 % interval: all rows but those that are separated behind it."),
    "p_best": (NUMBER, "Paired bootstrap p of no difference to the best, adjusted by Holm over all pairs of rows."),
    "separated": (FLAG, "Whether it is separated from the best: p_best below 0.05."),
    "status": (TEXT, "ok, or how the record ended."),
    "reason": (TEXT, "Why it is not ok."),
    "ranked": (FLAG, "Whether it may rank; false where pretraining overlaps with test subjects."),
    "isolated": (FLAG, "Whether the method's process could not reach the labels."),
    "leaks": (TEXT, "Detectors of the audit that found a leak, as a JSON list."),
    "parameters": (COUNT, "Parameters of the model, as it reports them."),
    "fit_seconds": (NUMBER, "Seconds of fitting, all cells."),
    "predict_seconds": (NUMBER, "Seconds of predicting, all cells."),
    "peak_memory": (COUNT, "Most bytes of memory of a cell."),
    "device": (TEXT, "Type of device."),
    "processor": (TEXT, "Processor."),
    "threads": (COUNT, "Threads."),
    "created": (TEXT, "When the record was made (ISO 8601)."),
    "harness": (TEXT, "Version of brainbench."),
    "git_revision": (TEXT, "Revision of brainbench."),
    "git_dirty": (FLAG, "Whether files were changed after that revision."),
    "content": (TEXT, "Hash of the record without time and place: equal where a run was repeated exactly."),
}  # fmt: skip
"""Columns in order: type, and meaning."""

SCHEMA = pa.schema(
    [pa.field(name, kind, metadata={"description": meaning}) for name, (kind, meaning) in FIELDS.items()]
)


@dataclass
class LeftOut:
    """Records that were not written, and why; filled while rows are read."""

    reasons: list[str] = field(default_factory=list)


def long_rows(gathered: Gathered, left_out: LeftOut) -> Iterator[dict[str, Any]]:
    """A row for each record and metric: boards in their order, then records that newer ones replace.

    Numbers that are not known are None; a record that may not leave is told in ``left_out``.
    """
    shown: dict[Place, set[str]] = defaultdict(set)
    for board in gathered.boards():
        for line in board.every:
            shown[place_of(line.record)].add(line.record.id)
            yield from _line_rows(gathered, line, board, left_out)
    for place in gathered.places:
        for record in gathered.records(place) if len(shown[place]) < gathered.count(place) else ():
            if record.id not in shown[place]:
                yield from _line_rows(gathered, Line(record, None), None, left_out)


def _line_rows(gathered: Gathered, line: Line, board: Board | None, left_out: LeftOut) -> Iterator[dict[str, Any]]:
    try:
        record = gathered.outward(line.record)
    except BrainbenchError as error:
        left_out.reasons.append(error.message)
        return
    about = {"on_board": board is not None, "content": line.record.content_hash, **_about(record)}
    for metric in record.task.metrics:
        if score := record.scores.get(metric):
            yield {**about, **_numbers(record, metric, score), **_standing(line, board, metric)}


def _about(record: Record) -> dict[str, Any]:
    """What all rows of a record share."""
    task, data, method, where, card = record.task, record.data, record.method, record.environment, record.card
    costs = where.cells.values()
    return {
        "record": record.id,
        "row": record.row,
        "task": task.name,
        "task_version": task.version,
        "task_title": task.title,
        "family": task.family,
        "kind": task.kind,
        "target": task.target,
        "dataset": task.dataset,
        "cohort": data.name,
        "origin": data.origin,
        "fingerprint": data.fingerprint,
        "reference": data.reference,
        "items": data.items,
        "subjects": data.subjects,
        "sites": data.sites,
        "split": record.split.rule,
        "split_hash": record.split.hash,
        "method": method.name,
        "method_ref": method.ref,
        "preset": method.preset,
        "options": as_json(method.options),
        "source": method.source,
        "weights": method.weights,
        "paper": str(card.get("paper") or ""),
        "licence": str(card.get("licence") or ""),
        "pretraining": as_json(card.get("pretraining") or []),
        "covariates": as_json(card.get("uses_covariates") or []),
        "seeds": as_json(record.seeds),
        "status": record.status,
        "reason": record.reason,
        "ranked": record.ranked,
        "isolated": record.isolated,
        "leaks": as_json(sorted({finding.detector for finding in record.audit if finding.level == "leak"})),
        "parameters": _whole(parameters(record).value),
        "fit_seconds": sum(cost.fit_seconds for cost in costs) if costs else None,
        "predict_seconds": sum(cost.predict_seconds for cost in costs) if costs else None,
        "peak_memory": max((cost.peak_memory for cost in costs), default=None),
        "device": where.device,
        "processor": where.processor,
        "threads": where.threads,
        "created": where.created,
        "harness": record.harness,
        "git_revision": where.git_revision,
        "git_dirty": where.git_dirty,
    }


def _numbers(record: Record, metric: str, score: ScorePart) -> dict[str, Any]:
    """What a row says of its score."""
    ceiling = record.ceiling if record.ceiling and record.ceiling.metric == metric else None
    return {
        "metric": metric,
        "headline": metric == record.task.metrics[0],
        "higher_is_better": score.higher_is_better,
        "value": score.value,
        "low": score.low,
        "high": score.high,
        "spread": score.spread,
        "aggregate": score.aggregate,
        "folds": score.folds,
        "fold_sd": score.fold_sd,
        "seed_sd": score.seed_sd,
        "item_sd": score.item_sd,
        "pooled": score.pooled,
        "chance": score.chance,
        "ceiling": ceiling.value if ceiling else None,
        "share": ceiling.share if ceiling else None,
        "made_with": score.made_with,
        "missing": score.missing,
    }


def _standing(line: Line, board: Board | None, metric: str) -> dict[str, Any]:
    """Where the record stands on its board, by the metric that ranks it."""
    here = board is not None and metric == board.headline
    standing = line.standing if here else None
    return {
        "rank": line.rank if here else None,
        "rank_low": standing.rank_low if standing else None,
        "rank_high": standing.rank_high if standing else None,
        "p_best": standing.p if standing else None,
        "separated": standing.separated if standing else None,
    }


def as_json(value: Any) -> str:
    """A value as JSON on one line, its keys sorted."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
