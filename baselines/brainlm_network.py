"""The two networks of BrainLM: a masked autoencoder of patches of ROI series, and one of the scan as an image."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import NystromformerConfig, ViTMAEConfig
from transformers.models.nystromformer.modeling_nystromformer import NystromformerLayer
from transformers.models.vit_mae.modeling_vit_mae import ViTMAEForPreTraining

from ..benchmark.nn.connectivity import attend_to_connectivity, slow_cosines

GATHERED = 3.0
KEPT = 0.1
LANDMARKS = 64
CONVOLUTION = 65
CHANNELS = 3
PADDING = -1.0
EPSILON = 1e-12


@dataclass(frozen=True)
class Sizes:
    """Sizes of a network; what its weights need to be read.

    Attributes
    ----------
    kind
        "tokens" or "image", see `TokenNetwork` and `ImageNetwork`.
    rois, frames, patch
        Input (frames, rois), and the side of a patch: frames of one ROI, or ROIs x frames of the image.
    width, depth, heads, feedforward
        Of the encoder.
    decoder_width, decoder_depth, decoder_heads, decoder_feedforward
        Of the decoder; that of "tokens" has the encoder's width, heads and feedforward.
    places
        Numbers that say where an ROI lies: three coordinates as published.
    mask, dropout
        Share of hidden patches in pretraining, and dropout.
    shuffled_tokens
        The reference's slip: its layers convolve along the tokens, which stand in the random order of the mask.
    """

    kind: Literal["tokens", "image"]
    rois: int
    frames: int
    patch: int
    width: int
    depth: int
    heads: int
    feedforward: int
    decoder_width: int
    decoder_depth: int
    decoder_heads: int
    decoder_feedforward: int
    places: int
    mask: float
    dropout: float
    shuffled_tokens: bool

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)


def time_code(patches: int, width: int, device: torch.device) -> Tensor:
    """Sinusoids (patches, width): sines in even columns, cosines in odd ones."""
    rate = 10_000 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angle = torch.arange(patches, dtype=torch.float64)[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)[:, :width].float().to(device)


class SoftmaxAttention(nn.Module):
    """Attention of a Nystromformer layer whose landmarks are as many as its nominal segments: all tokens.

    So are they in the published configuration, and the layer's approximation is then not in use: softmax attention
    over all tokens plus a convolution of the values along them. Same weights, without the (token, token) matrix.
    """

    def __init__(self, nominal: Any) -> None:
        super().__init__()
        self.heads = int(nominal.num_attention_heads)
        self.query, self.key, self.value, self.conv = nominal.query, nominal.key, nominal.value, nominal.conv

    def forward(self, x: Tensor, attention_mask: None = None, output_attentions: bool = False) -> tuple[Tensor]:
        """(batch, token, width) -> the same shape."""
        linear: list[Any] = [self.query, self.key, self.value]
        split = [layer(x).unflatten(2, (self.heads, -1)).transpose(1, 2) for layer in linear]
        convolution: Any = self.conv
        mixed = F.scaled_dot_product_attention(split[0], split[1], split[2]) + convolution(split[2])
        return (mixed.transpose(1, 2).flatten(2),)


def layers(sizes: Sizes, depth: int) -> nn.ModuleList:
    """Nystromformer layers, each with `SoftmaxAttention`."""
    config = NystromformerConfig(
        hidden_size=sizes.width, num_attention_heads=sizes.heads, intermediate_size=sizes.feedforward,
        hidden_act="gelu", num_landmarks=LANDMARKS, segment_means_seq_len=LANDMARKS, conv_kernel_size=CONVOLUTION,
        hidden_dropout_prob=0.0, layer_norm_eps=EPSILON, inv_coeff_init_option=False,
    )  # fmt: skip
    found = nn.ModuleList(NystromformerLayer(config) for _ in range(depth))
    for layer in found:
        attention: Any = layer.attention
        attention.self = SoftmaxAttention(attention.self)
    return found


class TokenNetwork(nn.Module):
    """The 13M type: one token a patch of frames of one ROI.

    ``places`` (rois, k) says where the ROIs lie; it is part of the weights.
    """

    places: Tensor

    def __init__(self, sizes: Sizes, places: Tensor) -> None:
        super().__init__()
        self.sizes = sizes
        width = sizes.width
        self.register_buffer("places", places.float())
        self.cls_token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.mask_token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.signal, self.place = nn.Linear(sizes.patch, width), nn.Linear(sizes.places, width)
        self.encoder = layers(sizes, sizes.depth)
        self.norm = nn.LayerNorm(width, eps=EPSILON)
        self.to_decoder, self.decoder_place = nn.Linear(width, width), nn.Linear(sizes.places, width)
        self.decoder = layers(sizes, sizes.decoder_depth)
        self.decoder_norm = nn.LayerNorm(width, eps=EPSILON)
        self.head = nn.Sequential(nn.Linear(width, width // 2), nn.LeakyReLU(0.1), nn.Linear(width // 2, sizes.patch))
        self.apply(_xavier)

    def patches(self, series: Tensor) -> Tensor:
        """(batch, rois * patches, patch) of series (batch, frames, rois); an ROI's patches stand together."""
        batch, frames, rois = series.shape
        return series.transpose(1, 2).reshape(batch, rois * (frames // self.sizes.patch), self.sizes.patch)

    def encode(self, series: Tensor, kept: Tensor | None = None) -> Tensor:
        """(batch, 1 + token, width): CLS and all patches, or those at indices ``kept`` (batch, token)."""
        patches = self.patches(series)
        x = self._placed(self.signal(patches), self.place)
        if kept is not None:
            x = x.gather(1, kept[..., None].expand(-1, -1, x.shape[2]))
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1)
        for layer in self.encoder:
            x = layer(x)[0]
        out: Tensor = self.norm(x)
        return out

    def _placed(self, tokens: Tensor, place: nn.Module) -> Tensor:
        """Tokens with where and when they are."""
        batch, _, width = tokens.shape
        grid = tokens.reshape(batch, self.sizes.rois, -1, width)
        when = time_code(grid.shape[2], width, tokens.device)
        return F.dropout((grid + place(self.places)[:, None] + when).flatten(1, 2), self.sizes.dropout, self.training)

    def loss(self, series: Tensor) -> Tensor:
        """Mean squared error of the hidden patches of series (batch, frames, rois)."""
        patches = self.patches(series)
        kept, hidden = self._draw(*patches.shape[:2])
        kept, hidden = kept.to(series.device), hidden.to(series.device)
        return F.mse_loss(take(self._rebuilt(series, kept), hidden), take(patches, hidden))

    def _draw(self, batch: int, tokens: int) -> tuple[Tensor, Tensor]:
        """Indices of kept and of hidden tokens, drawn on the CPU, so that a seed means the same on every device."""
        order = torch.rand(batch, tokens).argsort(dim=1)
        count = int(tokens * (1 - self.sizes.mask))
        kept = order[:, :count]
        return kept if self.sizes.shuffled_tokens else kept.sort(dim=1).values, order[:, count:]

    def _rebuilt(self, series: Tensor, kept: Tensor) -> Tensor:
        """All patches (batch, token, patch) from the kept ones."""
        x = self.to_decoder(self.encode(series, kept))
        tokens = self.sizes.rois * (series.shape[1] // self.sizes.patch)
        whole = self.mask_token.expand(len(x), tokens, -1).to(x.dtype)
        whole = whole.scatter(1, kept[..., None].expand(-1, -1, x.shape[2]), x[:, 1:])
        x = torch.cat([x[:, :1], self._placed(whole, self.decoder_place)], dim=1)
        for layer in self.decoder:
            x = layer(x)[0]
        out: Tensor = self.head(self.decoder_norm(x))[:, 1:]
        return out


class ImageNetwork(nn.Module):
    """The ViT-MAE type: the scan (roi, time) as an image, padded with -1 to a square and copied to three channels."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.side = -(-max(sizes.rois, sizes.frames) // sizes.patch) * sizes.patch
        config = ViTMAEConfig(
            image_size=(self.side, self.side), patch_size=sizes.patch, num_channels=CHANNELS, hidden_size=sizes.width,
            num_hidden_layers=sizes.depth, num_attention_heads=sizes.heads, intermediate_size=sizes.feedforward,
            decoder_hidden_size=sizes.decoder_width, decoder_num_hidden_layers=sizes.decoder_depth,
            decoder_num_attention_heads=sizes.decoder_heads, decoder_intermediate_size=sizes.decoder_feedforward,
            mask_ratio=sizes.mask, layer_norm_eps=EPSILON, hidden_dropout_prob=sizes.dropout,
        )  # fmt: skip
        self.mae = ViTMAEForPreTraining(config)
        self.top, self.left = (self.side - sizes.rois) // 2, (self.side - sizes.frames) // 2

    def image(self, series: Tensor) -> Tensor:
        """(batch, 3, side, side) of series (batch, frames, rois)."""
        bottom = self.side - self.sizes.rois - self.top
        right = self.side - self.sizes.frames - self.left
        padded = F.pad(series.transpose(1, 2), (self.left, right, self.top, bottom), value=PADDING)
        return padded[:, None].expand(-1, CHANNELS, -1, -1)

    def encode(self, series: Tensor) -> Tensor:
        """(batch, 1 + token, width): CLS and all patches, in their order."""
        image = self.image(series)
        vit = self.mae.vit
        share, vit.config.mask_ratio = vit.config.mask_ratio, 0.0
        try:
            order = torch.arange((self.side // self.sizes.patch) ** 2, device=series.device).float()
            out: Tensor = vit(image, noise=order.expand(len(image), -1)).last_hidden_state
        finally:
            vit.config.mask_ratio = share
        return out

    def loss(self, series: Tensor) -> Tensor:
        """Mean squared error of the hidden part of the scan, without the padding; the channels are averaged."""
        image = self.image(series)
        count = (self.side // self.sizes.patch) ** 2
        found = self.mae(image, noise=torch.rand(len(image), count).to(series.device))
        shape = (self.side, self.side)
        rebuilt = self._scan(self.mae.unpatchify(found.logits, shape).mean(dim=1))
        repeated = found.mask[..., None].expand(-1, -1, found.logits.shape[2])
        hidden = self._scan(self.mae.unpatchify(repeated, shape)[:, 0])
        error = (rebuilt - series.transpose(1, 2)) ** 2
        return (error * hidden).sum() / hidden.sum().clamp(min=1)

    def _scan(self, image: Tensor) -> Tensor:
        """(batch, rois, frames) of (batch, side, side)."""
        return image[:, self.top : self.top + self.sizes.rois, self.left : self.left + self.sizes.frames]


Network = TokenNetwork | ImageNetwork


def pooled(network: Network, series: Tensor, pool: Literal["mean", "cls", "roi"]) -> Tensor:
    """Features (batch, p): the mean patch, the CLS token, or an ROI's mean patch for every ROI."""
    x = network.encode(series)
    if pool == "cls":
        return x[:, 0]
    if pool == "mean":
        return x[:, 1:].mean(dim=1)
    batch, _, width = x.shape
    return x[:, 1:].reshape(batch, network.sizes.rois, -1, width).mean(dim=2).flatten(1)


class Classifier(nn.Module):
    """Pooled patches, LayerNorm and one linear layer, for fine-tuning."""

    def __init__(self, network: Network, pool: Literal["mean", "cls", "roi"], outputs: int) -> None:
        super().__init__()
        self.network, self.pool = network, pool
        inputs = network.sizes.width * (network.sizes.rois if pool == "roi" else 1)
        self.norm, self.head = nn.LayerNorm(inputs), nn.Linear(inputs, outputs)

    def forward(self, series: Tensor) -> Tensor:
        """(batch, frames, rois) -> (batch, outputs)."""
        out: Tensor = self.head(self.norm(pooled(self.network, series, self.pool)))
        return out


def build(sizes: Sizes, places: Tensor, init: Literal["published", "connectivity"] = "published") -> Network:
    """The network of these sizes; an `ImageNetwork` has the published start alone."""
    if sizes.kind == "image":
        return ImageNetwork(sizes)
    network = TokenNetwork(sizes, places)
    if init == "connectivity":
        start_as_connectivity(network)
    return network


def start_as_connectivity(network: TokenNetwork) -> None:
    """Let the first layer read connectivity from its first step, see `benchmark.nn.connectivity` [ours].

    The cosines lie in the columns whose part of the time code are sines, the slowest last: near 0 for the few
    patches of a window. What is gathered are the ROIs' places, in the other columns. The norm behind the attention
    keeps a tenth of the cosines: the course of one scan's signal says nothing about another's, and would be half of
    what a probe gets.
    """
    sizes = network.sizes
    even = torch.arange(0, sizes.width - 1, 2).flip(0)
    places, times = even + 1, even[: min(sizes.width // sizes.heads, sizes.patch)]
    start = attend_to_connectivity(sizes.width, sizes.heads, times, places, GATHERED)
    layer: Any = network.encoder[0]
    attention = layer.attention.self
    with torch.no_grad():
        for linear in (network.signal, network.place):
            linear.weight.zero_()
        network.signal.weight[times] = slow_cosines(len(times), sizes.patch)
        network.place.weight[places] = nn.init.orthogonal_(torch.empty(len(places), sizes.places))
        for linear, weight in zip(
            (attention.query, attention.key, attention.value, layer.attention.output.dense), start, strict=True
        ):
            linear.weight.copy_(weight)
        attention.conv.weight.zero_()
        layer.attention.output.LayerNorm.weight[times] = KEPT


def take(rows: Tensor, index: Tensor) -> Tensor:
    """Rows (batch, k, width) of (batch, row, width) at indices (batch, k)."""
    return rows.gather(1, index[..., None].expand(-1, -1, rows.shape[2]))


def _xavier(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
