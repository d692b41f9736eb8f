"""Predictions that were made elsewhere: matched to a task's test items by their ids, scored, kept as a record.

Such a row is ``rescored``: our metrics on somebody's predictions. Nothing is known here of how they were made but
what is told, so they are ranked among themselves only.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from .cells import Cell, MethodSpec
from .contracts import Card, Context, Data, Fold, Kind, Method, Progress, Task, Train
from .errors import BadData, BadIds, BadOption, DataMissing
from .files import digest_file, write_error
from .items import Items
from .kinds import get_kind
from .loading import Loaded, cut, load
from .plan import Row, with_metrics
from .record import OWN, Finding, Record
from .recording import make_record
from .registry import load_dataset, load_task
from .settings import Settings
from .splits import SplitManifest, Together, make_manifest
from .staging import order_seed, show_test
from .store import Finished, Store
from .worker import Outcome

LONGEST_NAME = 80
"""Characters of a method's name: it is a cell of tables, and part of a folder's name."""


@dataclass(frozen=True)
class Offer:
    """What somebody brings.

    Attributes
    ----------
    task
        Name of the task.
    method
        Name of what made the predictions.
    files
        Part (such as a brain) -> file or folder; the key "" where ids are whole or there is one part only.
    data
        auto, real, references or simulated.
    references
        A file of references of one's own, instead of the task's; None for these.
    notes
        What is known of how the predictions were made.
    metrics
        Metrics beside the task's own.
    """

    task: str
    method: str
    files: Mapping[str, Path]
    data: str = "auto"
    references: Path | None = None
    notes: tuple[str, ...] = ()
    metrics: tuple[str, ...] = field(default=())


class Elsewhere(Method):
    """Stands for a method that was run elsewhere: it is never fitted."""

    card = Card("Predictions from outside", "Made elsewhere; only scored here.")
    supports = ()
    seeded = False

    def fit(self, train: Train, context: Context) -> None:
        """Never called."""
        raise BadOption("predictions from outside cannot be made again")

    def predict(self, test: Any, context: Context) -> Any:
        """Never called."""
        raise BadOption("predictions from outside cannot be made again")


def score_outside(offer: Offer, store: Store, progress: Progress) -> tuple[Record, Path]:
    """Score predictions from files and keep the record.

    Raises `BadData` for files that do not fit the test items (ids that are missing, unknown or there twice,
    anything that is not data), `BadPrediction` for values out of range, `DataMissing` and `BadOption`.
    """
    task, ref = load_task(offer.task)
    task = with_metrics(task, offer.metrics)
    if not offer.method.strip():
        raise BadOption("no name is given", "say what made the predictions:  --method NAME")
    if not all(text.isprintable() for text in (offer.method, *offer.notes)):
        raise BadOption("a name or note holds a line break or a control character", "write plain text on one line")
    if len(offer.method) > LONGEST_NAME:
        raise BadOption(
            f"a name of {len(offer.method):,} characters; at most {LONGEST_NAME} are taken", "tell the rest by  --note"
        )
    for path in offer.files.values():
        if not path.exists():
            raise BadData(f"{path}: no such file or folder", "check the path")
    loaded, source = reference_data(task, offer, progress)
    split = split_of(task, loaded)
    spec = MethodSpec(
        name=offer.method, ref=f"outside:{offer.method}", preset="", options={}, source=content(offer.files)
    )
    cells = tuple(cell_of(task, spec, split, name) for name in split.folds)
    row = Row(task, ref, source, loaded, split, Elsewhere, spec, cells)
    store.prepare()
    done: dict[str, Finished | Outcome] = {
        cell.key: keep(cell, task, loaded, split.fold(cell.fold), offer.files, store, progress) for cell in cells
    }
    record, draws = make_record(row, done, Settings(device="cpu", threads=1, executor="none"))
    names = ", ".join(path.name for path in offer.files.values())
    card = Card(offer.method, f"Predictions that were made elsewhere: {names}.", notes="; ".join(offer.notes))
    ranked = record.ranked and source != OWN
    update = {"row": "rescored", "card": asdict(card), "audit": tuple(findings(task, done)), "ranked": ranked}
    record = record.model_copy(update=update)
    finished = [part for part in done.values() if isinstance(part, Finished)]
    return record, store.save(record, split, finished, draws)


def findings(task: Task, done: Mapping[str, Finished | Outcome]) -> Iterator[Finding]:
    """What a reader must know of predictions whose making nobody saw."""
    yield Finding(detector="origin", level="unknown", message="predictions were made elsewhere, unseen")
    kind = get_kind(task.kind)
    folders = [part.folder / "prediction" for part in done.values() if isinstance(part, Finished)]
    loaded = [kind.load(folder, task.info) for folder in folders]
    said = [one for values in loaded if isinstance(values, list) for one in values if isinstance(one, str)]
    if blank := sum(not one.strip() for one in said):
        yield Finding(detector="empty", level="note", message=f"{blank} of {len(said)} texts are empty")


def reference_data(task: Task, offer: Offer, progress: Progress) -> tuple[Loaded, str]:
    """The test items with their truth, and where it comes from: the cohort, its references, or one's own file."""
    if offer.references:
        return own_references(task, offer), OWN
    if offer.data != "auto":
        return load(task, offer.data, progress), offer.data
    if load_dataset(task.dataset).installed():
        return load(task, "real", progress), "real"
    try:
        return load(task, "references", progress), "references"
    except BadOption:
        raise DataMissing(
            f"the truth of {task.name} is not installed", "see `brainbench data list`, or give  --references FILE"
        ) from None


def own_references(task: Task, offer: Offer) -> Loaded:
    """Items made of a file of references: one an id and part. Raises `BadData`; `BadOption` for other kinds."""
    assert offer.references is not None
    truth = get_kind(task.kind).references(offer.references, task.info)
    names = [part for part in offer.files if part] or ["own"]
    frames = [
        truth.table.assign(**{task.parts or "part": part}).set_axis([f"{part}/{name}" for name in truth.table.index])
        for part in names
    ]
    table = pd.concat(frames).assign(set="test")
    arrays = {name: list(values) * len(names) for name, values in truth.arrays.items()}
    items = Items(table, arrays, {**truth.meta, "subjects": len(names)})
    fingerprint = hashlib.sha256(f"{names} {digest_file(offer.references)}".encode()).hexdigest()
    return Loaded(Data(items, offer.references.name, "real", fingerprint), {})


def split_of(task: Task, loaded: Loaded) -> SplitManifest:
    """The task's split; where there is nothing to train on, all items as they are."""
    table = loaded.items.table
    if "set" in table and not (table["set"] == "train").any():
        return make_manifest(Together(), table, task.target, loaded.data.fingerprint)
    return cut(task, loaded, None)


def cell_of(task: Task, spec: MethodSpec, split: SplitManifest, fold: str) -> Cell:
    """The cell of a fold."""
    return Cell(task=task.name, version=task.version, method=spec, data=split.data, split=split.hash, fold=fold, seed=0)


def keep(
    cell: Cell,
    task: Task,
    loaded: Loaded,
    fold: Fold,
    files: Mapping[str, Path],
    store: Store,
    progress: Progress,
) -> Finished:
    """Read, check and store the predictions of a fold, in the order in which methods would be shown it."""
    kind = get_kind(task.kind)
    test, shown = show_test(kind, task, loaded.items, fold, order_seed(cell.data, cell.split, cell.fold))
    prediction = kind.check(gather(kind, task, shown.ids, loaded.items, files, progress), test, task.info)
    with tempfile.TemporaryDirectory(dir=store.path / "work") as place:
        try:
            kind.save(prediction, Path(place), task.info)
        except OSError as error:
            raise write_error(error, store.path) from error
        return store.keep(cell, Outcome(status="ok"), shown.ids, Path(place))


def gather(
    kind: Kind, task: Task, ids: Sequence[str], items: Items, files: Mapping[str, Path], progress: Progress
) -> Any:
    """The predictions of these items, in this order, from one file a part."""
    rows: dict[str, list[int]] = {}
    for row, part in enumerate(parts_of(task, ids, items, files)):
        rows.setdefault(part, []).append(row)
    pieces, order = [], []
    for done, (part, path) in enumerate(files.items()):
        progress("reading", done, len(files))
        here = rows[part]
        prefix = f"{part}/" if part else common_prefix([ids[row] for row in here])
        wanted = [ids[row].removeprefix(prefix) for row in here]
        try:
            pieces.append(kind.outside(path, wanted, task.info))
        except BadIds as error:
            if not prefix:
                raise BadIds(error.message, one_part(wanted) if task.parts else error.hint) from None
            try:  # a file of one part may name it all the same
                pieces.append(kind.outside(path, [ids[row] for row in here], task.info))
            except BadIds:
                raise error from None
        order += here
    back = sorted(range(len(order)), key=order.__getitem__)
    return kind.take(kind.concat(pieces), back)


def one_part(wanted: Sequence[str]) -> str:
    """What to type where one file was given for several parts, and does not name them in its ids."""
    first = min(wanted).partition("/")[0]
    return (
        f"one file for several parts names images as {min(wanted)}; a file of one part comes as"
        f"  --predictions {first}=FILE  with one for each, or alone with the regime  @subjects:1"
    )


def common_prefix(ids: Sequence[str]) -> str:
    """``subj01/`` where all ids begin so, as a file of one brain names images alone; "" else."""
    first = {name.partition("/")[0] for name in ids}
    return f"{first.pop()}/" if len(first) == 1 and all("/" in name for name in ids) else ""


def parts_of(task: Task, ids: Sequence[str], items: Items, files: Mapping[str, Path]) -> list[str]:
    """The key of the file for each item. Raises `BadOption` where a part has no file, or a file no part."""
    if list(files) == [""]:
        return [""] * len(ids)
    if not task.parts or "" in files:
        raise BadOption(
            f"{task.name}: predictions are given as FILE" + (", or PART=FILE for all parts" if task.parts else ""),
            f"--predictions FILE{'  or  --predictions subj01=FILE --predictions subj02=FILE' if task.parts else ''}",
        )
    of_items = items.table[task.parts].astype(str).loc[list(ids)].tolist()
    missing, unknown = sorted(set(of_items) - set(files)), sorted(set(files) - set(of_items))
    if unknown:
        raise BadOption(f"{task.name} has no part {unknown[0]!r}", f"its parts are: {', '.join(sorted(set(of_items)))}")
    if missing:
        some = ",".join(str(int(name.removeprefix("subj"))) for name in files if name.removeprefix("subj").isdecimal())
        hint = f"score these alone:  --task {task.name}@subjects:{some}" if some else "give a file for each"
        raise BadOption(f"no predictions for {', '.join(missing)}", hint)
    return of_items


def content(files: Mapping[str, Path]) -> str:
    """Hash of files and folders of files, each under its part."""
    digest = hashlib.sha256()
    for part, path in sorted(files.items()):
        digest.update(f"{part}\0".encode())
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                digest.update(f"{file.name}\0{digest_file(file)}\n".encode())
    return digest.hexdigest()[:16]


def parse_files(given: Sequence[str]) -> dict[str, Path]:
    """``[PART=]FILE`` texts as part -> path. Raises `BadOption`."""
    found: dict[str, Path] = {}
    for text in given:
        part, equals, path = text.partition("=")
        part, path = (part, path) if equals and not Path(text).exists() else ("", text)
        if part in found:
            raise BadOption(f"--predictions {text}: {part or 'a file without a part'} is given twice")
        if not path:
            raise BadOption(f"--predictions {text}: no file after the =")
        found[part] = Path(path)
    return found
