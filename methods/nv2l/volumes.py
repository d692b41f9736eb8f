"""From a brain's voxels to the cubes of a common grid, and back, as one sparse product.

Trilinear resize, symmetric zero padding and cutting into cubes are all linear, so each brain has one sparse
matrix (cube values x voxels) for all three. One axis order holds throughout: x, y, z in C order, for native
grids, for the common grid, for cubes in the grid and for values in a cube. Source: Neuro-Vision to Language
(NeurIPS 2024), section 3.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce

import numpy as np
from scipy import sparse

from ...benchmark.errors import BadData
from ...benchmark.kinds.seen import Space

MASK = "nsdgeneral"
Size = tuple[int, int, int]


@dataclass(frozen=True)
class Cutting:
    """How the common grid is padded and cut.

    Attributes
    ----------
    grid
        Size of the common grid.
    side
        Side r of a cube.
    """

    grid: Size
    side: int

    @property
    def counts(self) -> Size:
        """Cubes along each axis."""
        x, y, z = (-(-size // self.side) for size in self.grid)
        return x, y, z

    @property
    def padded(self) -> Size:
        """Size of the padded grid."""
        x, y, z = (count * self.side for count in self.counts)
        return x, y, z

    @property
    def before(self) -> Size:
        """Zeros in front of each axis; where the padding is odd, the extra one is at the end."""
        x, y, z = ((wide - size) // 2 for wide, size in zip(self.padded, self.grid, strict=True))
        return x, y, z

    @property
    def cubes(self) -> int:
        """Cubes before selection."""
        return int(np.prod(self.counts))

    @property
    def values(self) -> int:
        """Values of a cube, r^3."""
        return self.side**3

    def positions(self) -> np.ndarray:
        """(cubes, values) flat positions in the padded grid, x before y before z in both."""
        (x, y, z), r = self.counts, self.side
        split = np.arange(int(np.prod(self.padded))).reshape(x, r, y, r, z, r)
        return split.transpose(0, 2, 4, 1, 3, 5).reshape(self.cubes, self.values)

    def pad(self, volume: np.ndarray) -> np.ndarray:
        """A volume of the common grid with zeros around it."""
        around = [
            (front, wide - size - front) for front, size, wide in zip(self.before, self.grid, self.padded, strict=True)
        ]
        return np.pad(volume, around)


def largest(spaces: Iterable[Space]) -> Size:
    """The largest native size along each axis."""
    x, y, z = np.max([space.shape for space in spaces], axis=0).tolist()
    return x, y, z


def resized_mask(space: Space, grid: Size) -> np.ndarray:
    """A brain's nsdgeneral mask on the common grid (bool), by the nearest native voxel."""
    held = np.zeros(int(np.prod(space.shape)), bool)
    held[space.index[space.rois[MASK]]] = True
    nearest = [_nearest(size, wide) for size, wide in zip(space.shape, grid, strict=True)]
    mask: np.ndarray = held.reshape(space.shape)[np.ix_(*nearest)]
    return mask


def _nearest(size: int, wide: int) -> np.ndarray:
    """The native position whose voxel holds the centre of each grid voxel along an axis."""
    found: np.ndarray = ((2 * np.arange(wide) + 1) * size) // (2 * wide)
    return found


def kept_cubes(cutting: Cutting, mask: np.ndarray) -> np.ndarray:
    """(tokens, values) positions of the cubes that any voxel of a mask of the common grid lies in."""
    positions = cutting.positions()
    kept: np.ndarray = positions[cutting.pad(mask).reshape(-1)[positions].any(axis=1)]
    return kept


def flat_runs(cutting: Cutting, mask: np.ndarray) -> np.ndarray:
    """(tokens, values) positions of the mask's voxels in C order, cut into runs of r^3; -1 fills the last.

    The ablation without 3-D patches.
    """
    held = np.flatnonzero(cutting.pad(mask).reshape(-1))
    tokens = -(-len(held) // cutting.values)
    runs = np.full(tokens * cutting.values, -1, np.int64)
    runs[: len(held)] = held
    return runs.reshape(tokens, cutting.values)


def layout(spaces: Mapping[str, Space], cutting: Cutting, vit3d: bool) -> np.ndarray:
    """(tokens, values) positions in the padded grid that the union of all brains' masks keeps.

    Raises `BadData` where no brain has a voxel in its mask.
    """
    masks = [resized_mask(space, cutting.grid) for space in spaces.values()]
    union = reduce(np.logical_or, masks)
    if not union.any():
        raise BadData(f"no voxel of any brain lies in {MASK}", "see  brainbench data check  for the masks")
    return kept_cubes(cutting, union) if vit3d else flat_runs(cutting, union)


def axis_weights(size: int, wide: int) -> sparse.csr_matrix:
    """(wide, size) weights of linear interpolation between voxel centres along one axis; edges repeat."""
    centre = np.maximum((np.arange(wide) + 0.5) * size / wide - 0.5, 0.0)
    low = np.minimum(centre.astype(np.int64), size - 1)
    high = np.minimum(low + 1, size - 1)
    share = centre - low
    rows = np.concatenate([np.arange(wide)] * 2)
    made = sparse.coo_matrix(
        (np.concatenate([1 - share, share]), (rows, np.concatenate([low, high]))), shape=(wide, size)
    )
    found = made.tocsr()  # adds up the two weights of an edge
    found.eliminate_zeros()
    return found


def operator(space: Space, cutting: Cutting, positions: np.ndarray) -> sparse.csr_matrix:
    """(tokens * values, voxels) weights that take a brain's voxels to the values of all tokens."""
    padded = []
    for size, wide, front, whole in zip(space.shape, cutting.grid, cutting.before, cutting.padded, strict=True):
        weights = axis_weights(size, wide)
        after = sparse.csr_matrix((whole - wide - front, size))
        padded.append(sparse.vstack([sparse.csr_matrix((front, size)), weights, after], format="csr"))
    whole_grid = sparse.kron(sparse.kron(padded[0], padded[1], format="csr"), padded[2], format="csr")
    flat = positions.reshape(-1)
    rows = whole_grid[np.maximum(flat, 0)][:, space.index]
    if (flat < 0).any():
        rows = sparse.diags((flat >= 0).astype(np.float64)) @ rows
    return sparse.csr_matrix(rows, dtype=np.float32)


class Volumes:
    """The preprocessor of all brains: their voxels as tokens, and token values as voxels.

    Parameters
    ----------
    cutting
        Common grid and cubes.
    positions
        (tokens, values) of `layout`.
    spaces
        Brain -> where its voxels lie; `add` takes further ones.
    """

    def __init__(self, cutting: Cutting, positions: np.ndarray, spaces: Mapping[str, Space]) -> None:
        self.cutting, self.positions = cutting, positions
        self._operators: dict[str, sparse.csr_matrix] = {}
        self._spread: dict[str, sparse.csr_matrix] = {}
        for brain, space in spaces.items():
            self.add(brain, space)

    def add(self, brain: str, space: Space) -> None:
        """Make a brain known; one that is known already is left as it is."""
        if brain not in self._operators:
            self._operators[brain] = operator(space, self.cutting, self.positions)
            self._spread[brain] = self._spreading(brain)

    @property
    def tokens(self) -> int:
        """Tokens kept."""
        return len(self.positions)

    @property
    def values(self) -> int:
        """Values of a token."""
        return int(self.positions.shape[1])

    @cached_property
    def facts(self) -> dict[str, object]:
        """Sizes for the record."""
        return {
            "grid": list(self.cutting.grid),
            "padded": list(self.cutting.padded),
            "patch": self.cutting.side,
            "tokens_before_selection": self.cutting.cubes,
            "tokens_kept": self.tokens,
        }

    def tokens_of(self, brain: str, responses: np.ndarray) -> np.ndarray:
        """Responses (n, voxels) of one brain as (n, tokens, values) float32."""
        made = self._operators[brain] @ np.asarray(responses, np.float32).T
        return np.ascontiguousarray(made.T).reshape(len(responses), self.tokens, self.values)

    def gradient_of(self, brain: str, cubes: np.ndarray) -> np.ndarray:
        """Gradients with respect to cubes (n, tokens, values) as those with respect to voxels (n, voxels)."""
        made: np.ndarray = (self._operators[brain].T @ cubes.reshape(len(cubes), -1).T).T
        return made

    def voxels_of(self, brain: str, tokens: np.ndarray) -> np.ndarray:
        """One value a token (n, tokens) as (n, voxels): each voxel the mean of the tokens it takes part in.

        The mean is weighted by its part in them. A voxel that no token sees has 0.
        """
        made: np.ndarray = (self._spread[brain] @ np.asarray(tokens, np.float32).T).T
        return made

    def _spreading(self, brain: str) -> sparse.csr_matrix:
        """(voxels, tokens) shares of each voxel's weight that the tokens hold; rows add up to 1 or 0."""
        joined = sparse.kron(sparse.eye(self.tokens), np.ones((1, self.values)), format="csr")
        weights = (joined @ self._operators[brain]).T.tocsr().astype(np.float64)
        total = np.asarray(weights.sum(axis=1)).reshape(-1)
        scale = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
        return sparse.csr_matrix(sparse.diags(scale) @ weights, dtype=np.float32)
