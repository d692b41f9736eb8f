"""What the check says: of what is missing, of lengths beside features, of repeats, of damage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from algonauts_files import write_features

from brainbench.benchmark.datasets.movie_check import MovieReport, check_movies
from brainbench.benchmark.datasets.movie_streams import add_streams
from brainbench.benchmark.datasets.movies import MovieCohort, MovieWriter

SUBJECTS = ["sub-01", "sub-02", "sub-05"]
PARCELS = [f"p{k}" for k in range(40)]
RNG = np.random.default_rng(0)
R = 0.3
"""Correlation between the showings that is planted."""


def noise(frames: int = 30) -> np.ndarray:
    values = RNG.normal(size=(frames, len(PARCELS)))
    return values - values.mean(axis=0)


def write(folder: Path, change=lambda name, subject, values: values) -> MovieCohort:
    """A cohort that lacks what the release lacks, and a run of bourne of sub-02; both films were shown twice."""
    with MovieWriter(folder, "films", "real", 1.49, SUBJECTS, PARCELS, [""] * 40, {}, "<f4") as writer:
        for name, movie in {"s04e13b": "s4", "s05e20a": "s5", "bourne01": "bourne"}.items():
            lacks = {"s04e13b": "sub-05", "s05e20a": "sub-02", "bourne01": "sub-02"}[name]
            values = {subject: change(name, subject, noise()) for subject in SUBJECTS if subject != lacks}
            writer.run(name, "x", movie, name, 1, {}, values)
        for stimulus in ("figures01", "figures02"):
            shared = {subject: noise(600) * R**0.5 for subject in SUBJECTS}
            for showing in (1, 2):
                name = f"{stimulus}_run-{showing}"
                values = {
                    subject: change(name, subject, shared[subject] + noise(600) * (1 - R) ** 0.5)
                    for subject in SUBJECTS
                }
                writer.run(name, "movie10", "figures", stimulus, showing, {}, values)
        writer.run("s07e01a", "friends", "s7", "s07e01a", 1, {}, {}, {"sub-01": 30, "sub-02": 31})
        return MovieCohort.open(writer.finish(left_out={"sub-01, s01e01a": "why"}))


def texts(report: MovieReport, subject: str = "", scan: str = "") -> list[str]:
    return [one.text for one in report.findings if (one.subject, one.scan) == (subject, scan)]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> MovieReport:
    return check_movies(write(tmp_path_factory.mktemp("x") / "films").path)


def test_runs_are_counted_by_movie_and_subject(report):
    rows = {row["movie"]: row for row in report.movies}
    assert list(rows) == ["s4", "s5", "s7", "bourne", "figures"]
    assert rows["figures"] == {
        "movie": "figures",
        "series": "movie10",
        "runs": 4,
        "TRs": 2400,
        **dict.fromkeys(SUBJECTS, "4/4"),
    }
    assert [rows["bourne"][subject] for subject in SUBJECTS] == ["1/1", "0/1", "1/1"]
    assert [rows["s7"][subject] for subject in SUBJECTS] == ["1/1", "1/1", "0/1"]


def test_missing_runs_are_named_and_those_of_the_release_told_apart(report):
    assert texts(report, "sub-02", "s5") == ["s05e20a: missing, as in the release"]
    assert texts(report, "sub-05", "s4") == ["s04e13b: missing, as in the release"]
    assert texts(report, "sub-02", "bourne") == ["lacks 1 run: bourne01"]
    assert texts(report, "sub-05", "s7") == ["lacks 1 run: s07e01a"]
    assert texts(report)[0].startswith("no run of s1, s2, s3, s6, wolf, life, chaplin")
    assert report.left_out == {"sub-01, s01e01a": "why"}


def test_repeats_show_the_planted_correlation(report):
    assert [(row["movie"], row["subject"], row["runs"]) for row in report.repeats] == [
        ("figures", subject, 2) for subject in SUBJECTS
    ]
    for row in report.repeats:
        assert row["r"] == pytest.approx(R, abs=0.02)
        assert row["r"] < row["highest parcel"] < R + 0.15


def test_responses_are_described(report):
    row = report.subjects[0]
    assert (row["runs"], row["TRs"], row["largest mean"]) == (7, 2490, "0.00 sd")
    low, high = map(float, row["sd of parcels"].split(" to "))
    assert 0.9 < low < high < 1.1
    assert report.errors == 0
    assert report.summary() == "films: 8 runs, 3 subjects: 0 errors, 6 warnings"


def test_parcels_that_stand_still_or_off_zero_are_told(tmp_path):
    def change(name: str, subject: str, values: np.ndarray) -> np.ndarray:
        if (name, subject) == ("bourne01", "sub-01"):
            values[:, 3:5] = 0
        return values + (name == "s05e20a")

    found = check_movies(write(tmp_path / "films", change).path)
    assert texts(found, "sub-01") == [
        "parcels that never vary in 1 run: bourne01 (2)",
        f"parcels whose mean is not 0 in 1 run (up to {float(found.subjects[0]['largest mean'][:-3]):.2g} sd): "
        "offsets between runs enter r: s05e20a",
    ]
    assert found.errors == 0


def test_repeats_of_a_parcel_that_never_varies_are_0(tmp_path):
    found = check_movies(write(tmp_path / "films", lambda name, subject, values: values * (np.arange(40) > 19)).path)
    assert found.repeats[0]["r"] == pytest.approx(R / 2, abs=0.02)


def test_features_are_compared_with_responses(tmp_path):
    cohort = write(tmp_path / "films")
    assert any("no features of the films" in text for text in texts(check_movies(cohort.path)))
    stimuli = {"friends/s4/s04e13b": 29, "friends/s5/s05e20a": 31, "movie10/figures/movie10_figures01": 590}
    add_streams(cohort, write_features(tmp_path / "f", "clip", stimuli))
    found = check_movies(cohort.path)
    assert found.streams == [
        {
            "stream": "clip/last",
            "dimensions": "4",
            "type": "float32",
            "runs": "4/8",
            "responses longer by": "-1 to 10 TRs",
        }
    ]
    assert texts(found, "", "clip/last") == [
        "features and responses differ in length: s05e20a (-1), figures01_run-1 (+10), figures01_run-2 (+10)",
        "lacks all 1 runs of s7: s07e01a",
        "lacks all 1 runs of bourne: bourne01",
        "lacks 2 of 4 runs of figures: figures02_run-1, figures02_run-2",
    ]


def test_lengths_that_differ_between_subjects_are_told(tmp_path):
    def change(name: str, subject: str, values: np.ndarray) -> np.ndarray:
        return values[:-6] if (name, subject) == ("s04e13b", "sub-01") else values

    assert texts(check_movies(write(tmp_path / "films", change).path), "", "s04e13b") == [
        "24 to 30 TRs in different subjects"
    ]


def test_copies_are_errors(tmp_path):
    kept: dict[str, np.ndarray] = {}

    def change(name: str, subject: str, values: np.ndarray) -> np.ndarray:
        return (
            kept.setdefault("s4", values)
            if (name, subject) in (("s04e13b", "sub-01"), ("bourne01", "sub-05"))
            else values
        )

    found = check_movies(write(tmp_path / "films", change).path)
    assert texts(found, "sub-05", "bourne01") == ["the same values as sub-01 s04e13b"]
    assert found.errors == 1


def test_damage_and_streams_that_are_gone_are_errors(tmp_path):
    cohort = write(tmp_path / "films")
    add_streams(cohort, write_features(tmp_path / "f", "clip", {"friends/s4/s04e13b": 29}))
    file = cohort.path / "sub-02.bin"
    content = np.fromfile(file, "<f4")
    content[5] = np.nan
    content.tofile(file)
    (tmp_path / "f" / "clip" / "friends" / "s4" / "s04e13b.h5").unlink()
    found = check_movies(cohort.path)
    assert found.errors == 3
    assert any("sub-02.bin: not what was written" in text for text in texts(found))
    assert any("is gone" in text for text in texts(found))
    assert texts(found, "sub-02", "s04e13b") == ["1 of 1200 values are not finite"]
    assert found.as_json()["errors"] == 3
