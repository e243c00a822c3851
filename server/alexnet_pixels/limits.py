"""How large a picture may be before any of it is decoded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PixelLimits:
    """Limits on the picture's header, in pixels.

    24 Mpx of RGB are 72 MB decoded.  A baseline JPEG is decoded at reduced size, so it may have
    more; a progressive one cannot (libjpeg keeps all its coefficients).
    """

    max_pixels: int = 24_000_000
    max_pixels_reduced: int = 64_000_000
    max_side: int = 16_384


DEFAULT_LIMITS = PixelLimits()
