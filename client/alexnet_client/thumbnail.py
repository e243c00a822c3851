"""A small copy of a picture here, to stand inside a page."""

from __future__ import annotations

import base64
import io
import os
import warnings
from pathlib import Path
from urllib.parse import quote

SIDE = 160
_QUALITY = 80
_MAX_PIXELS = 100_000_000  # decoded, 300 MB


def image_source(picture: Path, page: Path) -> str:
    """Return what an ``<img>`` of ``page`` shows for ``picture``.

    With Pillow (the extra ``[shrink]``) a small JPEG inside the page; without it, or where it
    cannot read the picture, a link to the file, relative to the page where it can be.
    """
    return _small(picture) or _link(picture, page)


def data_url(jpeg: bytes) -> str:
    """Return a JPEG as an address that holds it (RFC 2397)."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"


def _small(picture: Path) -> str | None:
    try:
        from PIL import Image, ImageOps  # noqa: PLC0415  an extra, that need not be here
    except ImportError:
        return None
    try:
        with (
            warnings.catch_warnings(),
            Image.open(picture, formats=("JPEG", "PNG", "WEBP")) as file,
        ):
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # bounded below
            if file.width * file.height > _MAX_PIXELS:
                return None
            file.draft("RGB", (SIDE, SIDE))
            image = ImageOps.exif_transpose(file).convert("RGB")
    except Exception:  # noqa: BLE001  Pillow raises many kinds for broken files
        return None
    image.thumbnail((SIDE, SIDE))
    small = io.BytesIO()
    image.save(small, "JPEG", quality=_QUALITY)
    return data_url(small.getvalue())


def _link(picture: Path, page: Path) -> str:
    try:
        relative = os.path.relpath(picture, page.parent)
    except ValueError:  # another drive of Windows
        return picture.absolute().as_uri()
    # "./": a first part with a colon would be read as a scheme.
    return "./" + quote(os.fsencode(relative.replace(os.sep, "/")))
