"""Readers of what brainbench keeps: cohorts, records, cells, draws, lists. Others copy such files, and edit them.

Files that carry a hash are given one that fits again, as somebody would who knows the layout.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_reader import Reader, readers_of
from site_maker import make_record

from brainbench.benchmark.audit.overlap import SEEN, leave_manifest, read_manifest
from brainbench.benchmark.cells import Cell, MethodSpec
from brainbench.benchmark.contracts import Kind, TaskInfo
from brainbench.benchmark.datasets.cohort import Cohort, write_cohort
from brainbench.benchmark.datasets.movies import MovieCohort, MovieWriter
from brainbench.benchmark.datasets.recordings.raw import RawPart
from brainbench.benchmark.datasets.recordings.store import SERIES, Recordings, write
from brainbench.benchmark.datasets.response_rows import rows_of_concepts, rows_of_localised, rows_of_questions
from brainbench.benchmark.datasets.responses import ResponseCohort, ResponseWriter
from brainbench.benchmark.draws import PART, VALUES, Draws, Resampling, read_draws, write_draws
from brainbench.benchmark.items import Items
from brainbench.benchmark.judging import _kept, read_opinion
from brainbench.benchmark.kinds import get_kind
from brainbench.benchmark.nn.features import _read_shard
from brainbench.benchmark.processes import hear, read_outcome
from brainbench.benchmark.splits import SplitManifest
from brainbench.benchmark.store import SEAL, Store, digest_folder, read_cell, read_split, write_cell
from brainbench.benchmark.submitting.acceptance import ACCEPTED, Acceptance, Kept, accepted, damaged
from brainbench.benchmark.weights import TOLD, read_told
from brainbench.benchmark.withdrawing import TOMBSTONE, read_tombstone, tombstone_of
from brainbench.benchmark.withheld import Truth, read_truth
from brainbench.benchmark.worker import Outcome

RNG = np.random.default_rng(1)
SEAL_OF_COHORT = "cohort.sha256"
MESSAGES = '{"child": 7}\n{"progress": ["fit", 1, 2]}\n{"done": "ok"}\n{"ended": 0}'
ATLAS = {"name": "toy", "labels": ["r1", "r2", "r3"], "networks": []}
KINDS: dict[str, tuple[TaskInfo, Any, str]] = {
    "classification": (TaskInfo("t", "classification", "y", ("a", "b")), np.full((4, 2), 0.5), "probabilities.parquet"),
    "regression": (TaskInfo("t", "regression", "y"), np.arange(4.0), "values.parquet"),
    "captioning": (TaskInfo("t", "captioning", "y"), ["a cat", "a dog", "", "x"], "texts.parquet"),
    "localisation": (TaskInfo("t", "localisation", "y"), [np.ones(5, np.float32)] * 4, "maps.npz"),
    "grounding": (TaskInfo("t", "grounding", "y"), [np.ones((1, 4))] * 4, "boxes.npz"),
    "reconstruction": (TaskInfo("t", "reconstruction", "y"), [np.zeros((16, 16, 3), np.uint8)] * 2, "000001.png"),
}
"""Kind -> a task, a prediction, and the file that it is kept in."""


def sealed(path: Path, seal: Path) -> None:
    """Give a file the hash of what it holds now."""
    seal.write_text(hashlib.sha256(path.read_bytes()).hexdigest())


def write_scans(folder: Path) -> None:
    """A cohort of three scans."""
    with write_cohort(folder / "toy", rois=3) as writer:
        for k in range(3):
            row = {"subject": f"s{k}", "family": f"f{k}", "site": "A", "age": 20.0 + k, "sex": "male", "tr": 2.0}
            writer.add(f"s{k}", RNG.normal(size=(55, 3)), {**row, "diagnosis": ("control", "autism")[k % 2]})
        writer.finish({
            "name": "toy", "dataset": "abide1", "origin": "real", "source": "x", "importer": {}, "left_out": {},
            "atlas": ATLAS,
        })  # fmt: skip


def read_scans(folder: Path) -> None:
    """Every scan of it."""
    (folder / "toy" / SEAL_OF_COHORT).unlink(missing_ok=True)  # older cohorts have none
    read_every(Cohort.open(folder / "toy").items())


def read_every(items: Items) -> None:
    """Every array of every row that has one."""
    for name, values in items.arrays.items():
        for row, value in enumerate(values):
            if value is not None:
                items.read(name, row)


def write_movies(folder: Path) -> None:
    """Two runs of a film, with a stream and two subjects."""
    parcels = ["p1", "p2", "p3"]
    with MovieWriter(
        folder / "f", "films", "real", 1.49, ["sub-01", "sub-02"], parcels, [""] * 3, {"m/l": (2,)}
    ) as writer:
        for name in ("a", "b"):
            values = {subject: RNG.normal(size=(6, 3)) for subject in ("sub-01", "sub-02")}
            writer.run(name, "friends", "s1", name, 1, {"m/l": RNG.normal(size=(6, 2))}, values)
        writer.ceiling("sub-01", "s1", np.full(3, 0.5))
        writer.finish()


def read_movies(folder: Path) -> None:
    """Every run of it."""
    cohort = MovieCohort.open(folder / "f")
    cohort.changed()
    cohort.ceilings()
    read_every(cohort.items())


def write_responses(folder: Path) -> None:
    """A brain that saw two pictures."""
    with ResponseWriter(folder / "n", "nsd", "twin", {"version": 1}) as writer:
        writer.space("subj01", (3, 2, 2), 1.8, np.arange(5), {"V1": np.arange(5) > 2})
        for name, part in (("a", "train"), ("b", "test")):
            pixels = np.zeros((8, 8, 3), np.uint8)
            boxes, dialogue = {"cat": [[0.0, 0.0, 1.0, 1.0]]}, [("what?", "a cat")]
            writer.image(name, pixels, ["a cat"], "x", boxes, dialogue, part, blip2=["cat"])
            writer.responses("subj01", name, RNG.normal(size=(2, 5)), {"cat": np.ones(5)})
        writer.finish(meta={"salience": {"cat": ["S"]}})


def read_responses(folder: Path) -> None:
    """Every picture, response and question of it."""
    cohort = ResponseCohort.open(folder / "n")
    cohort.changed()
    items = cohort.items()
    read_every(items)
    for make in (rows_of_questions, rows_of_concepts, lambda items: rows_of_localised(items, 1)):
        read_every(make(items))


def write_recordings(folder: Path) -> None:
    """A network of two subjects."""
    graph = np.triu(np.ones((3, 3), bool), 1)
    part = RawPart(
        part="sim1", nodes=("a", "b", "c"), tr=2.0,
        series={"s1": RNG.normal(size=(9, 3)), "s2": RNG.normal(size=(9, 3))},
        graphs={"s1": graph, "s2": graph}, truth="generating network", left_out={},
    )  # fmt: skip
    write(folder / "r", part, dataset="netsim", origin="real", source="x", orientation=("source-target", "x"))


def read_recordings(folder: Path) -> None:
    """Every recording of it."""
    read_every(Recordings.open(folder / "r").data().items)


@cache
def record() -> Any:
    """A record."""
    return make_record("m", 0.8)


def write_store(folder: Path) -> None:
    """A record with its split, resamples, a judge's opinion, and a cell."""
    told = record()
    place = folder / "records" / told.id
    place.mkdir(parents=True, exist_ok=True)
    (place / "record.json").write_text(told.model_dump_json(indent=1))
    split = SplitManifest(rule="2-fold {}", seed=0, data="x", folds={"fold1": {"train": ("a",), "test": ("b",)}})
    (place / "split.json").write_text(split.model_dump_json())
    (place / TOMBSTONE).write_text(tombstone_of(told, "record", "asked for", "2026-01-01").model_dump_json())
    write_draws(place, Draws(("auc",), RNG.random((1, 20), np.float32), Resampling("subjects", 4), 1))
    spec = MethodSpec(name="m", ref="m", preset="", options={"C": 1.0}, source="x")
    cell = Cell(task="t", version=1, method=spec, data="d", split="s", fold="fold1", seed=0)
    made = folder / "made"
    made.mkdir(exist_ok=True)
    (made / "values.parquet").write_bytes(b"x")
    kept = folder / "cells" / cell.key
    if not kept.exists():
        kept.mkdir(parents=True)
        write_cell(kept, cell, Outcome(status="ok", report={"parameters": 3}), ("a", "b"), made)


def read_store(folder: Path) -> None:
    """All of it; what is damaged is left out, and nothing is raised but by what is asked for alone."""
    store = Store(folder)
    for place in (folder / "records").iterdir():
        sealed(place / "record.json", place / SEAL)
        part = json_of(place / PART)
        if isinstance(part, dict):
            part["sha256"] = hashlib.sha256((place / VALUES).read_bytes()).hexdigest()
            (place / PART).write_text(json.dumps(part))
    for cell in (folder / "cells").iterdir():
        (cell / "prediction.sha256").write_text(digest_folder(cell / "prediction"))
        read_cell(cell)
    for found in store.records():
        store.draws(found)


def json_of(path: Path) -> Any:
    """What a file holds, None where that is no JSON."""
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None


def in_record(read: Callable[[Path], object]) -> Callable[[Path], object]:
    """A reading of the folder of the one record."""
    return lambda folder: read(folder / "records" / record().id)


def write_opinion(folder: Path) -> None:
    """A judge's verdicts, and what an interrupted run left."""
    told = record()
    content = {
        "record": told.id, "content": told.content_hash, "task": "t", "method": "m",
        "judge": {"name": "j", "version": "1", "where": "here", "instructions": "abc"}, "created": "2026-01-01",
        "scores": {"judged-field-accuracy": told.scores["auc"].model_dump()},
        "verdicts": {"fold1 seed 0": [{"age": "right", "sex": "wrong"}]}, "cases": 2, "agreement": 0.5, "void": 0,
        "unread": 0,
    }  # fmt: skip
    (folder / "j.json").write_text(json.dumps(content))
    (folder / "part.jsonl").write_text('["j", "abc", "right"]\n["j", "abd", "wrong"]\n')


def read_opinions(folder: Path) -> None:
    """The verdicts, sealed anew."""
    sealed(folder / "j.json", folder / "j.sha256")
    read_opinion(folder / "j.json")


def write_accepted(folder: Path) -> None:
    """An accepted submission of one record."""
    told = record()
    place = folder / "jane" / "records" / told.id
    place.mkdir(parents=True, exist_ok=True)
    (place / "record.json").write_text(told.model_dump_json())
    kept = Kept(row="rescored", sha256=hashlib.sha256((place / "record.json").read_bytes()).hexdigest(), checked="x")
    acceptance = Acceptance(
        name="jane", method="m", licence="MIT", open_licence=True, accepted="2026-01-01", harness="1", manifest="x",
        records={told.id: kept},
    )  # fmt: skip
    (folder / "jane" / ACCEPTED).write_text(acceptance.model_dump_json())


def read_accepted(folder: Path) -> None:
    """What the board takes of it, and what it says of the rest."""
    list(accepted(folder))
    list(damaged(folder))


def read_kind(name: str) -> Callable[[Path], object]:
    """What a kind reads of its predictions, to the last item."""
    info = KINDS[name][0]

    def read(folder: Path) -> None:
        found = kind_of(name).load(folder, info)
        for row in range(len(found)):
            found[row]

    return read


@cache
def kind_of(name: str) -> Kind:
    """The kind."""
    return get_kind(name)


def write_kind(name: str) -> Callable[[Path], object]:
    """A prediction of a kind."""
    info, prediction, _ = KINDS[name]
    return lambda folder: kind_of(name).save(prediction, folder, info)


def write_encoding(folder: Path) -> None:
    """Predicted responses of two runs."""
    runs = [{"sub-01": np.ones((4, 3), np.float32)}, {"sub-01": np.ones((2, 3), np.float32)}]
    kind_of("encoding").save(runs, folder, TaskInfo("t", "encoding", "y"))


def write_answers(folder: Path) -> None:
    """Answers with scores of labels."""
    from brainbench.benchmark.kinds.questions import Answers

    told = Answers(["a man", "x"], [{"sex": {"male": 0.5, "female": 0.5}}, {}])
    kind_of("questions").save(told, folder, TaskInfo("t", "questions", "y"))


def write_graphs(folder: Path) -> None:
    """Scores and native graphs of two networks."""
    from brainbench.benchmark.kinds.connectivity import Graphs

    graphs = [np.ones((3, 3)), np.zeros((2, 2))]
    kind_of("connectivity").save(Graphs(graphs, graphs), folder, TaskInfo("t", "connectivity", "y"))


def load(kind: str) -> Callable[[Path], object]:
    """What a kind reads."""
    return lambda folder: kind_of(kind).load(folder, TaskInfo("t", kind, "y"))


def listen(folder: Path) -> None:
    """A worker's messages. The parent ends a worker whose messages raise one of these."""
    try:
        hear((folder / "messages.jsonl").read_bytes().split(b"\n"), lambda label, done, total: None)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return


def staged(folder: Path) -> None:
    """Items as a worker gets them."""
    table = {"age": [1.0, 2.0], "subject": ["a", "b"]}
    import pandas as pd

    Items(pd.DataFrame(table, index=["a", "b"]), {"series": [np.ones((3, 2)), None]}, {"tr": 2}).save(
        folder / "i.parquet"
    )


def readers() -> list[Reader]:
    """Every reader of kept files."""
    rid = record().id
    cell = "cells/CELL"
    truth = Truth(task="t", version=1, target="y", data="d", labels={"a": "x", "b": 1.5}, names={"h": "a"})
    shard = {"keys": np.zeros((3, 32), np.uint8), "values": np.ones((3, 4), np.float32)}
    return [
        *readers_of("cohort", write_scans, ("toy/cohort.json", "toy/scans.parquet", "toy/series.npy"), read_scans),
        *readers_of("films", write_movies, ("f/movies.json", "f/runs.parquet", "f/parts.parquet", "f/ceilings.parquet",
                    "f/sub-01.bin"), read_movies),
        *readers_of("responses", write_responses, ("n/responses.json", "n/images.parquet", "n/rows.parquet",
                    "n/subj01.space.bin"), read_responses),
        *readers_of("networks", write_recordings, ("r/recordings.json", f"r/{SERIES}"), read_recordings),
        *readers_of("store", write_store, (f"records/{rid}/record.json", f"records/{rid}/{PART}",
                    f"records/{rid}/{VALUES}"), read_store),
        Reader("store: split.json", f"records/{rid}/split.json", write_store, in_record(read_split)),
        Reader("store: resamples alone", f"records/{rid}/{VALUES}", write_store, in_record(read_draws)),
        Reader("store: tombstone", f"records/{rid}/{TOMBSTONE}", write_store, in_record(read_tombstone)),
        *readers_of("store", write_cells, (f"{cell}/cell.json", f"{cell}/outcome.json", f"{cell}/ids.json"),
                    read_cells),
        Reader("judge's verdicts", "j.json", write_opinion, read_opinions),
        Reader("judge's interrupted run", "part.jsonl", write_opinion, lambda f: list(_kept(f / "part.jsonl"))),
        *readers_of("accepted", write_accepted, (f"jane/{ACCEPTED}", f"jane/records/{rid}/record.json"), read_accepted),
        *(Reader(f"predictions: {kind}", file, write_kind(kind), read_kind(kind))
          for kind, (_, _, file) in KINDS.items()),
        *readers_of("predictions: encoding", write_encoding, ("sub-01.npy", "frames.json"), load("encoding")),
        Reader("predictions: questions", "answers.parquet", write_answers, load("questions")),
        *readers_of("predictions: connectivity", write_graphs, ("scores.npz", "native.npz"), load("connectivity")),
        Reader("withheld truth", "t.json", lambda f: (f / "t.json").write_text(truth.model_dump_json()),
               lambda f: read_truth(f / "t.json")),
        Reader("seen in pretraining", SEEN, lambda f: leave_manifest(f, "d", ["a"], ["b"]), read_manifest),
        Reader("note of imported weights", TOLD, lambda f: (f / TOLD).write_text(json.dumps({"file": "x", "url": ""})),
               read_told),
        Reader("outcome of a worker", "o.json",
               lambda f: (f / "o.json").write_text(Outcome(status="ok").model_dump_json()),
               lambda f: told_of(read_outcome(f / "o.json"))),
        Reader("messages of a worker", "messages.jsonl",
               lambda f: (f / "messages.jsonl").write_text(MESSAGES), listen),
        Reader("cache of features", "x.npz", lambda f: np.savez(f / "x.npz", **shard),
               lambda f: _read_shard(f / "x.npz", "values", (4,), np.float32)),
    ]  # fmt: skip


def told_of(outcome: Outcome) -> str:
    """An outcome as a record would hold it."""
    return outcome.model_dump_json()


def write_cells(folder: Path) -> None:
    """The store's one cell, under a name that is known beforehand."""
    write_store(folder)
    (kept,) = (folder / "cells").iterdir()
    if kept.name != "CELL":
        kept.rename(folder / "cells" / "CELL")


def read_cells(folder: Path) -> None:
    """The cell, sealed anew."""
    read_store(folder)
