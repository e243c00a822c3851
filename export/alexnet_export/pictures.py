"""The pictures an export is proven, measured and calibrated on.

They are those kept beside the checkpoint, or of folders that the user names.  A compressed network
comes without any: it is proven on drawn ones.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from alexnet_export.checkpoint import PICTURES_FILE, weights_path
from alexnet_export.compressed import is_compressed
from alexnet_export.errors import PicturesError
from alexnet_export.importing.drawn_pictures import drawn_pictures
from alexnet_export.parity import Images
from alexnet_pixels.decode import decode
from alexnet_pixels.errors import PictureError
from alexnet_pixels.views import views

_ENOUGH = 200
_ENOUGH_DRAWN = 16  # each lights up every layer
_ENOUGH_TO_MEASURE = 1000  # one picture is then a tenth of a point of top-1
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


@dataclass(frozen=True)
class Pictures:
    """Centre views, uint8 [n, side, side, 3], and their classes, int64 [n], where those are known.

    ``side`` is that of the views the checkpoint's dialect was made for.
    """

    images: Images
    labels: npt.NDArray[np.int64] | None

    def __len__(self) -> int:
        return len(self.images)

    def take(self, places: npt.NDArray[np.int64]) -> Pictures:
        """The pictures at ``places``, int64 [m]."""
        return Pictures(
            self.images[places], self.labels[places] if self.labels is not None else None
        )


def proof_views(checkpoint: Path, folder: Path | None, side: int) -> Images:
    """Centre views of up to 200 pictures, uint8 [n, side, side, 3]; ``side`` is the dialect's.

    From ``folder`` (searched in depth, unreadable files passed over) or else from the
    ``pictures.npz`` beside the checkpoint; drawn for a compressed network.  Raises PicturesError
    where there are none.
    """
    if folder is None and _is_alone(checkpoint):
        return np.concatenate([views(one, 1, side) for one in drawn_pictures(_ENOUGH_DRAWN)])
    if folder is None:
        return _of_checkpoint(checkpoint, _ENOUGH, side).images
    return _of_folder(folder, _ENOUGH, side)[0]


def measured_pictures(
    checkpoint: Path, folder: Path | None, classes: tuple[str, ...], side: int
) -> Pictures | None:
    """Up to 1000 pictures, from where ``proof_views`` has them, to measure a precision on.

    Those of a folder have known classes where every one lies in a folder named after a class.
    None where there are drawn ones alone (importing/drawn_pictures.py): of no class, and nothing
    that the network was made for, so that what is lost on them says nothing.
    """
    if folder is None:
        if _are_drawn(checkpoint):
            return None
        return _of_checkpoint(checkpoint, _ENOUGH_TO_MEASURE, side)
    images, names = _of_folder(folder, _ENOUGH_TO_MEASURE, side)
    if not set(names) <= set(classes):
        return Pictures(images, None)
    return Pictures(images, np.array([classes.index(name) for name in names]))


def calibration_pictures(folder: Path | None, measured: Pictures | None) -> tuple[Images, Pictures]:
    """The pictures to calibrate on, uint8 [n, side, side, 3], and those left to measure on.

    Up to 200 of ``folder``, as large as those of ``measured``; without one, every second of these.
    No picture is in both.  Raises PicturesError where none is left to measure on, or there were
    drawn ones alone.
    """
    if measured is None:
        raise PicturesError(
            f"the {PICTURES_FILE} beside the checkpoint is drawn, no photos: int8 cannot be "
            "calibrated on it, nor its loss measured. Name photos with --pictures FOLDER"
        )
    if folder is None:
        images = measured.images[1::2]
    else:
        images, _ = _of_folder(folder, _ENOUGH, measured.images.shape[1])
    used = {picture.tobytes() for picture in images}
    left = [place for place, one in enumerate(measured.images) if one.tobytes() not in used]
    if not left or not len(images):
        raise PicturesError(
            f"with {len(measured)} pictures to measure on and {len(images)} to calibrate on, none "
            "is left that was not calibrated on: name others with --calibration FOLDER or "
            "--pictures FOLDER"
        )
    return images, measured.take(np.array(left))


def pictures_digest(images: Images) -> str:
    """Hexadecimal sha256 of views, uint8 [n, side, side, 3]."""
    return hashlib.sha256(images.tobytes()).hexdigest()


def _is_alone(place: Path) -> bool:
    """Whether it is a compressed network, which has no pictures beside it."""
    return place.is_file() and is_compressed(place)


def _are_drawn(place: Path) -> bool:
    if _is_alone(place):
        return True
    with np.load(_beside(place), allow_pickle=False) as kept:
        return "drawn" in kept and bool(kept["drawn"])


def _beside(place: Path) -> Path:
    path = weights_path(place).with_name(PICTURES_FILE)
    if not path.is_file():
        raise PicturesError(
            f"no {PICTURES_FILE} beside the checkpoint: name a folder of photos to prove the "
            "split on with --pictures FOLDER"
        )
    return path


def _of_checkpoint(place: Path, most: int, side: int) -> Pictures:
    with np.load(_beside(place), allow_pickle=False) as kept:
        images = np.concatenate([views(one, 1, side) for one in kept["images"][:most]])
        labels = kept["labels"][:most].astype(np.int64) if "labels" in kept else None
        return Pictures(images, labels)


def _of_folder(folder: Path, most: int, side: int) -> tuple[Images, list[str]]:
    """Centre views, and the name of the folder that each file lies in."""
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in _SUFFIXES and path.is_file()
    ]
    found: list[Images] = []
    names: list[str] = []
    # Spread evenly, so that every class folder has its share.
    chosen = np.linspace(0, len(files) - 1, min(most, len(files))).round().astype(np.int64)
    for place in tqdm(chosen, desc=folder.name, unit="picture", disable=None):
        path = files[place]
        try:
            found.append(views(decode(path.read_bytes()), 1, side))
        except PictureError:
            continue
        names.append(path.parent.name)
    if not found:
        raise PicturesError(f"no readable JPEG, PNG or WEBP picture in {folder}")
    return np.concatenate(found), names
