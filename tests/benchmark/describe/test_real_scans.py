"""What is known of resting brains shows in the measures of real scans (ABIDE I, CC400)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from brainbench.benchmark.datasets import from_npz
from brainbench.benchmark.datasets.atlas import describe
from brainbench.benchmark.datasets.layout import Options
from brainbench.benchmark.describe import FAMILIES, Describer
from brainbench.benchmark.items import Items
from brainbench.benchmark.kinds.scans import Scans

COUNT = 30


def real_scans(folder: Path) -> Scans:
    layout = from_npz.find(folder, Options())
    chosen = layout.sources[:: len(layout.sources) // COUNT][:COUNT]
    atlas, _ = describe("cc400", chosen[0].labels, None, True)
    series = [source.read() for source in chosen]
    table = pd.DataFrame({"tr": 2.0, "frames": list(map(len, series))}, index=[source.id.scan for source in chosen])
    return Scans(Items(table, {"series": series}, {"atlas": atlas}), ())


def test_measures_show_what_is_known_of_resting_brains(shared: Path) -> None:
    describer, values = Describer.fit([real_scans(shared / "abide1_cc400_timeseries")], FAMILIES)
    mean = dict(zip(describer.names, describer.mean, strict=True))
    names = describer.frame.networks.names
    assert len(names) == 8
    within = [mean[f"fc: within {name}"] for name in names]
    between = [value for name, value in mean.items() if name.startswith("fc: between")]
    assert len(between) == 28
    assert min(within) > np.mean(between) + 0.05

    # The two steepest axes part vision from movement, and both from the default mode (Margulies et al. 2016).
    places = {
        name: np.array([mean[f"gradients: {name} on gradient {k}"] for k in (1, 2)])
        for name in ("visual", "somatomotor", "default mode", "dorsal attention")
    }

    def apart(first: str, second: str) -> float:
        return float(np.linalg.norm(places[first] - places[second]))

    near = apart("dorsal attention", "somatomotor")
    assert (
        min(apart("visual", "default mode"), apart("somatomotor", "default mode"), apart("visual", "somatomotor"))
        > near
    )

    # A resting brain is a small world of communities: shorter ways than a lattice, more modules than chance.
    assert 0.4 < mean["graph: global efficiency"] < 0.6
    assert 0.25 < mean["graph: modularity"] < 0.6
    # Slow fluctuations carry most of the power, and frames follow their predecessors.
    assert all(mean[f"components: slow to fast power of {name}"] > 0.3 for name in names)
    assert all(0.4 < mean[f"components: lag-1 autocorrelation of {name}"] < 0.95 for name in names)
    assert np.abs(describer.z(values)).max() < np.sqrt(COUNT)
