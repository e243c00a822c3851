"""The pictures an export is proven on: those kept beside the checkpoint, or a folder of yours."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from alexnet_export.checkpoint import PICTURES_FILE, weights_path
from alexnet_export.errors import PicturesError
from alexnet_export.parity import Images
from alexnet_pixels.decode import decode
from alexnet_pixels.errors import PictureError
from alexnet_pixels.views import views

_ENOUGH = 200
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def proof_views(checkpoint: Path, folder: Path | None) -> Images:
    """Centre views of up to 200 pictures, uint8 [n, 224, 224, 3].

    From ``folder`` (searched in depth, unreadable files passed over) or else from the
    ``pictures.npz`` beside the checkpoint.  Raises PicturesError where there are none.
    """
    pixels = _of_folder(folder) if folder else _of_checkpoint(checkpoint)
    return np.concatenate([views(picture) for picture in pixels])


def _of_checkpoint(place: Path) -> list[Images]:
    path = weights_path(place).with_name(PICTURES_FILE)
    if not path.is_file():
        raise PicturesError(
            f"no {PICTURES_FILE} beside the checkpoint: name a folder of photos to prove the "
            "split on with --pictures FOLDER"
        )
    with np.load(path, allow_pickle=False) as kept:
        return list(kept["images"][:_ENOUGH])


def _of_folder(folder: Path) -> list[Images]:
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in _SUFFIXES and path.is_file()
    ]
    # Spread evenly, so that every class folder has its share.
    chosen = np.linspace(0, len(files) - 1, min(_ENOUGH, len(files))).round().astype(np.int64)
    found: list[Images] = []
    for number in chosen:
        try:
            found.append(decode(files[number].read_bytes()))
        except PictureError:
            continue
    if not found:
        raise PicturesError(f"no readable JPEG, PNG or WEBP picture in {folder}")
    return found
