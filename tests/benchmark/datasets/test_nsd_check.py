"""The check of responses names each planted fault, the brain and the image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from brainbench.benchmark.datasets.brainhub import import_brainhub
from brainbench.benchmark.datasets.response_check import check_responses
from brainbench.benchmark.datasets.responses import ResponseWriter

RNG = np.random.default_rng(0)
BRAINS = ("subj01", "subj02")


def write(folder: Path, fault: str = "", origin: str = "twin") -> Path:
    """Two brains of five voxels, four training and two test images; one fault."""
    with ResponseWriter(folder, "nsd", origin) as writer:
        for brain in BRAINS:
            writer.space(brain, (2, 3, 4), 1.8, np.arange(5))
        for number in range(6):
            pixels = np.full((4, 4, 3), 0 if fault == "copy" and number == 5 else number, np.uint8)
            picture = None if fault == "picture" and number == 5 else pixels
            captions = [] if fault == "caption" and number == 4 else ["a dog"]
            writer.image(f"i{number}", picture, captions, boxes={"dog": [[0, 0, 1, 1]]},
                         set="train" if number < 4 else "test")  # fmt: skip
        for brain in BRAINS:
            for number in range(6):
                trials = RNG.normal(size=(3, 5)).astype(np.float32)
                if brain == "subj02" and number == 5:
                    if fault == "unseen":
                        continue
                    trials = faulty(trials, fault)
                if fault == "constant":
                    trials[:, 2] = 1
                writer.responses(brain, f"i{number}", trials)
        if fault == "nobody":
            writer.image("i6", np.full((4, 4, 3), 6, np.uint8), ["a cat"], boxes={"cat": [[0, 0, 1, 1]]})
        return writer.finish()


def faulty(trials: np.ndarray, fault: str) -> np.ndarray:
    if fault == "nan":
        trials[1, 3] = np.nan
    if fault == "zero":
        trials[2] = 0
    return trials[:2] if fault == "twice" else trials


def test_sound_responses_have_no_finding(tmp_path: Path) -> None:
    report = check_responses(write(tmp_path / "nsd"))
    assert report.findings == []
    assert report.summary() == "nsd: 6 images, 2 brains: 0 errors, 0 warnings"
    assert report.brains[1] == {
        "brain": "subj02", "grid": "2 x 3 x 4", "mm": 1.8, "voxels": 5, "trials": 18, "training images": 4,
        "test images": 2, "test repeats": "2 x 3",
    }  # fmt: skip
    assert report.images[0] == {
        "set": "test", "images": 2, "pictures": 2, "captions": 2, "blip2": 0, "descriptions": 0, "questions": 0,
        "boxes": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "level", "brain", "text"),
    [
        ("nan", "error", "subj02", "NaN or infinity in 1 trials: 1 image (i5)"),
        ("zero", "error", "subj02", "1 trials are all zero: 1 image (i5)"),
        ("twice", "warning", "subj02", "test images seen fewer than 3 times: 1 twice of 2"),
        ("unseen", "warning", "subj02", "1 image (i5) of the test set were not shown"),
        ("copy", "error", "", "the same picture as i0"),
        ("picture", "warning", "", "1 image (i5) of the test set: no picture"),
        ("caption", "warning", "", "1 image (i4) of the test set: no caption"),
        ("nobody", "warning", "", "1 image (i6) were shown to nobody"),
    ],
)
def test_a_planted_fault_is_named(tmp_path: Path, fault: str, level: str, brain: str, text: str) -> None:
    (found,) = check_responses(write(tmp_path / "nsd", fault)).findings
    assert (found.level, found.subject, found.text) == (level, brain, text)
    assert found.scan == ("i5" if fault == "copy" else "")


def test_constant_voxels_and_wrong_masks_are_told_of_each_brain(tmp_path: Path) -> None:
    texts = [finding.text for finding in check_responses(write(tmp_path / "nsd", "constant")).findings]
    assert texts == ["1 of 5 voxels never vary"] * 2
    texts = [finding.text for finding in check_responses(write(tmp_path / "nsd", origin="real")).findings]
    assert texts == [f"5 voxels; nsdgeneral of NSD has {count}" for count in (15724, 14278)]


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    file = write(tmp_path / "nsd") / "subj01.responses.bin"
    raw = bytearray(file.read_bytes())
    raw[7] ^= 1
    file.write_bytes(raw)
    report = check_responses(tmp_path / "nsd")
    assert report.errors == 1
    assert report.findings[0].text.startswith("subj01.responses.bin: not what was written")


def test_the_real_references_lack_pictures_and_responses_only(shared: Path, tmp_path: Path) -> None:
    import_brainhub(shared / "brainhub", tmp_path / "brainhub")
    report = check_responses(tmp_path / "brainhub")
    assert [finding.text for finding in report.findings] == [
        "no test image has a picture", *["no responses: texts and boxes only"] * 4,
    ]  # fmt: skip
    assert report.images == [
        {"set": "test", "images": 982, "pictures": 0, "captions": 4913, "blip2": 0, "descriptions": 0,
         "questions": 0, "boxes": 5829},
    ]  # fmt: skip
