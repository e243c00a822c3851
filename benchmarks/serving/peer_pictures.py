"""A picture's bytes to the network's input, with Pillow, as a tutorial's transforms do it."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

_SHORTER_SIDE = 256  # paper, section 2


def tensor_of(content: bytes, side: int) -> Tensor:
    """The centre of the picture, its shorter side at 256: uint8 [1, side, side, 3]."""
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    factor = _SHORTER_SIDE / min(picture.size)
    size = (round(picture.width * factor), round(picture.height * factor))
    picture = picture.resize(size, Image.Resampling.BILINEAR)
    left, top = (size[0] - side) // 2, (size[1] - side) // 2
    picture = picture.crop((left, top, left + side, top + side))
    return torch.from_numpy(np.array(picture))[None]  # [1, side, side, 3]
