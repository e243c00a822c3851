"""Pictures made smaller before they are sent: the network sees 256 pixels of the shorter side."""

from __future__ import annotations

import io
import warnings
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from alexnet_client.errors import ClientError
from alexnet_client.picture import Upload, read

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 256
_FORMATS = ("JPEG", "PNG", "WEBP")
_MODES = frozenset({"RGB", "L", "P", "RGBA", "LA"})  # the others are left to the server
_QUALITY = 90
_MAX_PIXELS = 64_000_000  # the server's own limit; it says what is wrong with more
_ORIENTATION = 0x0112  # EXIF 2.32, 4.6.4: 1 is upright
_DRAFT = 2  # decoded at a smaller size that is at least so many times the one needed


def check() -> None:
    """Say before the work whether it can be done.

    Raises:
        ClientError: Pillow is not installed.
    """
    try:
        import_module("PIL.Image")
    except ImportError as error:
        raise ClientError(
            "--shrink needs Pillow: pip install './client[shrink]', or leave it out",
            code="missing_extra",
        ) from error
    # Of odd metadata and many pixels; what is wrong with a picture is for the server to say.
    warnings.filterwarnings("ignore", module=r"PIL\.")


def load(path: str) -> Upload:
    """Read a picture, with its shorter side 256 pixels at most, as JPEG of quality 90.

    One that is no larger, that would not get smaller in bytes, or that cannot be read here is
    left as it is: what is wrong with it is for the server to say.
    """
    try:
        original_bytes = Path(path).stat().st_size
        content = shrunk(path)
    except Exception:  # noqa: BLE001  in a thread, and Pillow raises many kinds for broken files
        return read(path)
    if content is None or len(content) >= original_bytes:
        return read(path)
    return Upload(path, content)


def shrunk(path: str) -> bytes | None:
    """Return the picture as a smaller JPEG; None where it is small enough.

    Raises:
        Exception: Pillow cannot read it; its decoders raise OSError, SyntaxError, ValueError,
            TypeError, struct.error, zlib.error and others.
    """
    from PIL import Image  # noqa: PLC0415  an extra

    if not Path(path).is_file():  # a pipe would be waited for
        return None
    try:
        picture = Image.open(path, formats=_FORMATS)
    except Image.DecompressionBombError:
        return None
    with picture:
        width, height = picture.size
        is_small = min(width, height) <= SIDE
        if is_small or width * height > _MAX_PIXELS or picture.mode not in _MODES:
            return None
        # A side is cut to whole pixels as the server does it, or its crop would lie elsewhere.
        shorter = min(width, height)
        size = tuple(max(SIDE, SIDE * side // shorter) for side in (width, height))
        picture.draft("RGB", (_DRAFT * size[0], _DRAFT * size[1]))
        orientation = picture.getexif().get(_ORIENTATION, 1)
        small = _turned(_over_white(picture), orientation)
        size = size if (small.width > small.height) == (size[0] > size[1]) else size[::-1]
        out = io.BytesIO()
        small.resize((size[0], size[1]), Image.Resampling.BILINEAR).save(
            out, "JPEG", quality=_QUALITY, subsampling=0
        )
    return out.getvalue()


def _over_white(picture: Image) -> Image:
    from PIL import Image  # noqa: PLC0415  an extra

    if not picture.has_transparency_data:
        return picture.convert("RGB")
    picture = picture.convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture).convert("RGB")


def _turned(picture: Image, orientation: int) -> Image:
    from PIL.Image import Transpose  # noqa: PLC0415  an extra

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    turn = turns.get(orientation)
    return picture if turn is None else picture.transpose(turn)
