"""How images are brought to another size, in the two ways of the field."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

MINDEYE_FIRST = 256
"""Side in pixels to which MindEye brings every image before anything else."""


def mindeye_resize(image: np.ndarray) -> Tensor:
    """(1, 3, 256, 256) float32 in 0..1 of a (h, w, 3) uint8 image: bilinear, no antialiasing."""
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
    return bilinear(pixels, MINDEYE_FIRST)


def bilinear(pixels: Tensor, side: int) -> Tensor:
    """(n, 3, side, side) without antialiasing, as torchvision's Resize of tensors was up to 0.16."""
    if pixels.shape[-2:] == (side, side):
        return pixels
    return functional.interpolate(pixels, (side, side), mode="bilinear", align_corners=False, antialias=False)


def pil_resize(image: np.ndarray, side: int, resampling: Image.Resampling) -> np.ndarray:
    """(side, side, 3) uint8 by Pillow, antialiased; the same image where it has that size."""
    if image.shape[:2] == (side, side):
        return image
    return np.asarray(Image.fromarray(image).resize((side, side), resampling))
