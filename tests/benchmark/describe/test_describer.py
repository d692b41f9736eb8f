"""The describer: statistics of the training scans, z-scores, state and words."""

from __future__ import annotations

import copy
import json
import re

import numpy as np
import pandas as pd
import pytest

from brainbench.benchmark.describe import FAMILIES, Describer
from brainbench.benchmark.describe.networks import Networks
from brainbench.benchmark.describe.scan import Frame, ScanData
from brainbench.benchmark.describe.words import LEADS, WORDINGS, Aspect, band, tell
from brainbench.benchmark.errors import BadData, BadOption
from brainbench.benchmark.items import Items
from brainbench.benchmark.kinds.scans import Atlas, Scans

NETWORKS = ("Default", "Vis", "Other", "Cont", "Subcortex", "SomMot")
ROIS = 60


def scans_of(series: list[np.ndarray], tr: float = 2.0, networks: tuple[str, ...] | None = None) -> Scans:
    """Scans in memory; six networks by turns unless told otherwise."""
    rois = series[0].shape[1]
    names = tuple(NETWORKS[k % 6] for k in range(rois)) if networks is None else networks
    atlas = {"name": f"test{rois}", "labels": [f"r{k}" for k in range(rois)], "networks": names}
    table = pd.DataFrame(
        {"tr": tr, "frames": [len(part) for part in series]}, index=[f"s{k}" for k in range(len(series))]
    )
    return Scans(Items(table, {"series": series}, {"atlas": atlas}), ())


def draw(count: int, rois: int = ROIS, frames: int = 80, seed: int = 0) -> list[np.ndarray]:
    """Series with slow common signals, so that no measure is degenerate."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(5, rois))
    out = []
    for _ in range(count):
        noise = rng.normal(size=(frames, rois))
        noise[1:] += 0.5 * noise[:-1]
        out.append(
            (rng.normal(size=(frames, 5)) @ (common + 0.3 * rng.normal(size=common.shape)) + 2 * noise + 100).astype(
                np.float32
            )
        )
    return out


@pytest.fixture(scope="module")
def fitted() -> tuple[Describer, np.ndarray]:
    return Describer.fit([scans_of(draw(8))], FAMILIES)


# Networks


def test_networks_leave_out_rois_of_none_and_keep_the_order_of_the_tables() -> None:
    networks = Networks.of(Atlas("a", tuple("abcdef"), NETWORKS))
    assert networks.names == ("visual", "somatomotor", "frontoparietal control", "default mode", "subcortical")
    assert list(networks.codes) == [3, 0, -1, 2, 4, 1]
    assert len(networks.pair_names) == 15


@pytest.mark.parametrize(("count", "pairs"), [(7, 28), (8, 36)])
def test_seven_and_eight_networks_have_28_and_36_pairs(count: int, pairs: int) -> None:
    names = ("Vis", "SomMot", "DorsAttn", "SalVentAttn", "Limbic", "Cont", "Default", "Subcortex")[:count]
    assert len(Networks.of(Atlas("a", tuple(map(str, range(2 * count))), names * 2)).pair_names) == pairs


@pytest.mark.parametrize("networks", [(), ("Other",) * 20, ("Vis",) * 20])
def test_an_atlas_without_networks_has_blocks(networks: tuple[str, ...]) -> None:
    found = Networks.of(Atlas("a", tuple(map(str, range(20))), networks))
    assert len(found.names) == 8
    assert found.member.sum() == 20
    assert found.member.sum(0).min() >= 2


# fc


def test_pair_means_match_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    series = rng.normal(size=(50, 8)).astype(np.float32)
    series[:, 6] = 3  # no signal: it does not count
    series[3, 7] = np.nan
    atlas = Atlas("a", tuple("abcdefgh"), ("Vis", "Default", "Vis", "Default", "Vis", "Cont", "Cont", "Vis"))
    networks = Networks.of(atlas)
    from brainbench.benchmark.describe.connectivity import measure

    found = dict(zip(networks.pair_names, measure(ScanData(series), Frame(networks)), strict=True))
    z = np.arctanh(np.corrcoef(series[:, :6].T) - np.eye(6))
    assert found["within visual"] == pytest.approx(np.mean([z[0, 2], z[0, 4], z[2, 4]]), abs=1e-5)
    cross = np.mean([z[i, j] for i in (1, 3) for j in (0, 2, 4)])
    assert found["between visual and default mode"] == pytest.approx(cross, abs=1e-5)
    assert np.isnan(found["within frontoparietal control"])


# Statistics


def test_training_scans_have_mean_0_and_sd_1(fitted: tuple[Describer, np.ndarray]) -> None:
    describer, values = fitted
    assert values.shape == (8, len(describer.names))
    z = describer.z(values)
    moving = describer.sd > 0
    assert moving.mean() > 0.9
    assert np.allclose(z[:, moving].mean(0), 0, atol=1e-6)
    assert np.allclose(z[:, moving].std(0), 1, atol=1e-6)
    assert (z[:, ~moving] == 0).all()


def test_values_at_fit_are_those_measured_later(fitted: tuple[Describer, np.ndarray]) -> None:
    describer, values = fitted
    series = draw(8)
    assert np.array_equal(describer.measure(series[3], 2.0), values[3], equal_nan=True)
    assert np.array_equal(describer.measure_all(scans_of(series)), values, equal_nan=True)


def test_statistics_do_not_move_with_test_scans() -> None:
    series = draw(12)
    everyone, others = scans_of(series), scans_of(series[:8] + draw(4, seed=9))
    train = np.arange(8)
    first, _ = Describer.fit([everyone.take(train)], FAMILIES)
    before = [first.mean.copy(), first.sd.copy()]
    first.measure_all(everyone.take(np.arange(8, 12)))
    second, _ = Describer.fit([others.take(train)], FAMILIES)
    for describer in (first, second):
        assert np.array_equal(describer.mean, before[0])
        assert np.array_equal(describer.sd, before[1])
    assert str(first.state()[1]) == str(second.state()[1])
    leaked, _ = Describer.fit([everyone], FAMILIES)  # what must not happen would be seen
    assert not np.allclose(leaked.mean, before[0])


def test_only_one_scan_is_read_at_a_time() -> None:
    alive = []

    class Watched(Scans):
        def series(self, row: int) -> np.ndarray:
            import gc
            import weakref

            gc.collect()
            assert sum(ref() is not None for ref in alive) <= 1  # the loop still names the one before
            out = super().series(row)
            alive.append(weakref.ref(out))
            return out

    inner = scans_of(draw(4))
    Describer.fit([Watched(inner._items, ())], FAMILIES)
    assert len(alive) >= 4


def test_scans_without_a_signal_or_tr_are_typical() -> None:
    describer, _ = Describer.fit([scans_of(draw(5))], FAMILIES)
    values = describer.measure(np.full((60, ROIS), 7, np.float32))
    assert np.isfinite(describer.z(values)).all()
    assert "not known" in describer.text(values)


def test_several_cohorts_of_one_atlas_are_described_together() -> None:
    series = draw(6)
    together, values = Describer.fit([scans_of(series)], FAMILIES)
    parts, split = Describer.fit([scans_of(series[:2]), scans_of(series[2:])], FAMILIES)
    assert np.array_equal(values, split, equal_nan=True)
    assert np.array_equal(together.mean, parts.mean)


def test_wrong_input_is_told() -> None:
    with pytest.raises(BadData, match="no training scan"):
        Describer.fit([])
    with pytest.raises(BadOption, match=r"'ica'.*\n.*families are: fc"):
        Describer.fit([scans_of(draw(2))], ["fc", "ica"])
    with pytest.raises(BadData, match=r"60 ROIs.*16 ROIs"):
        Describer.fit([scans_of(draw(2)), scans_of(draw(2, 16))])
    describer, _ = Describer.fit([scans_of(draw(2))])
    with pytest.raises(BadData, match=r"shape \(80, 16\)"):
        describer.measure(draw(1, 16)[0])


# State


def test_state_survives_json_and_gives_the_same_words(fitted: tuple[Describer, np.ndarray]) -> None:
    describer, values = fitted
    facts, arrays = describer.state()
    again = Describer.from_state(json.loads(json.dumps(facts)), arrays)
    assert again.names == describer.names
    fresh = draw(1, seed=5)[0]
    assert np.array_equal(again.measure(fresh, 2.0), describer.measure(fresh, 2.0), equal_nan=True)
    assert again.text(values[0]) == describer.text(values[0])


@pytest.mark.parametrize("spoil", ["version", "families", "atlas", "mean", "short", "nan", "negative"])
def test_a_spoilt_state_is_refused(fitted: tuple[Describer, np.ndarray], spoil: str) -> None:
    facts, arrays = copy.deepcopy(fitted[0].state())
    if spoil == "version":
        facts["version"] = 0
    elif spoil == "families":
        facts["families"] = ["palmistry"]
    elif spoil == "atlas":
        del facts["atlas"]["labels"]
    elif spoil == "mean":
        del arrays["mean"]
    elif spoil == "short":
        arrays["sd"] = arrays["sd"][:-1]
    elif spoil == "nan":
        arrays["mean"][0] = np.nan
    else:
        arrays["sd"][0] = -1
    with pytest.raises(BadData):
        Describer.from_state(facts, arrays)


# Words


def test_bands() -> None:
    assert [band(z) for z in (-2, -1, -0.9, 0.9, 1, 2)] == [
        "markedly lowered", "lowered", "typical", "typical", "raised", "markedly raised",
    ]  # fmt: skip
    assert band(-1.96) == "markedly lowered"  # it is written -2.0
    assert band(0.94) == "typical"


def test_the_fixed_wording_names_the_extremes() -> None:
    aspect = Aspect("connectivity", (0, 1, 2, 3), ("p", "q", "r", "s"), "extremes")
    text = tell("fc", [aspect], np.array([2.5, 0.1, -1.5, -0.2]), 0, 1)
    assert text == "Functional connectivity. Highest: p markedly raised (+2.5). Lowest: r lowered (-1.5)."


def test_quiet_aspects_are_typical_and_unknown_ones_not_known() -> None:
    aspect = Aspect("strength", (0, 1), ("p", "q"), "notable")
    assert tell("graph", [aspect], np.array([0.3, -0.94]), 0, 3) == "Graph measures. Strength: typical."
    assert tell("graph", [aspect], np.array([np.nan, -1.2]), 0, 3) == "Graph measures. Strength: q lowered (-1.2)."
    assert tell("graph", [aspect], np.full(2, np.nan), 0, 3) == "Graph measures. Strength: not known."


def test_every_wording_keeps_the_same_z_and_names(fitted: tuple[Describer, np.ndarray]) -> None:
    describer, values = fitted
    numbers = [re.findall(r"[+-]\d+\.\d", describer.text(values[1], variety=seed)) for seed in range(60)]
    assert all(found == numbers[0] for found in numbers)
    texts = {describer.text(values[1], variety=seed) for seed in range(60)}
    assert len(texts) >= 10
    assert describer.text(values[1], variety=7) == describer.text(values[1], variety=7)
    assert describer.text(values[1]) == describer.text(values[1], variety=0)


def test_wordings_say_direction_and_strength() -> None:
    for wording in WORDINGS:
        said = {band(z, wording) for z in (-2.5, -1.5, 0, 1.5, 2.5)}
        assert len(said) == 5
        assert all(mark in wording.phrase for mark in ("{name}", "{band}", "{z}"))
    assert set(LEADS) >= set(FAMILIES)
