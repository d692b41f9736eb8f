"""From ROI series to the input of a model: one documented step, fitted on training scans only.

In this order: resample to a TR, normalise the scan by itself, crop or lengthen to a number of frames,
then normalise with what was learned from the training scans. The ways of the literature are rows of
`VARIANTS`; where a reference fits a statistic on all data, test scans included, it is fitted on the
training scans here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

from .contracts import Progress, silent
from .errors import BadData, BadOption
from .kinds.scans import Scan

CLIP = 10.0
IQR_OF_NORMAL = 1.349
BRAINLM_SCALE = 5.643
SAMPLED_FRAMES = 20_000
FLAT = 1e-6


def robust_z(series: np.ndarray, clip: float = CLIP) -> np.ndarray:
    """(time, roi) series minus its median over time, over IQR / 1.349, clipped to +- ``clip``.

    Values that are not finite count as the ROI's median. A ROI without variance becomes 0; one whose
    quartiles coincide although it varies (spikes) is scaled by its standard deviation.
    """
    values = np.asarray(series, dtype=np.float32)
    finite = np.isfinite(values)
    low, middle, high = _quartiles(values, finite)
    centred = np.where(finite, values - middle, np.float32(0))
    smallest = FLAT * np.maximum(np.abs(middle), 1e-6)
    spread = centred.std(axis=0)
    scale = (high - low) / IQR_OF_NORMAL
    scale = np.where(scale > smallest, scale, spread)
    alive = spread > smallest
    z: np.ndarray = np.where(alive, centred / np.where(alive, scale, 1), 0)
    clipped: np.ndarray = np.clip(z, -clip, clip).astype(np.float32)
    return clipped


def _quartiles(values: np.ndarray, finite: np.ndarray) -> np.ndarray:
    """(3, roi) quartiles over time of the finite values; 0 for a ROI without any."""
    whole = finite.all(axis=0)
    out: np.ndarray = np.zeros((3, values.shape[1]), np.float32)
    if whole.any():
        out[:, whole] = np.percentile(values[:, whole], (25, 50, 75), axis=0)
    for roi in np.flatnonzero(~whole & finite.any(axis=0)):
        out[:, roi] = np.percentile(values[finite[:, roi], roi], (25, 50, 75))
    return out


def z_score(series: np.ndarray, *, whole: bool = False) -> np.ndarray:
    """(time, roi) series minus its mean, over its standard deviation.

    By ROI over time, or with one mean and deviation of the ``whole`` scan. Values that are not finite
    count as the mean; a ROI (or scan) without variance becomes 0.
    """
    values = np.asarray(series, dtype=np.float32)
    finite = np.isfinite(values)
    axis = None if whole else 0
    count = np.maximum(finite.sum(axis=axis, keepdims=True), 1)
    mean = np.where(finite, values, 0).sum(axis=axis, keepdims=True, dtype=np.float64) / count
    centred = np.where(finite, values - mean, 0)
    sd = np.sqrt((centred**2).sum(axis=axis, keepdims=True) / count)
    alive = sd > FLAT * np.maximum(np.abs(mean), 1e-6)
    z: np.ndarray = np.where(alive, centred / np.where(alive, sd, 1), 0).astype(np.float32)
    return z


def resample(series: np.ndarray, tr: float, to: float) -> np.ndarray:
    """(time, roi) series at ``tr`` seconds a frame, linearly interpolated at 0, ``to``, 2 ``to`` ... seconds.

    The series comes back as it is where its TR is unknown (NaN) or already ``to``.
    """
    if not tr > 0 or abs(tr - to) <= 1e-6 * to or len(series) < 2:
        return series
    last = (len(series) - 1) * tr
    return _interpolate(series, np.arange(int(last / to + 1e-6) + 1) * (to / tr))


def _interpolate(series: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Rows of (time, roi) at fractional positions."""
    time = len(series)
    left = np.clip(where.astype(int), 0, max(time - 2, 0))
    weight = (where - left)[:, None].astype(np.float32)
    right = np.minimum(left + 1, time - 1)
    between: np.ndarray = (1 - weight) * series[left] + weight * series[right]
    return between


Short = Literal["linear", "nearest", "edge", "zero"]


def to_frames(series: np.ndarray, frames: int, short: Short = "linear") -> np.ndarray:
    """The first ``frames`` time points of (time, roi); a shorter series is lengthened.

    Parameters
    ----------
    short
        Stretch by "linear" or "nearest" interpolation, or repeat the last frame ("edge"), or append
        zeros ("zero").
    """
    time = len(series)
    if time >= frames:
        return series[:frames]
    if short == "linear":
        return _interpolate(series, np.linspace(0, time - 1, frames))
    if short == "nearest":
        return series[np.arange(frames) * time // frames]
    return np.pad(series, ((0, frames - time), (0, 0)), mode="edge" if short == "edge" else "constant")


@dataclass
class SiteScale:
    """Standard deviation of normalised training scans by site.

    Attributes
    ----------
    sites
        Site -> standard deviation.
    pooled
        Of all training scans; stands in for a site that training did not have.
    """

    sites: dict[str, float]
    pooled: float

    @classmethod
    def fit(cls, power: np.ndarray, sites: list[str]) -> SiteScale:
        """From the mean square of each training scan and its site."""
        by_site: dict[str, list[float]] = defaultdict(list)
        for value, site in zip(power, sites, strict=True):
            by_site[site].append(float(value))
        pooled = float(np.sqrt(np.mean(power))) or 1.0
        return cls({site: float(np.sqrt(np.mean(values))) or pooled for site, values in by_site.items()}, pooled)

    def of(self, sites: list[str]) -> np.ndarray:
        """(n,) scale of each scan."""
        return np.array([self.sites.get(site, self.pooled) for site in sites], np.float32)


Within = Literal["robust", "z", "scan-z", "none"]
Across = Literal["site", "roi-means", "roi", "scalar", "none"]
CHOICES = {
    "short": ("linear", "nearest", "edge", "zero"),
    "within": ("robust", "z", "scan-z", "none"),
    "across": ("site", "roi-means", "roi", "scalar", "none"),
}


class SeriesScans(Protocol):
    """Scans that can be gone through, such as a `Scans` view."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Scan]: ...


@dataclass(frozen=True)
class Preprocess:
    """What is done to a scan, before anything is learned from data.

    Attributes
    ----------
    tr
        Seconds a frame to resample to; None keeps the scan's own. A scan of unknown TR is not resampled.
    frames
        Frames given to the model; None keeps them all.
    short
        How a shorter scan is lengthened, see `to_frames`.
    within
        Normalisation of a scan by itself: "robust" or "z" by ROI over time, "scan-z" with one mean and
        deviation, or "none".
    clip
        Limit of the robust z-score.
    across
        Normalisation with statistics of the training scans, by what is subtracted and divided by:

        - "site": nothing; the standard deviation of the site's scans (all sites' for an unseen one);
        - "roi-means": median and IQR of a ROI's time-means over scans (no less than its mean deviation over
          time, which stands in where scans were centred before);
        - "roi": median and IQR of a ROI's values over scans and time (of at most 20,000 frames,
          evenly spaced within scans);
        - "scalar": one median and one IQR of the time-means over scans and ROIs (no less than the mean deviation);
        - "none".
    factor
        The result is divided by it.
    """

    tr: float | None = None
    frames: int | None = 160
    short: Short = "linear"
    within: Within = "robust"
    clip: float = CLIP
    across: Across = "site"
    factor: float = 1.0

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise BadOption(f"preprocessing {name}={getattr(self, name)!r}", f"one of: {', '.join(allowed)}")
        for name in ("tr", "frames", "clip", "factor"):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise BadOption(f"preprocessing {name}={getattr(self, name)} is not positive", "give a number above 0")

    def scan(self, series: np.ndarray, tr: float) -> np.ndarray:
        """(frames, roi) float32 of a scan by itself: all but ``across`` and ``factor``."""
        values = self.normalised(series, tr)
        return values if self.frames is None else to_frames(values, self.frames, self.short)

    def normalised(self, series: np.ndarray, tr: float) -> np.ndarray:
        """(time, roi) float32, resampled and normalised by itself, of its own length."""
        values = np.asarray(series, dtype=np.float32)
        if self.tr is not None:
            values = resample(values, tr, self.tr)
        if self.within == "robust":
            return robust_z(values, self.clip)
        if self.within in ("z", "scan-z"):
            return z_score(values, whole=self.within == "scan-z")
        return values

    def fit(self, scans: SeriesScans, progress: Progress = silent) -> Fitted:
        """Learn the statistics of the training scans, one in memory at a time. Raises `BadData` for none."""
        if self.across == "none":
            return Fitted(self)
        if not len(scans):
            raise BadData("no training scan to learn the scale of the series from")
        return _FIT[self.across](self, scans, progress)


@dataclass(frozen=True)
class Fitted:
    """A `Preprocess` with the statistics of the training scans; call it with a scan.

    Attributes
    ----------
    how
        What was fitted.
    site
        Scale by site; None unless ``how.across`` is "site".
    centre, scale
        Subtracted and divided by: (roi,), or (1,) for one number.
    """

    how: Preprocess
    site: SiteScale | None = None
    centre: np.ndarray = field(default_factory=lambda: np.zeros(1, np.float32))
    scale: np.ndarray = field(default_factory=lambda: np.ones(1, np.float32))

    def __call__(self, scan: Scan) -> np.ndarray:
        """(frames, roi) float32, finite. Raises `BadData` for a scan of another number of ROIs."""
        rois = scan.series.shape[1]
        if len(self.centre) not in (1, rois):
            raise BadData(
                f"a scan has {rois} ROIs, the preprocessing was fitted on {len(self.centre)}",
                "use scans of one atlas",
            )
        values = self.how.normalised(scan.series, scan.tr)
        scale: np.ndarray = self.scale
        if self.site is not None:
            scale = self.site.of([site_of(scan)])
        values = np.where(np.isfinite(values), (values - self.centre) / (scale * self.how.factor), 0)
        values = values.astype(np.float32)
        return values if self.how.frames is None else to_frames(values, self.how.frames, self.how.short)

    def to_json(self) -> dict[str, Any]:
        """Settings and statistics as plain JSON values; `from_json` reads them."""
        return {
            "how": asdict(self.how),
            "site": None if self.site is None else asdict(self.site),
            "centre": [float(value) for value in self.centre],
            "scale": [float(value) for value in self.scale],
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Fitted:
        """What `to_json` told. Raises `BadData`."""
        try:
            site = SiteScale(**stored["site"]) if stored["site"] is not None else None
            centre, scale = (np.array(stored[name], np.float32) for name in ("centre", "scale"))
            return cls(Preprocess(**stored["how"]), site, centre, scale)
        except (KeyError, TypeError, ValueError) as error:
            raise BadData(f"not the settings of a preprocessing step ({error})", "save it again") from None


def site_of(scan: Scan) -> str:
    """Site of a scan; "" where the task shows none."""
    return str(scan.covariates.get("site", ""))


def _fit_site(how: Preprocess, scans: SeriesScans, progress: Progress) -> Fitted:
    power, sites = np.empty(len(scans)), []
    for row, scan in enumerate(scans):
        values = how.scan(scan.series, scan.tr)
        power[row] = np.mean(np.square(values, dtype=np.float64), where=np.isfinite(values))
        sites.append(site_of(scan))
        progress("scale of sites", row + 1, len(scans))
    return Fitted(how, SiteScale.fit(np.nan_to_num(power), sites))


def _fit_means(how: Preprocess, scans: SeriesScans, progress: Progress) -> Fitted:
    """Median and IQR of time-means, but no less than the mean deviation over time.

    The levels of raw intensities differ by far more than a series varies. Those of scans that were centred
    before are rounding errors, and would blow the series up.
    """
    means, spreads = [], []
    for row, scan in enumerate(scans):
        mean, spread = _moments(how.normalised(scan.series, scan.tr))
        means.append(mean)
        spreads.append(spread)
        progress("scale of ROIs", row + 1, len(scans))
    axis = None if how.across == "scalar" else 0
    low, middle, high = (np.atleast_1d(value) for value in np.nanpercentile(_known(means), (25, 50, 75), axis=axis))
    spread = np.atleast_1d(np.nanmean(_known(spreads), axis=axis))
    return _safe(how, middle, np.fmax(high - low, spread))


def _fit_values(how: Preprocess, scans: SeriesScans, progress: Progress) -> Fitted:
    each = max(SAMPLED_FRAMES // len(scans), 1)
    frames = []
    for row, scan in enumerate(scans):
        values = how.normalised(scan.series, scan.tr)
        kept = min(each, len(values))
        frames.append(values[((np.arange(kept) + 0.5) * len(values) / kept).astype(int)])
        progress("scale of ROIs", row + 1, len(scans))
    found = np.concatenate(frames)
    low, middle, high = _quartiles(found, np.isfinite(found))
    return _safe(how, middle, np.where(high - low > 0, high - low, _moments(found)[1]))


_FIT: dict[str, Callable[[Preprocess, SeriesScans, Progress], Fitted]] = {
    "site": _fit_site,
    "roi-means": _fit_means,
    "scalar": _fit_means,
    "roi": _fit_values,
}


def _moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation (roi,) over time of the finite values; NaN for a ROI without any."""
    finite = np.isfinite(values)
    count = finite.sum(axis=0)
    some = np.where(count > 0, count, np.nan)
    mean = np.where(finite, values, 0).sum(axis=0, dtype=np.float64) / some
    power = np.where(finite, values - mean, 0) ** 2
    return mean, np.sqrt(power.sum(axis=0) / some)


def _known(rows: list[np.ndarray]) -> np.ndarray:
    """(n, roi), with 0 for a ROI that no scan knows."""
    table = np.stack(rows)
    table[:, np.isnan(table).all(axis=0)] = 0
    return table


def _safe(how: Preprocess, centre: np.ndarray, scale: np.ndarray) -> Fitted:
    """A ROI without any spread is divided by 1."""
    usable = np.where(np.isfinite(scale) & (scale > FLAT * np.maximum(np.abs(centre), 1e-6)), scale, 1)
    return Fitted(how, None, centre.astype(np.float32), usable.astype(np.float32))


VARIANTS: dict[str, Preprocess] = {
    # Ours: robust z-score with IQR / 1.349, clipped, then the site's standard deviation.
    "robust": Preprocess(tr=2.0),
    # The paper of fMRI-LM: robust z-score over time by ROI, then the site's variance.
    "fmri-lm-paper": Preprocess(tr=2.0, clip=float("inf")),
    # The public code of fMRI-LM: one median and one IQR of all time-means; short scans repeat frames.
    "fmri-lm-snapshot": Preprocess(tr=2.0, short="nearest", within="none", across="scalar"),
    # Brain-JEPA's pretraining on UK Biobank: every third frame of 0.735 s, median and IQR of time-means by ROI.
    "brain-jepa": Preprocess(tr=2.205, within="none", across="roi-means"),
    # Brain-JEPA's fine-tuning: one mean and deviation of the whole scan.
    "brain-jepa-tuning": Preprocess(tr=2.205, within="scan-z", across="none"),
    # BrainLM (ViT-MAE versions): median and IQR of a ROI's values over the data set, over 5.643.
    "brainlm": Preprocess(frames=200, within="none", across="roi", factor=BRAINLM_SCALE),
    "z-score": Preprocess(within="z", across="none"),
    "none": Preprocess(within="none", across="none"),
}
"""Name -> what is done to a scan."""


def variant(name: str) -> Preprocess:
    """A row of `VARIANTS`. Raises `BadOption`."""
    if name not in VARIANTS:
        raise BadOption(f"no preprocessing {name!r}", f"known: {', '.join(VARIANTS)}")
    return VARIANTS[name]
