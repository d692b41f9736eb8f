"""Readers of what anybody sends: predictions, submissions, weights, packed arrays, replies of judges, films."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from fuzz_reader import Reader, readers_of
from fuzz_store_files import write_store
from PIL import Image
from site_maker import make_record
from submission_toy import reseal

from brainbench.benchmark.datasets.codabench import Expected, check_submission, rows_from, write_submission
from brainbench.benchmark.draws import PART
from brainbench.benchmark.judges import read_reply
from brainbench.benchmark.kinds.outside_files import read_pictures, read_texts
from brainbench.benchmark.kinds.pictures import read_png
from brainbench.benchmark.record import Record
from brainbench.benchmark.registry import load_task
from brainbench.benchmark.restricted import read_counts, read_object_array
from brainbench.benchmark.submitting import contents
from brainbench.benchmark.submitting.archive import received
from brainbench.benchmark.submitting.layout import Limits
from brainbench.benchmark.submitting.offer import read_offer

RNG = np.random.default_rng(2)
LIMITS = Limits(files=200, file_bytes=1 << 24, total_bytes=1 << 25)
ROWS = {"sub-01": {"a": 4, "b": 3}}
EXPECTED = Expected("ood", ROWS, "a test", 5)
TEXTS = {"a": "a cat", "b": "", "c": "ein Hund"}
PICTURE = RNG.integers(0, 255, (16, 16, 3)).astype(np.uint8)


def write_object(folder: Path) -> None:
    """Dictionaries as the challenge has them."""
    np.save(folder / "counts.npy", {"s07e01a": 33, "s07e01b": 34}, allow_pickle=True)  # type: ignore[arg-type]
    held = {"sub-01": {"a": np.ones((4, 5), np.float32), "b": np.ones((3, 5), np.float32)}}
    np.save(folder / "object.npy", held, allow_pickle=True)  # type: ignore[arg-type]
    write_submission(folder / "ood.zip", held, "ood")
    (folder / "rows.json").write_text(json.dumps(ROWS))


def write_pictures(folder: Path) -> None:
    """Pictures as a folder and as tensors."""
    import torch

    (folder / "png").mkdir(exist_ok=True)
    for name in ("a", "b"):
        Image.fromarray(PICTURE).save(folder / "png" / f"{name}.png")
    both = np.stack([PICTURE, PICTURE])
    np.save(folder / "all.npy", both)
    torch.save(torch.from_numpy(both), folder / "some.pt")
    for stem in ("all", "some"):
        (folder / f"{stem}.ids.json").write_text('["a", "b"]')


def look(name: str) -> Callable[[Path], object]:
    """Every picture of a folder or tensor."""

    def read(folder: Path) -> None:
        found = read_pictures(folder / name, ["a", "b"])
        for row in range(len(found)):
            found[row]

    return read


@cache
def offered_record() -> Record:
    """A record of a task that is known, with one cell: that of `write_store`."""
    task = load_task("abide1-asd")[0]
    told = make_record("m", 0.8, task=task.name)
    part = told.task.model_copy(update={"version": task.version, "metrics": task.metrics})
    scores = dict.fromkeys(task.metrics, told.scores["auc"])
    return told.model_copy(update={"task": part, "scores": scores, "cells": told.cells[:1]})


@cache
def submission() -> dict[str, bytes]:
    """The files of a submission of one record: path -> content."""
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_store(folder)
        told = offered_record()
        (cell,) = (folder / "cells").iterdir()
        cell.rename(next((folder / "records").iterdir()) / "cells-fold1-seed0")
        out = folder / "out"
        kept = out / "records" / told.id
        (folder / "records").rename(out)
        next(out.iterdir()).rename(folder / "kept")
        kept.parent.mkdir()
        (folder / "kept").rename(kept)
        (kept / "cells").mkdir()
        (kept / "cells-fold1-seed0").rename(kept / "cells" / "fold1-seed0")
        (kept / "tombstone.json").unlink()
        (kept / "record.json").write_text(told.model_dump_json())
        manifest = {
            "name": "jane", "method": "m", "source": "method/own.py:Own", "licence": "MIT", "harness": "1",
            "created": "2026-01-01T00:00:00+00:00",
            "records": {told.id: {"task": told.task.name, "row": "rescored", "leaves": "ids", "sha256": "0" * 64}},
        }  # fmt: skip
        (out / "submission.json").write_text(json.dumps(manifest))
        (out / "card.json").write_text(json.dumps(told.card))
        (out / "README.md").write_text("# how\n")
        (out / "method").mkdir()
        (out / "method" / "own.py").write_text("class Own: ...\n")
        reseal(out)
        return {
            file.relative_to(out).as_posix(): file.read_bytes() for file in sorted(out.rglob("*")) if file.is_file()
        }


def write_folder(folder: Path) -> None:
    """The submission as a folder."""
    for name, content in submission().items():
        (folder / "jane" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "jane" / name).write_bytes(content)


def write_packed(folder: Path) -> None:
    """The submission as archives."""
    with zipfile.ZipFile(folder / "jane.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in submission().items():
            archive.writestr(f"jane/{name}", content)
    with tarfile.open(folder / "jane.tar.gz", "w:gz") as packed:
        for name, content in submission().items():
            info = tarfile.TarInfo(f"jane/{name}")
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))


def receive(name: str) -> Callable[[Path], object]:
    """Take a submission in and read it."""

    def read(folder: Path) -> None:
        with received(folder / name, LIMITS) as place:
            read_offer(place)

    return read


def read_sealed(folder: Path) -> None:
    """Read a folder whose hashes fit again."""
    try:
        reseal(folder / "jane")
    except Exception:  # the manifest itself is spoilt
        pass
    read_offer(folder / "jane")


def write_contents(folder: Path) -> None:
    """One file of predictions of each sort."""
    import pandas as pd

    place = folder / "cell" / "prediction"
    place.mkdir(parents=True, exist_ok=True)
    pd.DataFrame({"text": ["a", "b"], "p": [0.5, 0.25]}).to_parquet(place / "x.parquet")
    np.savez_compressed(place / "x.npz", **{"0": np.ones(3), "1": np.ones((2, 2))})  # type: ignore[arg-type]
    np.save(place / "x.npy", np.ones((2, 2), np.float32))
    Image.fromarray(PICTURE).save(place / "x.png")
    (place / "x.json").write_text('{"sub-01": [1, 2]}')


def check_contents(name: str) -> Callable[[Path], object]:
    """What the bounded process says of one file; it catches all but the end of the process."""
    read = contents.READERS[f".{name}"]

    def look(folder: Path) -> None:
        try:
            read(folder / "cell" / "prediction" / f"x.{name}", 2)
        except MemoryError:
            raise
        except Exception:
            return

    return look


def write_weights(folder: Path) -> None:
    """Tensors as we and others write them."""
    import torch

    from brainbench.benchmark.nn.weights import save_weights

    state = {"a.weight": torch.ones(2, 3), "a.bias": torch.zeros(2)}
    save_weights(folder, state, {"sizes": {"width": 3}})
    torch.save({"model": state, "epoch": 3}, folder / "other.pt")


def read_weights(name: str) -> Callable[[Path], object]:
    """Tensors of a file."""

    def read(folder: Path) -> None:
        from brainbench.benchmark.nn.weights import load_weights

        load_weights(folder / name)

    return read


def write_stage(folder: Path) -> None:
    """The state of an interrupted stage."""
    whole().write(folder / "stage.pt", {"step": 3})


def read_stage(folder: Path) -> None:
    """Going on from there."""
    whole().read(folder / "stage.pt")


def whole():  # type: ignore[no-untyped-def]
    """A network with its optimiser."""
    import torch

    from brainbench.methods.fmri_lm.interruption import Whole

    network = torch.nn.Linear(2, 2)
    return Whole([network], torch.optim.Adam(network.parameters()), np.random.default_rng(0), "cpu")


def write_film(folder: Path) -> None:
    """A second of film with sound."""
    from film_maker import make_film

    make_film(folder / "x.mkv", 1, lambda t: 100, lambda t: np.sin(t * 100) / 2, 4, (16, 16), 8000)


def read_film(folder: Path) -> None:
    """Its sound and its frames."""
    from brainbench.benchmark.extraction.films import Sampling, clips, sound

    sound(folder / "x.mkv", 8000)
    for _ in clips(folder / "x.mkv", Sampling(2, 1.0)):
        pass


def replied(folder: Path) -> None:
    """The verdicts in a judge's reply."""
    read_reply((folder / "reply.json").read_text(errors="replace"), {"a", "b"})


def readers() -> list[Reader]:
    """Every reader of sent files."""
    texts = "id,text\n" + "".join(f'{name},"{text}"\n' for name, text in TEXTS.items())
    listed = [{"image_id": name, "caption": text} for name, text in TEXTS.items()]
    record = f"jane/records/{offered_record().id}"
    in_folder = ("submission.json", "card.json")
    return [
        Reader("sample counts", "counts.npy", write_object, lambda f: read_counts(f / "counts.npy")),
        Reader("dictionary of arrays", "object.npy", write_object, lambda f: read_object_array(f / "object.npy")),
        Reader("Codabench's zip", "ood.zip", write_object, lambda f: check_submission(f / "ood.zip", EXPECTED)),
        Reader("Codabench's rows", "rows.json", write_object, lambda f: rows_from(f / "rows.json", "ood")),
        Reader("texts .csv", "t.csv", lambda f: (f / "t.csv").write_text(texts), lambda f: read_texts(f / "t.csv")),
        Reader("texts .json", "t.json", lambda f: (f / "t.json").write_text(json.dumps(TEXTS)),
               lambda f: read_texts(f / "t.json")),
        Reader("texts .json of COCO", "t.json", lambda f: (f / "t.json").write_text(json.dumps(listed)),
               lambda f: read_texts(f / "t.json")),
        Reader("pictures, .png", "png/a.png", write_pictures, look("png")),
        Reader("pictures, .npy", "all.npy", write_pictures, look("all.npy")),
        Reader("pictures, ids", "all.ids.json", write_pictures, look("all.npy")),
        Reader("pictures, .pt", "some.pt", write_pictures, look("some.pt")),
        Reader("a .png alone", "png/b.png", write_pictures, lambda f: read_png(f / "png/b.png")),
        Reader("submission .zip", "jane.zip", write_packed, receive("jane.zip")),
        Reader("submission .tar.gz", "jane.tar.gz", write_packed, receive("jane.tar.gz")),
        *readers_of("submission", write_folder, [*(f"jane/{name}" for name in in_folder), "jane/checksums.sha256"],
                    lambda f: read_offer(f / "jane")),
        *readers_of("submission, sealed", write_folder,
                    [*(f"jane/{name}" for name in in_folder), f"{record}/record.json", f"{record}/{PART}",
                     f"{record}/cells/fold1-seed0/cell.json", f"{record}/cells/fold1-seed0/outcome.json",
                     f"{record}/cells/fold1-seed0/ids.json", f"{record}/split.json"], read_sealed),
        *(Reader(f"contents .{name}", f"cell/prediction/x.{name}", write_contents, check_contents(name))
          for name in ("parquet", "npz", "npy", "png", "json")),
        Reader("weights.safetensors", "weights.safetensors", write_weights, read_weights("weights.safetensors")),
        Reader("weights.json", "weights.json", write_weights, read_weights("weights.safetensors")),
        Reader("weights of others .pt", "other.pt", write_weights, read_weights("other.pt")),
        Reader("interrupted stage .pt", "stage.pt", write_stage, read_stage),
        Reader("film", "x.mkv", write_film, read_film),
        Reader("reply of a judge", "reply.json",
               lambda f: (f / "reply.json").write_text('{"a": true, "b": false}'), replied),
    ]  # fmt: skip
