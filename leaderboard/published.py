"""Published numbers: what papers print. Shown under real-data tables, never ranked with ours."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

SSIM_BY_COLUMNS = "its code was pinned to a scikit-image that averages one-dimensional SSIMs over image columns"
HARD_LABEL_AUC = (
    "its released code computes AUC from hard 0/1 labels, which equals balanced accuracy; "
    "whether the printed AUC comes from it is unknown"
)


@dataclass(frozen=True)
class Sheet:
    """One file of published numbers.

    Attributes
    ----------
    file
        Below ``published/``; columns source, table, method, dataset, target, metric, mean, std, note.
        A note is one or more caveats, parted by ``"; "``.
    metrics
        Metric as printed -> name here, and what is printed for a score of 1: 100 for percent. Rows of
        other metrics have no counterpart and are left out.
    """

    file: str
    metrics: Mapping[str, tuple[str, float]]


SHEETS = (
    Sheet(
        "rsfmri.csv",
        {
            "Acc": ("accuracy", 100),
            "AUC": ("auc", 100),
            "F1": ("macro-f1", 100),
            "MAE": ("mae", 1),
            "p": ("pearson-r", 1),
        },
    ),
    Sheet(
        "vision.csv",
        {
            **{f"BLEU{n}": (f"bleu-{n}", 1) for n in (1, 2, 3, 4)},
            **{"METEOR": ("meteor", 1), "ROUGE": ("rouge-l", 1), "ROUGE-L": ("rouge-l", 1), "CIDEr": ("cider-d", 1)},
            **{"SPICE": ("spice", 1), "CLIP-S": ("clip-s", 1), "RefCLIP-S": ("ref-clip-s", 1)},
            **{"PixCorr": ("pixcorr", 1), "SSIM": ("ssim", 1), "Inception": ("inception", 1), "CLIP": ("clip", 1)},
            **{"AlexNet(2)": ("alexnet-2", 1), "AlexNet(5)": ("alexnet-5", 1)},
            **{"EffNet-B": ("effnet-b", 1), "SwAV": ("swav", 1)},
            **{"acc@0.5 (A)": ("brainhub-acc", 1), "IoU (A)": ("brainhub-iou", 1)},
            **{f"acc@0.5 ({group})": (f"brainhub-acc:{group}", 1) for group in ("S", "I")},
            **{f"IoU ({group})": (f"brainhub-iou:{group}", 1) for group in ("S", "I")},
        },
    ),
    Sheet("encoding.csv", {"r": ("encoding-r", 1)}),
    Sheet("ec.csv", {"AUROC": ("graph-auroc", 1), "AUPRC": ("graph-auprc", 1)}),
)


@dataclass(frozen=True)
class Published:
    """One method of one published table on one data set and target.

    Attributes
    ----------
    values
        Metric name -> (mean, standard deviation or None), in the units of our metrics.
    notes
        Known caveats.
    """

    source: str
    table: str
    method: str
    values: dict[str, tuple[float, float | None]]
    notes: tuple[str, ...]


@cache
def _rows(sheet: str) -> tuple[dict[str, str], ...]:
    text = (files(__package__) / "published" / sheet).read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


def published(dataset: str, target: str) -> list[Published]:
    """Published rows for a data set and target as the papers name them, in the order of the tables."""
    found: dict[tuple[str, str, str], Published] = {}
    for sheet in SHEETS:
        for row in _rows(sheet.file):
            if (row["dataset"], row["target"]) != (dataset, target) or row["metric"] not in sheet.metrics:
                continue
            if not row["mean"]:
                continue
            key = (row["source"], row["table"], row["method"])
            old = found.get(key, Published(*key, {}, ()))
            metric, unit = sheet.metrics[row["metric"]]
            sd = float(row["std"]) / unit if row["std"] else None
            values = {**old.values, metric: (float(row["mean"]) / unit, sd)}
            found[key] = Published(*key, values, tuple(dict.fromkeys((*old.notes, *_notes(row)))))
    return list(found.values())


def _notes(row: Mapping[str, str]) -> Iterator[str]:
    """The caveats of a row."""
    yield from filter(None, row["note"].split("; "))
    if row["metric"] == "SSIM" and row["method"] == "Brain-Diffuser":
        yield SSIM_BY_COLUMNS
    if row["metric"] == "AUC" and row["method"].startswith("fMRI-LM"):
        yield HARD_LABEL_AUC
