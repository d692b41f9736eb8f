"""Pictures from what the encoder predicts: D((1 - beta) z_v + beta * noise | z_c, a_r).

D is a Stable unCLIP pipeline of diffusers as published, or, without its weights, the codec's own decoder, the
training image nearest in z_c, or both mixed in the latent space. Source: Neuro-Vision to Language (NeurIPS
2024), section 3.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...benchmark.contracts import Context
from ...benchmark.errors import BadOption, Unavailable, needing
from ...benchmark.kinds.seen import Stimulus
from ...benchmark.nn.latents import Codec
from .options import Options
from .retelling import nearest

NOISE = 13
"""Seeds the noise in the latents."""


def mixed_latents(latents: np.ndarray, beta: float, seed: int) -> np.ndarray:
    """(1 - beta) z + beta * noise, (n, d) float32, with noise ~ N(0, I) from the seed.

    The mix is linear, as published: the variance is not preserved. beta = 0 gives the latents, 1 the noise.
    """
    noise = np.random.default_rng([seed, NOISE]).standard_normal(latents.shape, np.float32)
    mixed: np.ndarray = ((1 - beta) * latents + beta * noise).astype(np.float32)
    return mixed


class Pictures(Sequence[np.ndarray]):
    """Images that were seen, read one at a time."""

    def __init__(self, stimuli: Sequence[Stimulus]) -> None:
        self._stimuli = stimuli

    def __len__(self) -> int:
        return len(self._stimuli)

    def __getitem__(self, row: Any) -> Any:
        return Pictures(self._stimuli[row]) if isinstance(row, slice) else self._stimuli[row].image()


class Studio:
    """What draws: decoder, codec and training images.

    Parameters
    ----------
    options
        Which decoder, and its numbers.
    codec
        The codec that z_v was trained on.
    known, stimuli
        (images, d) features of the training images, and what was seen on them.
    """

    def __init__(self, options: Options, codec: Codec, known: np.ndarray, stimuli: Sequence[Stimulus]) -> None:
        self.options, self.codec, self.known, self.stimuli = options, codec, known, stimuli

    def draw(
        self, z_c: np.ndarray, z_v: np.ndarray | None, prompts: Sequence[str], context: Context
    ) -> Sequence[np.ndarray]:  # fmt: skip
        """One (h, w, 3) uint8 picture a row of z_c (n, d), z_v (n, m) or None, and prompts ("" for none).

        Without z_v (the ablation) a diffusion decoder starts from noise; other decoders retrieve.
        """
        if self.options.decoder == "unclip":
            return self._diffused(z_c, z_v, prompts, context)
        if self.options.decoder == "retrieval" or z_v is None:
            return Pictures([self.stimuli[place] for place in nearest(z_c, self.known)])
        if self.options.decoder == "blend":
            found = self.codec.encode(Pictures([self.stimuli[place] for place in nearest(z_c, self.known)]))
            z_v = (1 - self.options.blend) * z_v + self.options.blend * found
        return self.codec.decode(mixed_latents(z_v, self.options.beta, context.seed))

    def _diffused(
        self, z_c: np.ndarray, z_v: np.ndarray | None, prompts: Sequence[str], context: Context
    ) -> list[np.ndarray]:  # fmt: skip
        pipeline = load_unclip(self.options.unclip, context.device)
        shape = latent_shape(pipeline, self.options.picture_size)
        beta = 1.0 if z_v is None else self.options.beta
        latents = np.zeros((len(z_c), int(np.prod(shape))), np.float32) if z_v is None else z_v
        if latents.shape[1] != int(np.prod(shape)):
            raise BadOption(
                f"codec {self.codec.name!r} has {latents.shape[1]} latents, {self.options.unclip} starts from {shape}",
                f"use the pipeline's own autoencoder:  --set codec=kl:{self.options.unclip}/vae",
            )
        start = mixed_latents(latents, beta, context.seed).reshape(-1, *shape)
        return diffuse(pipeline, z_c, start, prompts, self.options, context)


def load_unclip(place: str, device: str) -> Any:
    """A Stable unCLIP image-to-image pipeline by hub name or folder. Raises `Unavailable`, `ExtraMissing`."""
    with needing("diffusion", "diffusers", "torch", "transformers"):
        import torch
        from diffusers import StableUnCLIPImg2ImgPipeline
        from diffusers.utils import logging

        from ...benchmark.nn.language import hub_reached
    library: Any = StableUnCLIPImg2ImgPipeline
    folder = Path(place).expanduser()
    offline = folder.is_dir() or not hub_reached()
    logging.disable_progress_bar()  # they would break ours
    try:
        pipeline = library.from_pretrained(folder if folder.is_dir() else place, local_files_only=offline)
    except (OSError, ValueError) as error:
        raise Unavailable(
            f"no Stable unCLIP pipeline {place!r} could be loaded ({str(error).splitlines()[0]})",
            f"fetch it where there is a network:  hf download {place}   or draw without it:  --set decoder=autoencoder",
        ) from None
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device, torch.float16 if device.startswith("cuda") else torch.float32)


def latent_shape(pipeline: Any, side: int) -> tuple[int, int, int]:
    """(channels, h, w) of what a pipeline starts from for pictures of so many pixels a side."""
    size = side // int(pipeline.vae_scale_factor)
    return int(pipeline.unet.config.in_channels), size, size


def diffuse(
    pipeline: Any, z_c: np.ndarray, start: np.ndarray, prompts: Sequence[str], options: Options, context: Context
) -> list[np.ndarray]:
    """Pictures of a Stable unCLIP pipeline from embeddings (n, d) and initial latents (n, channels, h, w).

    The mix of latent and noise takes the place of the noise that the sampler would start from.
    """
    import torch

    images: list[np.ndarray] = []
    for row, (embedding, latent, prompt) in enumerate(zip(z_c, start, prompts, strict=True)):
        kind = pipeline.unet.dtype
        made = pipeline(
            prompt=prompt,
            image_embeds=torch.from_numpy(embedding[None]).to(context.device, kind),
            latents=torch.from_numpy(latent[None]).to(context.device, kind),
            height=options.picture_size,
            width=options.picture_size,
            num_inference_steps=options.diffusion_steps,
            guidance_scale=options.guidance,
            generator=torch.Generator().manual_seed(context.seed + row),
            output_type="np",
        ).images[0]
        images.append(np.clip(np.rint(made * 255), 0, 255).astype(np.uint8))
        context.progress("pictures", row + 1, len(z_c))
    return images
