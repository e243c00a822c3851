"""A decoded picture -> its central 256x256.

The shorter side is brought to 256 and the centre cut out (paper, section 2), with the sizes of
torchvision's ``Resize(256)`` and ``CenterCrop(256)`` on a PIL image and the same filter (bilinear,
widened where a picture gets smaller).  Only what is cut out is computed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

try:
    import cykooz_resizer as resizing
except ImportError:  # not made for every processor: Pillow then takes four times as long
    resizing = None

Pixels = npt.NDArray[np.uint8]

SIDE = 256  # paper, section 2
# The four sides of what is cut out, in the picture's pixels: left, upper, right, lower.
Region = tuple[float, float, float, float]


def central_square(picture: Image.Image | Pixels) -> Pixels:
    """``picture`` in RGB, as an image or uint8 [height, width, 3] -> uint8 [256, 256, 3].

    Where there is no cykooz_resizer Pillow resizes.  It rounds at other places, which makes at most
    1/255 (docs/departures.md).
    """
    if isinstance(picture, Image.Image):
        width, height = picture.size
    else:
        height, width = picture.shape[:2]
    region = _region(width, height)
    if resizing is not None:
        return _by_resizer(picture, width, height, region)
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=region))


def _region(width: int, height: int) -> Region:
    """What becomes the central square of a picture whose shorter side becomes 256."""
    if width <= height:
        resized = (SIDE, int(SIDE * height / width))
    else:
        resized = (int(SIDE * width / height), SIDE)
    left, top = (int(round((side - SIDE) / 2.0)) for side in resized)
    across, down = width / resized[0], height / resized[1]
    return (left * across, top * down, (left + SIDE) * across, (top + SIDE) * down)


def _by_resizer(picture: Image.Image | Pixels, width: int, height: int, region: Region) -> Pixels:
    left, upper, right, lower = region
    options = resizing.ResizeOptions(
        resize_alg=resizing.ResizeAlg.convolution(resizing.FilterType.bilinear),
        crop_box=resizing.CropBox(left, upper, right - left, lower - upper),
        use_alpha=False,
    )
    resizer = resizing.Resizer()  # one a call: it may not be used by two threads
    if isinstance(picture, Image.Image):
        square = Image.new("RGB", (SIDE, SIDE))
        resizer.resize_pil(picture, square, options)
        return np.asarray(square)
    kind = resizing.PixelType.U8x3
    made = resizing.ImageData(SIDE, SIDE, kind)
    resizer.resize(resizing.ImageData(width, height, kind, picture.tobytes()), made, options)
    return np.frombuffer(made.get_buffer(), np.uint8).reshape(SIDE, SIDE, 3)
