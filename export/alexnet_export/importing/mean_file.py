"""``imagenet_mean.binaryproto``: Caffe's mean image, one BlobProto (caffe.proto)."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from alexnet_export.checkpoint import Tensor
from alexnet_export.errors import SourceError
from alexnet_export.importing.blob import blob
from alexnet_export.importing.published import MEAN_SHA1

_SHAPE = (3, 256, 256)
_MAX_BYTES = 16 * 2**20  # ten times what it takes as float64


def read_mean(path: Path, *, verified: bool) -> Tensor:
    """The mean image, RGB, float32 [256, 256, 3] in 0..255, of a file that has it as BGR planes.

    ``verified`` demands the published file.  Raises SourceError where the file is not there,
    damaged, of another size or no mean of pictures.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(content) > _MAX_BYTES:
        raise SourceError(f"{path} has more than {_MAX_BYTES:,} bytes: no mean image")
    found = hashlib.sha1(content, usedforsecurity=False).hexdigest()  # all there is of it
    if verified and found != MEAN_SHA1:
        raise SourceError(
            f"{path} has sha1 {found}, and imagenet_mean.binaryproto as published {MEAN_SHA1}: it "
            "is damaged or another file (--unverified takes one of the same structure)"
        )
    try:
        planes = blob(memoryview(content))
    except SourceError as error:
        raise SourceError(f"{path} is no mean image: {error}") from error
    shape = planes.shape[1:] if planes.shape[:1] == (1,) else planes.shape
    if shape != _SHAPE:
        raise SourceError(
            f"{path} holds {list(planes.shape)} numbers; a mean image is {list(_SHAPE)}"
        )
    # What is not a number is not between them either.
    if not ((planes >= 0) & (planes <= 255)).all():
        raise SourceError(f"{path} has values outside 0..255: no mean of pictures")
    image = planes.reshape(_SHAPE)[::-1].transpose(1, 2, 0)  # [BGR, h, w] -> [h, w, RGB]
    return np.ascontiguousarray(image)
