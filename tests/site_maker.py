"""Boards for the tests of the site: records with planted scores and, where asked, hostile text in every field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from brainbench.benchmark.cells import MethodSpec
from brainbench.benchmark.record import (
    CeilingPart,
    CellCost,
    CellPart,
    DataPart,
    Environment,
    Finding,
    Record,
    ScorePart,
    SplitPart,
    TaskPart,
)
from brainbench.leaderboard.board import boards
from brainbench.leaderboard.site import BoardSheet
from brainbench.leaderboard.tables import board_sheet

HOSTILE = (
    "</td></script><script>window.hit=1</script>\"'><img src=x onerror=window.hit=1>{{7*7}}{% raw %}&amp;\u202e\x07"
)
"""Markup, quotes, an event, a template, an entity, a sign that turns the direction of text, and a bell."""


def score(value: float | None, higher: bool = True, **changes: Any) -> ScorePart:
    """A score with an interval of 0.04 to both sides."""
    parts: dict[str, Any] = {
        "value": value,
        "low": None if value is None else value - 0.04,
        "high": None if value is None else value + 0.04,
        "fold_sd": 0.02,
        "seed_sd": None,
        "pooled": value,
        "aggregate": "fold mean",
        "folds": 2,
        "chance": 0.5,
        "higher_is_better": higher,
    }
    return ScorePart(**{**parts, **changes})


def make_record(
    method: str, auc: float | None, task: str = "toy-asd", origin: str = "real", text: str = "", **changes: Any
) -> Record:
    """A record of a method; ``text`` is put into every field that holds text from outside."""
    extra = f" {text}" if text else ""
    scores = {
        "auc": score(auc),
        "accuracy": score(None if auc is None else 0.5 + auc / 4, missing="no threshold" + extra),
    }
    cells = tuple(
        CellPart(
            fold=f"fold{k}{extra}", seed=0, key=f"{k}", status="ok", reason=extra, items=40,
            scores={"auc": auc, "accuracy": 0.7}, prediction="ab" * 32,
            report={f"parameters{extra}": 1200, "note": text},
        )
        for k in (1, 2)
    )  # fmt: skip
    fields: dict[str, Any] = {
        "id": f"{task}--{method}--{origin[0]}{extra}",
        "harness": "0.1.0",
        "task": TaskPart(
            name=task, ref=task, version=1, title=f"Toy question{extra}", family=f"toys{extra}", kind="classification",
            dataset=f"toy{extra}", target=f"diagnosis{extra}", classes=("no", f"yes{extra}"),
            metrics=("auc", "accuracy"), pooled=False, published=None,
        ),
        "method": MethodSpec(
            name=f"{method}{extra}", ref=f"{method}{extra}", preset=f"small{extra}", options={f"C{extra}": text or 1.0},
            source="0123456789abcdef",
        ),
        "card": {
            "title": f"Method {method}{extra}", "summary": f"It reads scans.{extra}",
            "paper": f"Toy et al. 2020 https://example.org/{method}{extra}", "licence": f"MIT{extra}",
            "pretraining": [f"UKB{extra}"], "uses_covariates": [], "parameters": f"12{extra}",
            "notes": f"A note.{extra}",
        },
        "data": DataPart(
            name=f"toy{extra}", source="real", origin=origin, fingerprint="f" * 32, items=80, subjects=80, sites=2,
            left_out={f"too short{extra}": 2},
        ),
        "split": SplitPart(rule=f"2-fold{extra}", hash="5" * 16, folds=("fold1", "fold2")),
        "seeds": (0,),
        "status": "ok",
        "reason": text,
        "scores": scores,
        "cells": cells,
        "ceiling": CeilingPart(
            metric="auc", value=0.95, error=0.001, with_covariates=None, at_training_size=None, training_size=None,
            share=None, note=f"exact{extra}",
        ),
        "audit": (Finding(detector=f"duplicate-scans{extra}", level="ok", message=f"no copy{extra}"),),
        "isolated": False,
        "ranked": auc is not None,
        "environment": Environment(
            created="2026-01-02T03:04:05+00:00", host=f"host{extra}", platform=f"Linux{extra}", processor="x86",
            cores=2, memory=2**34, device="cpu", threads=1, executor="local", git_revision="abc", git_dirty=False,
            packages={f"numpy{extra}": "2"},
            cells={f"{cell.fold}-seed0": CellCost(fit_seconds=1.5, predict_seconds=0.25, peak_memory=2**28, host="")
                   for cell in cells},
        ),
    }  # fmt: skip
    return Record(**{**fields, **changes})


def sheets_of(records: Sequence[Record]) -> list[BoardSheet]:
    """The boards over records as the site takes them."""
    return [
        BoardSheet(board_sheet(board), board.first, tuple(line.record for line in board.every))
        for board in boards(records)
    ]


def toy_records(count: int = 12) -> list[Record]:
    """Methods of falling AUC on one task, the first without accuracy; one that failed; a twin, and another regime."""
    found = [make_record(f"method-{k}", 0.9 - 0.02 * k) for k in range(1, count + 1)]
    lacking = {**found[0].scores, "accuracy": score(None, missing="no threshold")}
    found[0] = found[0].model_copy(update={"scores": lacking})
    failed = make_record("broken", None, status="timeout", reason="fold1 ran for more than 60 s")
    return [
        *found,
        failed,
        make_record("method-1", 0.8, origin="twin"),
        make_record("method-2", 0.7, task="toy-asd@4-shot"),
    ]
