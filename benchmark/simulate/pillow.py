"""Pillow, which draws and resizes; the core does not bring it."""

from ..errors import needing

with needing("vision", "PIL"):
    from PIL import Image, ImageDraw

__all__ = ["Image", "ImageDraw"]
