"""Values of parcels on a cortical surface: nilearn's fsaverage5, which comes with it. Needs the extra ``neuro``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..benchmark.errors import BadData
from .encoded import Atlas

DEPTHS = 5
"""Points between white matter and pia at which a vertex looks up its parcel."""

GAP = 4.0
"""Millimetres: a point that lies so near to a parcel, but in none, is taken for it. The mesh is an average brain's."""


class View(NamedTuple):
    """A side of a hemisphere."""

    hemisphere: str
    side: str

    @property
    def title(self) -> str:
        """As printed."""
        return f"{self.hemisphere}, {'outside' if self.side == 'lateral' else 'inside'}"


VIEWS = (View("left", "lateral"), View("left", "medial"), View("right", "medial"), View("right", "lateral"))


@dataclass(frozen=True)
class Surface:
    """Meshes to draw on, and the parcel of each vertex: its number from 1, 0 for none."""

    meshes: dict[str, Any]
    grooves: dict[str, Any]
    parcels: dict[str, np.ndarray]
    note: str

    def draw(self, axes: Any, view: View, values: np.ndarray, colours: str, limit: tuple[float, float]) -> None:
        """Draw values (parcel,) in one view; vertices without a parcel show the bare surface."""
        from nilearn.plotting import plot_surf

        numbers = self.parcels[view.hemisphere]
        of_vertex = np.where(numbers > 0, np.append(np.nan, values)[numbers], np.nan)
        # Values at the ends of the scale keep the ends' colours: nilearn leaves out what lies beyond.
        of_vertex = np.clip(of_vertex, limit[0], limit[1])
        plot_surf(
            self.meshes[view.hemisphere], of_vertex, bg_map=self.grooves[view.hemisphere], hemi=view.hemisphere,
            view=view.side, cmap=colours, vmin=limit[0], vmax=limit[1], axes=axes, avg_method="median",
            bg_on_data=False, colorbar=False, engine="matplotlib",
        )  # fmt: skip
        axes.set_box_aspect(None, zoom=1.4)


def surface(atlas: Atlas) -> Surface:
    """The surface with the parcels of an atlas's volume: most frequent between white matter and pia.

    Raises `BadData` for a volume that is none, or of other parcels.
    """
    from nilearn.datasets import fetch_surf_fsaverage
    from nilearn.surface import vol_to_surf

    image = volume_of(atlas)
    files = fetch_surf_fsaverage("fsaverage5")
    parcels = {}
    for half in ("left", "right"):
        found = vol_to_surf(
            image, files[f"pial_{half}"], inner_mesh=files[f"white_{half}"], n_samples=DEPTHS,
            interpolation="nearest_most_frequent",
        )  # fmt: skip
        parcels[half] = np.nan_to_num(np.asarray(found)).astype(int)
    seen = len((set(parcels["left"]) | set(parcels["right"])) - {0})
    return Surface(
        meshes={half: files[f"infl_{half}"] for half in parcels},
        grooves={half: files[f"sulc_{half}"] for half in parcels},
        parcels=parcels,
        note=f"{seen:,} of {len(atlas.names):,} parcels reach a vertex, those within {GAP:g} mm included",
    )


def volume_of(atlas: Atlas) -> Any:
    """The volume of an atlas. Raises `BadData`."""
    import nibabel

    try:
        image = nibabel.load(atlas.volume)
        values = np.asanyarray(image.dataobj)
    except Exception as error:  # nibabel raises errors of many kinds on a damaged file
        raise BadData(
            f"{atlas.volume}: not a NIfTI volume ({str(error)[:200]})", "give a volume of the parcels"
        ) from None
    whole = values.ndim == 3 and np.isfinite(values).all() and (values == np.round(values)).all()
    if not whole or values.min() < 0 or values.max() > len(atlas.names) or values.max() < 1:
        what = f"shape {values.shape}" if values.ndim != 3 else f"values {values.min():g} to {values.max():g}"
        raise BadData(
            f"{atlas.volume}: {what}; expected a 3-D volume of parcel numbers, 0 for none and 1 to {len(atlas.names)}",
            "give the atlas that the responses were averaged by",
        )
    return nibabel.Nifti1Image(grown(values.astype(np.int32), image.affine), image.affine)


def grown(parcels: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """The volume with each voxel that is in no parcel given to the nearest one, if that is within `GAP`."""
    from scipy.ndimage import distance_transform_edt

    sides = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    away, nearest = distance_transform_edt(parcels == 0, sampling=sides, return_indices=True)
    found: np.ndarray = np.where(away <= GAP, parcels[tuple(nearest)], 0).astype(np.int32)
    return found
