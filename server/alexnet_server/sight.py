"""Uploads through the network: each picture's own answer, or its own error."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from alexnet_pixels.decode import decode
from alexnet_pixels.errors import PictureError
from alexnet_pixels.square import Pixels
from alexnet_pixels.views import views
from alexnet_server.call import Call
from alexnet_server.deployed import Deployed
from alexnet_server.engine import Values
from alexnet_server.served import Served
from alexnet_server.uploads import Upload


@dataclass(frozen=True)
class Seen:
    """One picture: ``pixels`` uint8 [256, 256, 3], ``features`` [4096], ``probabilities`` [C]."""

    pixels: Pixels
    features: Values
    probabilities: Values


def look(
    served: Served, deployed: Deployed, call: Call, uploads: list[Upload], count: int
) -> list[Seen | PictureError]:
    """Decode and infer ``count`` views of every upload; a bad picture spoils no other.

    The views have the side that this deploy's engine takes; another deploy may take another.
    Features and probabilities are averaged over them (paper, section 4.1).  Raises
    DeadlineExceeded, ClientGone, or what the engine raises.
    """
    with call.span("decode"):
        decoded = [decode_upload(served, call, upload) for upload in uploads]
    good = [pixels for pixels in decoded if not isinstance(pixels, PictureError)]
    if not good:
        return [pixels for pixels in decoded if isinstance(pixels, PictureError)]
    side = deployed.engine.view_side
    images = np.concatenate([views(pixels, count, side) for pixels in good])
    answer = deployed.engine.infer(images, call)  # of uint8 [n * count, side, side, 3]
    features = answer.features.reshape(len(good), count, -1).mean(axis=1)  # [n, 4096]
    probabilities = answer.probabilities.reshape(len(good), count, -1).mean(axis=1)  # [n, C]
    seen = map(Seen, good, features, probabilities)
    return [pixels if isinstance(pixels, PictureError) else next(seen) for pixels in decoded]


def content_sha256(upload: Upload) -> str:
    """What a picture is known by where no id is given."""
    return hashlib.sha256(upload.data).hexdigest()


def decode_upload(served: Served, call: Call, upload: Upload) -> Pixels | PictureError:
    """Its pixels uint8 [256, 256, 3], or its fault.  Raises DeadlineExceeded or ClientGone."""
    limits = served.settings.limits
    try:
        upload.require_size(limits)
        with served.turn_to_decode(call):
            return decode(upload.data, limits.pixels)
    except PictureError as error:
        return error
