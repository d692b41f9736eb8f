"""The preprocessor of NV2L: sizes, one axis order, and sparse products equal to torch's own resize, pad and cut."""

import numpy as np
import pytest
import torch
from nv2l_toy import meta_of, toy
from scipy import sparse
from torch.nn import functional as F

from brainbench.benchmark.errors import BadData, BadOption
from brainbench.benchmark.kinds.seen import Space
from brainbench.methods.nv2l.brain_options import BrainOptions
from brainbench.methods.nv2l.scaling import Scaling, fitted
from brainbench.methods.nv2l.volumes import (
    Cutting,
    Volumes,
    axis_weights,
    flat_runs,
    kept_cubes,
    largest,
    layout,
    resized_mask,
)

PAPER = (81, 104, 83)
"""Of subject 1 in NIfTI's order of axes; the paper writes it the other way round, as HDF5 files are read."""


def whole(shape, mask=None):
    """A space that holds every voxel of a grid."""
    count = int(np.prod(shape))
    return Space(shape, 1.8, np.arange(count), {"nsdgeneral": np.ones(count, bool) if mask is None else mask})


@pytest.mark.parametrize(
    ("side", "padded", "counts", "cubes", "values"),
    [
        (14, (84, 112, 84), (6, 8, 6), 288, 2744),
        (12, (84, 108, 84), (7, 9, 7), 441, 1728),
        (10, (90, 110, 90), (9, 11, 9), 891, 1000),
    ],
)
def test_grid_sizes_of_the_paper(side, padded, counts, cubes, values):
    cutting = Cutting(PAPER, side)
    assert (cutting.padded, cutting.counts, cutting.cubes, cutting.values) == (padded, counts, cubes, values)
    assert cutting.positions().shape == (cubes, values)


def test_subject_1_of_nsd_is_not_resized():
    grid = BrainOptions().grid_size
    assert grid == PAPER
    for size, wide in zip(PAPER, grid, strict=True):
        assert (axis_weights(size, wide) != sparse.eye(size)).nnz == 0


def test_padding_is_symmetric_with_the_odd_voxel_at_the_end():
    assert Cutting(PAPER, 14).before == (1, 4, 0)  # 3, 8 and 1 voxels of padding
    padded = Cutting((3, 4, 5), 4).pad(np.ones((3, 4, 5)))
    assert padded.shape == (4, 4, 8)
    assert padded[3].sum() == 0
    assert padded[:3, :, 0].sum() == 0
    assert padded[:3, :, 1:6].all()
    assert padded[:3, :, 6:].sum() == 0


def test_a_planted_voxel_lands_in_its_cube_at_its_place():
    shape = (6, 9, 12)
    space = whole(shape)
    cutting = Cutting(shape, 3)
    volumes = Volumes(cutting, layout({"a": space}, cutting, vit3d=True), {"a": space})
    volume = np.zeros(shape, np.float32)
    volume[4, 2, 10] = 7.0  # cube (1, 0, 3) of 2 x 3 x 4, at (1, 2, 1) in it
    cubes = volumes.tokens_of("a", volume.reshape(1, -1))
    token, value = (1 * 3 + 0) * 4 + 3, (1 * 3 + 2) * 3 + 1
    assert cubes[0, token, value] == 7.0
    assert np.count_nonzero(cubes) == 1


@pytest.mark.parametrize(
    ("shape", "grid", "side"),
    [((5, 7, 6), (8, 9, 7), 4), ((9, 6, 8), (5, 9, 7), 3), ((4, 4, 4), (4, 4, 4), 2), ((1, 3, 2), (4, 5, 6), 5)],
)
def test_operator_equals_resize_pad_and_unfold(shape, grid, side):
    rng = np.random.default_rng(0)
    space, cutting = whole(shape), Cutting(grid, side)
    volumes = Volumes(cutting, layout({"a": space}, cutting, vit3d=True), {"a": space})
    values = rng.normal(size=(3, int(np.prod(shape)))).astype(np.float32)

    native = torch.from_numpy(space.volume(values))[:, None]
    resized = F.interpolate(native, size=grid, mode="trilinear", align_corners=False)
    around = [
        edge
        for front, size, wide in reversed(list(zip(cutting.before, grid, cutting.padded, strict=True)))
        for edge in (front, wide - size - front)
    ]
    cut = F.pad(resized, around)[:, 0].unfold(1, side, side).unfold(2, side, side).unfold(3, side, side)
    wanted = cut.reshape(3, cutting.cubes, side**3).numpy()

    np.testing.assert_allclose(volumes.tokens_of("a", values), wanted, atol=1e-5)


def test_operator_of_a_masked_brain_equals_its_volume_with_zeros(tmp_path):
    space = Space.of(meta_of(tmp_path)["spaces"]["subj02"])
    cutting = Cutting((8, 10, 8), 4)
    positions = layout({"a": space}, cutting, vit3d=True)
    values = np.random.default_rng(1).normal(size=(2, len(space.index))).astype(np.float32)
    masked = Volumes(cutting, positions, {"a": space}).tokens_of("a", values)
    full = Volumes(cutting, positions, {"a": whole(space.shape)}).tokens_of("a", space.volume(values).reshape(2, -1))
    np.testing.assert_allclose(masked, full, atol=1e-6)


def test_linear_weights_add_up_to_one_and_leave_an_equal_size_alone():
    for size, wide in ((5, 9), (9, 5), (1, 4), (83, 83)):
        np.testing.assert_allclose(axis_weights(size, wide).sum(axis=1), 1.0)
    np.testing.assert_array_equal(axis_weights(7, 7).toarray(), np.eye(7))


@pytest.mark.parametrize(("shape", "grid"), [((5, 7, 6), (8, 9, 7)), ((9, 6, 8), (4, 9, 5))])
def test_masks_are_resized_by_the_nearest_voxel(shape, grid):
    mask = np.random.default_rng(2).random(int(np.prod(shape))) < 0.4
    native = torch.from_numpy(mask.reshape(shape).astype(np.float32))[None, None]
    wanted = F.interpolate(native, size=grid, mode="nearest-exact")[0, 0].numpy() > 0
    np.testing.assert_array_equal(resized_mask(whole(shape, mask), grid), wanted)


def test_only_cubes_that_meet_a_mask_of_any_brain_are_kept():
    shape = (4, 4, 4)
    first, second = np.zeros(shape, bool), np.zeros(shape, bool)
    first[0, 0, 3] = True  # cube (0, 0, 1)
    second[3, 1, 2] = second[3, 1, 3] = True  # cube (1, 0, 1)
    cutting = Cutting(shape, 2)
    spaces = {"a": whole(shape, first.reshape(-1)), "b": whole(shape, second.reshape(-1))}
    kept = layout(spaces, cutting, vit3d=True)
    np.testing.assert_array_equal(kept, cutting.positions()[[1, 5]])
    np.testing.assert_array_equal(kept_cubes(cutting, first), cutting.positions()[[1]])
    with pytest.raises(BadData, match="nsdgeneral"):
        layout({"a": whole(shape, np.zeros(64, bool))}, cutting, vit3d=True)


def test_without_cubes_the_joint_mask_is_cut_into_runs():
    shape = (3, 3, 3)
    mask = np.zeros(27, bool)
    mask[[2, 5, 7, 9, 11, 13, 17, 20, 25, 26]] = True
    cutting = Cutting(shape, 2)  # padded to 4 x 4 x 4, the extra voxel at the end
    runs = flat_runs(cutting, mask.reshape(shape))
    assert runs.shape == (2, 8)
    assert (runs[1, 2:] == -1).all()
    space = whole(shape, mask)
    volumes = Volumes(cutting, layout({"a": space}, cutting, vit3d=False), {"a": space})
    values = np.arange(1.0, 28.0, dtype=np.float32)[None]
    tokens = volumes.tokens_of("a", values).reshape(-1)
    np.testing.assert_array_equal(tokens, [*values[0, mask], 0, 0, 0, 0, 0, 0])


def test_token_values_go_back_to_the_voxels_of_their_cube():
    shape = (4, 4, 4)
    space, cutting = whole(shape), Cutting(shape, 2)
    volumes = Volumes(cutting, layout({"a": space}, cutting, vit3d=True), {"a": space})
    tokens = np.arange(8.0)[None]
    voxels = volumes.voxels_of("a", tokens).reshape(shape)
    assert voxels[0, 0, 0] == 0
    assert voxels[0, 0, 3] == 1
    assert voxels[0, 3, 0] == 2
    assert voxels[3, 0, 0] == 4
    assert voxels[3, 3, 3] == 7


def test_resized_voxels_get_the_mean_of_their_tokens(tmp_path):
    space = Space.of(meta_of(tmp_path)["spaces"]["subj02"])
    cutting = Cutting((8, 10, 8), 4)
    volumes = Volumes(cutting, layout({"a": space}, cutting, vit3d=True), {"a": space})
    values = np.random.default_rng(3).random((2, volumes.tokens)).astype(np.float32)
    voxels = volumes.voxels_of("a", values)
    assert voxels.shape == (2, len(space.index))
    np.testing.assert_allclose(volumes.voxels_of("a", np.ones_like(values)), 1.0, rtol=1e-5)
    assert (voxels.max(axis=1) <= values.max(axis=1) + 1e-6).all()


def test_the_largest_size_is_taken_axis_by_axis():
    assert largest([whole((4, 9, 2)), whole((5, 3, 3))]) == (5, 9, 3)


def test_facts_count_tokens(tmp_path):
    spaces = {name: Space.of(told) for name, told in meta_of(tmp_path)["spaces"].items()}
    cutting = Cutting((8, 10, 8), 2)
    volumes = Volumes(cutting, layout(spaces, cutting, vit3d=True), spaces)
    assert volumes.facts["tokens_before_selection"] == 80
    assert volumes.facts["tokens_kept"] == volumes.tokens < 80


def test_statistics_are_those_of_all_training_trials(tmp_path):
    responses, *_ = toy(tmp_path, images=7)
    rows = responses.rows("subj02")[:5]
    scaling = fitted("voxel", responses, np.concatenate([rows, responses.rows("subj01")]))
    trials = np.concatenate([responses.trials(int(row)) for row in rows]).astype(np.float64)
    np.testing.assert_allclose(scaling.mean["subj02"], trials.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(scaling.spread["subj02"], trials.std(axis=0), rtol=1e-4)
    made = scaling.of("subj02", trials.astype(np.float32))
    np.testing.assert_allclose(made.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(made.std(axis=0), 1, rtol=1e-3)


def test_volume_scaling_needs_no_statistics_and_voxel_scaling_refuses_strangers():
    values = np.array([[1.0, 2.0, 3.0], [5.0, 5.0, 5.0]], np.float32)
    made = Scaling("volume").of("anybody", values)
    np.testing.assert_allclose(made, [[-1.2247, 0, 1.2247], [0, 0, 0]], atol=1e-3)
    known = Scaling("voxel", {"a": np.zeros(3, np.float32)}, {"a": np.array([1.0, 2.0, 0.0], np.float32)})
    np.testing.assert_allclose(known.of("a", values)[0], [1, 1, 0])  # a constant voxel stays 0
    with pytest.raises(BadData, match="stranger"):
        known.of("stranger", values)
    with pytest.raises(BadData, match="voxels"):
        known.of("a", values[:, :2])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"grid": "83x104"}, "three sizes"),
        ({"cam_patches": "14,x"}, "patch sides"),
        ({"zscore": "run"}, "voxel, volume"),
        ({"width": 100}, "divide"),
        ({"patch": 0}, "above 0"),
        ({"hold_out": 1}, "hold out"),
    ],
)
def test_options_that_cannot_work_are_refused(changed, said):
    with pytest.raises(BadOption, match=said):
        BrainOptions(**changed).verify_brain()
    BrainOptions().verify_brain()
