"""The small JPEG kept beside a picture's features, for the page."""

from __future__ import annotations

import io

from PIL import Image

from alexnet_pixels.square import Pixels

_SIDE = 192
_QUALITY = 80


def thumbnail(pixels: Pixels) -> bytes:
    """JPEG bytes, 192x192, of a decoded picture, uint8 [256, 256, 3]; no metadata inside."""
    image = Image.fromarray(pixels).resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()
