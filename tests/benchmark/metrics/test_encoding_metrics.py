"""Pearson r of responses to films: against scipy, cut ends, segments, parts, constants, withheld truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from brainbench import Items, TaskInfo
from brainbench.benchmark.errors import Unavailable, UnknownName
from brainbench.benchmark.kinds import get_kind
from brainbench.benchmark.kinds.encoding import Pieces
from brainbench.benchmark.metrics.encoding import EncodingR, correlation, moments, parcel_correlation
from brainbench.benchmark.registry import load_metric

INFO = TaskInfo("t", "encoding", "responses")
KIND = get_kind("encoding")
NETWORKS = ["Vis", "Vis", "Cont", "Limbic"]


def pieces(truth: list[dict], found: list[dict], networks=NETWORKS):
    names = sorted({name for run in truth for name in run})
    arrays = {f"responses/{name}": [run.get(name) for run in truth] for name in names}
    table = pd.DataFrame(index=[str(k) for k in range(len(truth))])
    measured = KIND.targets(Items(table, arrays, {"networks": networks}), INFO)
    cut = KIND.pieces(measured, found)
    assert cut is not None
    return cut


def runs(frames=(150, 200, 61), seed=0, offset=5.0):
    """Three runs of two subjects, who miss the third and a TR; one predicted parcel is constant."""
    rng = np.random.default_rng(seed)
    truth = [
        {s: rng.normal(offset, 1, (t - (s == "sub-02"), 4)).astype(np.float32) for s in ("sub-01", "sub-02")}
        for t in frames
    ]
    del truth[-1]["sub-02"]
    found = [{s: x + rng.normal(0, 1, x.shape).astype(np.float32) for s, x in run.items()} for run in truth]
    for run in found:
        run["sub-01"][:, 3] = 2.5
    return truth, found


def by_scipy(truth, found, chosen, cut=0, parcels=range(4), subjects=("sub-01", "sub-02")) -> float:
    """Mean r, a loop over parcels; ``chosen`` are (run, start, stop)."""
    means = []
    for s in subjects:
        rows = [(run, a, b) for run, a, b in chosen if s in truth[run]]
        x, y = (
            np.concatenate([data[run][s][a:b] for run, a, b in rows]).astype(float)
            for data in ([_trim(one, cut) for one in truth], [_trim(one, cut) for one in found])
        )
        means.append(np.mean([0 if np.ptp(y[:, p]) == 0 else stats.pearsonr(x[:, p], y[:, p])[0] for p in parcels]))
    return float(np.mean(means))


def _trim(run, cut):
    return {s: x[cut : len(x) - cut] if cut else x for s, x in run.items()}


WHOLE = [(run, 0, 10_000) for run in range(3)]


def test_it_equals_a_scipy_loop_over_all_runs_as_one_series():
    truth, found = runs()
    held, parts, _ = pieces(truth, found)
    assert EncodingR().score(held, parts) == pytest.approx(by_scipy(truth, found, WHOLE), abs=1e-6)
    r = parcel_correlation(held, parts)["sub-01"]
    assert r[3] == 0
    assert r[0] == pytest.approx(by_scipy(truth, found, WHOLE, parcels=[0], subjects=["sub-01"]), abs=1e-6)


def test_segments_are_drawn_as_the_counts_say():
    truth, found = runs()
    held, parts, owners = pieces(truth, found)
    counts = np.random.default_rng(1).integers(0, 3, (5, len(held)))
    drawn = [
        [(p.run, p.start, p.stop) for p, times in zip(held, row, strict=True) for _ in range(times)] for row in counts
    ]
    expected = [by_scipy(truth, found, rows) for rows in drawn]
    np.testing.assert_allclose(EncodingR().resample(held, parts, counts), expected, atol=1e-6)
    assert np.isnan(EncodingR().resample(held, parts, np.zeros((1, len(held)))))
    assert [run for run, _ in owners] == [0] * 2 + [1] * 3 + [2]
    assert [label for _, label in owners][:3] == ["segment 0", "segment 1", "segment 0"]


def test_segments_of_one_film_start_at_the_same_trs_whatever_its_length():
    frames = (449, 450, 451)
    truth = [{"sub-01": np.zeros((t, 1), np.float32)} for t in frames]
    held, _, owners = pieces(truth, [dict(run) for run in truth], ["Vis"])
    starts = {}
    for piece, (_, label) in zip(held, owners, strict=True):
        starts.setdefault(label, set()).add(piece.start)
    assert all(len(found) == 1 for found in starts.values())
    assert [max(p.stop for p, (run, _) in zip(held, owners, strict=True) if run == k) for k in range(3)] == [*frames]


def test_a_resample_without_a_subject_scores_the_other():
    truth, found = runs()
    held, parts, owners = pieces(truth, found)
    only_third = np.array([[run == 2 for run, _ in owners]], float)
    expected = by_scipy(truth, found, [(2, 0, 10_000)], subjects=["sub-01"])
    assert EncodingR().resample(held, parts, only_third)[0] == pytest.approx(expected, abs=1e-6)


def test_the_organisers_leave_five_trs_out_at_both_ends_of_each_run():
    truth, found = runs()
    for run in found:  # what lies in the five TRs must not count
        for x in run.values():
            x[:5], x[-5:] = 1e4, -1e4
    held, parts, _ = pieces(truth, found)
    value = load_metric("encoding-r:organisers").score(held, parts)
    assert value == pytest.approx(by_scipy(truth, found, WHOLE, cut=5), abs=1e-6)
    assert EncodingR().score(held, parts) < 0.1


def test_networks_and_subjects_are_parts_of_the_score():
    truth, found = runs()
    held, parts, _ = pieces(truth, found)
    assert EncodingR("Vis").score(held, parts) == pytest.approx(by_scipy(truth, found, WHOLE, parcels=[0, 1]), abs=1e-6)
    one = by_scipy(truth, found, WHOLE, subjects=["sub-02"])
    assert load_metric("encoding-r:sub-02").score(held, parts) == pytest.approx(one, abs=1e-6)
    with pytest.raises(Unavailable, match="Cont, Limbic, Vis, sub-01"):
        EncodingR("Viz").score(held, parts)
    with pytest.raises(UnknownName):
        EncodingR("Vis").variant("Cont")
    assert load_metric("encoding-r:medarc").score(held, parts) == pytest.approx(
        EncodingR().score(held, parts), abs=1e-6
    )


def test_constant_predictions_score_nothing_and_a_copy_scores_one():
    truth, _ = runs()
    for value, expected in ((0.0, 0.0), (1e6, 0.0), (0.1, 0.0), (-1 / 3, 0.0), (1e-9, 0.0)):
        flat = [{s: np.full_like(x, value) for s, x in run.items()} for run in truth]
        held, parts, _ = pieces(truth, flat)
        assert EncodingR().score(held, parts) == expected
        assert EncodingR("medarc").score(held, parts) == expected
    held, parts, _ = pieces(truth, [dict(run) for run in truth])
    assert EncodingR().score(held, parts) == pytest.approx(1)


def test_withheld_truth_has_no_score_but_a_reason():
    truth, found = runs()
    held, parts, _ = pieces([{} for _ in truth], found)
    assert len(held) == 6
    with pytest.raises(Unavailable, match="withheld") as error:
        EncodingR().score(held, parts)
    assert "export algonauts2025" in str(error.value)


def test_pieces_of_a_part_are_taken_with_their_predictions():
    truth, found = runs()
    held, parts, owners = pieces(truth, found)
    rows = np.flatnonzero([run == 1 for run, _ in owners])
    some = KIND.take(held, rows)
    assert isinstance(some, Pieces)
    value = EncodingR().score(some, KIND.take(parts, rows))
    assert value == pytest.approx(by_scipy(truth, found, [(1, 0, 10_000)]), abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    scale=st.floats(1e-3, 1e3),
    offset=st.floats(-1e3, 1e3),
    length=st.integers(3, 400),
)
def test_r_does_not_change_with_scale_and_offset(seed, scale, offset, length):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, length, 3)).astype(np.float32)
    moved = (y * scale + offset).astype(np.float32)
    stats_ = moments(x, moved, (x.mean(0), moved.mean(0)))
    expected = [np.corrcoef(x[:, p].astype(float), moved[:, p].astype(float))[0, 1] for p in range(3)]
    np.testing.assert_allclose(correlation(stats_), expected, atol=1e-5)
