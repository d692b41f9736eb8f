"""Contrastive losses against small cases by hand, and layers by their properties."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from brainbench.baselines.contrastive import (  # noqa: E402
    Contrast,
    Mixed,
    between,
    bi_mix_co,
    info_nce,
    joined,
    mix,
    mixed_targets,
    residual_mlp,
    soft_clip,
    unit,
)

E = math.e


def plain(count):
    return Mixed(torch.zeros(count, 1), torch.arange(count), torch.ones(count))


def test_info_nce_by_hand():
    # Cosines 1 and 0 at temperature 1: each row gives its partner e / (e + 1).
    same = torch.eye(2)
    assert info_nce(same, same, 1.0).item() == pytest.approx(-math.log(E / (E + 1)))
    assert info_nce(same.flip(0), same, 1.0).item() == pytest.approx(-math.log(1 / (E + 1)))
    # Lengths do not matter.
    assert info_nce(3 * same, 5 * same, 1.0).item() == pytest.approx(-math.log(E / (E + 1)))


def test_soft_clip_by_hand():
    # The weights are e / (e + 1) for the partner and 1 / (e + 1) for the other, as are the probabilities.
    high, low = E / (E + 1), 1 / (E + 1)
    entropy = -(high * math.log(high) + low * math.log(low))
    assert soft_clip(torch.eye(2), torch.eye(2), 1.0).item() == pytest.approx(entropy)
    crossed = -(high * math.log(low) + low * math.log(high))
    assert soft_clip(torch.eye(2).flip(0), torch.eye(2), 1.0).item() == pytest.approx(crossed)


def test_soft_clip_where_targets_are_alike_does_not_part_them():
    # Two targets that are the same share the weight, so parting their predictions costs something.
    wanted = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    cold = 0.01
    assert soft_clip(wanted, wanted, cold).item() == pytest.approx(2 / 3 * math.log(2), rel=1e-4)
    apart = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    assert soft_clip(apart, wanted, 0.1) > soft_clip(wanted, wanted, 0.1) + 0.1


def test_soft_clip_is_least_where_prediction_is_target():
    torch.manual_seed(0)
    wanted = torch.randn(6, 4)
    best = soft_clip(wanted, wanted, 0.125)
    assert all(soft_clip(wanted + 0.5 * torch.randn(6, 4), wanted, 0.125) > best for _ in range(5))


def test_bi_mix_co_by_hand():
    # Row 0 is 0.7 of itself and 0.3 of row 1; row 1 is whole. Cosines are 1 and 0, temperature 1.
    high, low = -math.log(E / (E + 1)), -math.log(1 / (E + 1))
    mixed = Mixed(torch.zeros(2, 1), torch.tensor([1, 0]), torch.tensor([0.7, 1.0]))
    forward = (0.7 * high + 0.3 * low + high) / 2
    # Weights by image: image 0 has 0.7 of row 0; image 1 has 0.3 of row 0 and all of row 1.
    backward = (0.7 * high + 0.3 * low + high) / 2
    assert bi_mix_co(torch.eye(2), torch.eye(2), mixed, 1.0).item() == pytest.approx((forward + backward) / 2)


def test_bi_mix_co_directions_differ():
    predicted = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    mixed = Mixed(torch.zeros(2, 1), torch.tensor([1, 0]), torch.tensor([0.5, 1.0]))
    rows = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    weights = torch.tensor([[0.5, 0.5], [0.0, 1.0]])
    forward = -(rows.log_softmax(1) * weights).sum(1).mean()
    backward = -(rows.log_softmax(0) * weights).sum(0).mean()
    found = bi_mix_co(predicted, torch.eye(2), mixed, 1.0)
    assert found.item() == pytest.approx(((forward + backward) / 2).item())


def test_bi_mix_co_of_whole_rows_is_info_nce():
    torch.manual_seed(0)
    predicted, wanted = torch.randn(5, 3), torch.randn(5, 3)
    torch.testing.assert_close(bi_mix_co(predicted, wanted, plain(5), 0.1), info_nce(predicted, wanted, 0.1))


def test_a_row_mixed_with_itself_keeps_its_whole_weight():
    predicted, wanted = torch.randn(3, 4), torch.randn(3, 4)
    itself = Mixed(torch.zeros(3, 1), torch.arange(3), torch.tensor([0.2, 0.5, 1.0]))
    torch.testing.assert_close(bi_mix_co(predicted, wanted, itself, 0.1), bi_mix_co(predicted, wanted, plain(3), 0.1))


def test_mix_gives_what_its_order_and_share_say():
    torch.manual_seed(0)
    voxels = torch.randn(400, 3)
    mixed = mix(voxels)
    torch.testing.assert_close(mixed.voxels, mixed_targets(voxels, mixed))
    whole = mixed.share == 1
    assert 0.4 < whole.float().mean() < 0.65
    torch.testing.assert_close(mixed.voxels[whole], voxels[whole])
    assert sorted(mixed.order.tolist()) == list(range(400))
    # Beta(0.15, 0.15): most shares are near 0 or 1.
    assert ((mixed.share[~whole] < 0.1) | (mixed.share[~whole] > 0.9)).float().mean() > 0.5


def test_brains_are_mixed_apart():
    torch.manual_seed(0)
    parts = [mix(torch.randn(count, voxels)) for count, voxels in ((4, 10), (1, 7), (6, 3))]
    whole = joined(parts)
    owner = torch.tensor([0] * 4 + [1] + [2] * 6)
    assert torch.equal(owner[whole.order], owner)
    assert len(whole.share) == 11


def test_contrast_goes_from_mixing_to_soft_clip():
    torch.manual_seed(0)
    voxels, wanted = torch.randn(8, 5), torch.randn(8, 6)
    found = torch.randn(8, 6)
    contrast = Contrast(0.5, 0.1, (0.2, 0.4))
    assert not torch.equal(contrast.prepare(voxels).voxels, voxels)
    contrast.moved(0.5)
    ready = contrast.prepare(voxels)
    assert torch.equal(ready.voxels, voxels)
    torch.testing.assert_close(contrast.loss(found, wanted, ready), soft_clip(found, wanted, 0.2))
    contrast.moved(1.0)
    torch.testing.assert_close(contrast.loss(found, wanted, ready), soft_clip(found, wanted, 0.4))


def test_between_follows_half_a_cosine():
    assert between(1.0, 3.0, 0.0) == 1.0
    assert between(1.0, 3.0, 1.0) == 3.0
    assert between(1.0, 3.0, 0.5) == pytest.approx(2.0)
    assert between(1.0, 3.0, 0.25) < 1.5


def test_residual_blocks_without_weights_change_nothing():
    mlp = residual_mlp(4, 2).eval()
    for parameter in mlp.parameters():
        torch.nn.init.zeros_(parameter)
    values = torch.randn(3, 4)
    torch.testing.assert_close(mlp(values), values)


def test_unit_flattens():
    found = unit(torch.full((2, 2, 2), 3.0))
    assert found.shape == (2, 4)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2))
