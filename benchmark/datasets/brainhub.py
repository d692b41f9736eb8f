"""BrainHub: what is said of NSD's 982 test images, and what published models decoded from four brains."""

from __future__ import annotations

import csv
import http.client
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from ..contracts import Data, Dataset, DatasetCard, Progress, silent
from ..errors import BadData, BadOption, DataMissing, need
from ..home import cohorts
from .brainhub_files import read_boxes, read_references, read_salience
from .recordings.download import Resuming
from .response_manifest import MANIFEST
from .responses import ResponseCohort, ResponseWriter

COMMIT = "d8880b247465576715cf08dacbc5167851ed6820"
BASE = f"https://raw.githubusercontent.com/weihaox/BrainHub/{COMMIT}"

BRAINS = ("subj01", "subj02", "subj05", "subj07")
"""The four who saw all images of NSD three times."""

CAPTIONS = "caption/fmri_cococap.json"
BOXES = "bbox/coco_bbox_categorized.json"
LABELS = ("processing/coco/coco_categorized_labels.json", "bbox/coco_categorized_labels.json")

GET = "brainbench data get brainhub   then  brainbench data import brainhub ./brainhub"


class BrainHub(Dataset):
    """References of the test images, without responses and pictures."""

    name = "brainhub"
    card = DatasetCard(
        title="BrainHub: references and decoded captions and boxes of NSD's test images",
        summary="COCO captions and boxes of the 982 test images under the ids 0 to 981, to score predictions that "
        "exist already; and such predictions of published models (UMBRAE, BrainCap, SDRecon, OneLLM).",
        access="open: `brainbench data get brainhub` takes the JSON files of github.com/weihaox/BrainHub",
        licence="MIT; COCO's captions and boxes CC BY 4.0 (COCO Consortium)",
        expected=f"{CAPTIONS}; {BOXES}; {LABELS[0]}, which may lie beside the boxes",
        citation="Xia et al. 2024, UMBRAE, ECCV (arXiv 2404.07202)",
        counts="982 images, 4913 captions, 5829 boxes of 80 classes; four brains",
        leaves="ids",
        open=True,
    )

    def installed(self) -> bool:
        """Whether the references have been imported."""
        return (cohorts() / self.name / MANIFEST).is_file()

    def load(self, source: str, progress: Progress = silent) -> Data:
        """The references, from "real" or "references". Raises `DataMissing` or `BadOption`."""
        if source not in ("real", "references"):
            raise BadOption(f"--data {source}: brainhub holds references only", "use  --data references")
        return references()


def references() -> Data:
    """The installed references: a row for each (brain, image), all test, without responses and pictures."""
    folder = cohorts() / BrainHub.name
    if not (folder / MANIFEST).is_file():
        raise DataMissing("brainhub is not installed", f"the references:  {GET}")
    cohort = ResponseCohort.open(folder)
    manifest = cohort.manifest
    return Data(cohort.items(), manifest.name, manifest.origin, manifest.fingerprint)


@dataclass(frozen=True)
class BrainHubReport:
    """What an import of BrainHub found."""

    cohort: ResponseCohort
    captions: int
    boxes: int
    notes: list[str]


def import_brainhub(path: Path, target: Path | None = None) -> BrainHubReport:
    """Check the references in a copy of the repository, and install them.

    Raises `BadData` where a file is lacking or not what it should be.
    """
    captions = read_references(_file(path, CAPTIONS))
    boxes = read_boxes(_file(path, BOXES))
    labels = next((path / name for name in LABELS if (path / name).is_file()), None)
    salience = read_salience(labels) if labels else {}
    notes = [] if labels else [f"no {Path(LABELS[0]).name}: the salience of a class is not known"]
    if salience and (other := {name for found in boxes.values() for name in found} - set(salience)):
        raise BadData(f"{labels}: lacks {min(other)!r}, which the boxes name", "take both files from one copy")
    with ResponseWriter(target or cohorts() / BrainHub.name, BrainHub.name, "real", dataset="brainhub") as writer:
        for name, texts in captions.items():
            writer.image(name, None, texts, boxes=boxes[name], set="test")
        for brain in BRAINS:
            for name in captions:
                writer.responses(brain, name, None)
        folder = writer.finish(source=str(path.resolve()), meta={"salience": salience} if salience else {})
    count = sum(len(listed) for found in boxes.values() for listed in found.values())
    return BrainHubReport(ResponseCohort.open(folder), sum(map(len, captions.values())), count, notes)


def _file(path: Path, name: str) -> Path:
    if not (path / name).is_file():
        raise BadData(f"{path}: no {name}", f"give a copy of the repository BrainHub:  {GET}")
    return path / name


def pinned() -> dict[str, str]:
    """File of the repository -> its SHA-256 at the commit that is fetched."""
    with resources.files(__package__).joinpath("brainhub_files.csv").open(encoding="utf-8") as file:
        return {row["path"]: row["sha256"] for row in csv.DictReader(file)}


def download_brainhub(folder: Path, *, url: str | None = None, progress: Progress = silent) -> Path:
    """Download references and predictions into a folder; what is there whole is not fetched again.

    ``url`` is another server of the same layout. Raises `DataMissing` when the server is not reached (what has
    arrived stays), `BadData` for another file than the pinned one, `ExtraMissing` without pooch.
    """
    try:
        from pooch import get_logger, retrieve
    except ImportError:
        raise need("neuro", "pooch") from None
    get_logger().setLevel("WARNING")
    files = pinned()
    for done, (name, digest) in enumerate(files.items()):
        progress("download (files)", done, len(files))
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        fetcher = Resuming(place.parent / f".{place.name}.part", silent)
        try:
            retrieve(f"{url or BASE}/{name}", f"sha256:{digest}", place.name, place.parent, downloader=fetcher)
        except ValueError:
            raise BadData(f"{url or BASE}/{name}: not the file that was pinned", "repeat the command later") from None
        except (OSError, http.client.HTTPException) as error:
            raise DataMissing(
                f"download of {url or BASE}/{name} failed: {str(error)[:200] or type(error).__name__}",
                "with a network, repeat the command to continue; without one, copy the repository from another "
                "machine and use  brainbench data import brainhub PATH",
            ) from None
    progress("download (files)", len(files), len(files))
    return folder
