"""Photos decoded once into a flat file of pixels that every later epoch reads.

``RUN/cache/<half>.pixels`` holds uint8 [n, 256, 256, 3]; ``<half>.json``, written last, says of
which files, so that a resumed run decodes again only what has changed.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from alexnet_export.checkpoint import write_whole
from alexnet_pixels.decode import decode
from alexnet_pixels.errors import PictureError
from alexnet_pixels.square import SIDE, Pixels
from alexnet_training.errors import EmptyClass, NoSpace, UnreadablePhoto
from alexnet_training.folders import Photo

PHOTO_BYTES = SIDE * SIDE * 3  # 196,608
_TOGETHER = 64  # photos decoded before any is written: bounds memory to 12 MB


@dataclass(frozen=True)
class Decoded:
    """``pixels``: uint8 [n, 256, 256, 3] read from disk as needed; ``labels``: int64 [n].

    ``names``: where each was read; ``skipped``: a line for every photo that could not be decoded.
    """

    pixels: Pixels
    labels: npt.NDArray[np.int64]
    names: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()


def need_space(folder: Path, photos: int, beside_bytes: int = 0) -> None:
    """Raise NoSpace unless ``folder``'s disk has room for that many decoded photos and the rest."""
    needed, free = photos * PHOTO_BYTES + beside_bytes, shutil.disk_usage(folder).free
    if free < needed:
        raise NoSpace(
            f"training needs {needed:,} bytes in {folder} ({photos:,} decoded photos of "
            f"{PHOTO_BYTES:,}, and checkpoints), but only {free:,} are free: free some or use "
            "another --out"
        )


@contextmanager
def saying_no_space(folder: Path) -> Iterator[None]:
    """Turn a full disk while writing below ``folder`` into NoSpace."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise NoSpace(
            f"no space left while writing to {folder}: free some and give the same command again"
        ) from error


def decode_photos(
    photos: Sequence[Photo],
    classes: Sequence[str],
    place: Path,
    *,
    every_class: bool = True,
    strict: bool = False,
    between: Callable[[], None] = lambda: None,
) -> Decoded:
    """Decode to ``place.pixels``, or read it back where it is of the same files.

    ``between`` is called between photos and may raise to stop.
    Raises UnreadablePhoto (``strict`` only; else the photo is skipped and named on stderr),
    EmptyClass where no photo is left, or with ``every_class`` none of a class, NoSpace.
    """
    noted = _read_note(place)
    listed = [[str(photo.path), photo.label, *_state(photo.path)] for photo in photos]
    if (
        noted is None
        or "names" not in noted
        or noted["photos"] != listed
        or (strict and noted["skipped"])
    ):
        with saying_no_space(place.parent):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.with_suffix(".json").unlink(missing_ok=True)
            need_space(place.parent, len(photos))
            noted = {"photos": listed, **_write_pixels(photos, place, strict, between)}
            write_whole(place.with_suffix(".json"), json.dumps(noted).encode())
    labels = np.array(noted["labels"], dtype=np.int64)
    if every_class:
        _need_all_classes(photos, labels, classes)
    if not len(labels):
        raise EmptyClass(f"no {place.name} photo is left: none could be decoded")
    pixels = np.memmap(
        place.with_suffix(".pixels"), np.uint8, "r", shape=(len(labels), SIDE, SIDE, 3)
    )
    return Decoded(pixels, labels, tuple(noted["names"]), tuple(noted["skipped"]))


def _read_note(place: Path) -> dict[str, Any] | None:
    try:
        noted: dict[str, Any] = json.loads(place.with_suffix(".json").read_bytes())
        size = place.with_suffix(".pixels").stat().st_size
    except (OSError, ValueError):
        return None
    return noted if size == len(noted["labels"]) * PHOTO_BYTES else None


def _state(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:  # a broken link: named when it is decoded
        return -1, -1
    return found.st_size, found.st_mtime_ns


def _write_pixels(
    photos: Sequence[Photo], place: Path, strict: bool, between: Callable[[], None]
) -> dict[str, Any]:
    """Write through a file, not a memory map: on a full disk a map ends the process (SIGBUS)."""
    labels: list[int] = []
    names: list[str] = []
    skipped: list[str] = []
    bar = tqdm(total=len(photos), desc=f"decode {place.name}", unit="photo", disable=None)
    with (
        bar,
        ThreadPoolExecutor(os.cpu_count()) as pool,
        place.with_suffix(".pixels").open("wb") as stream,
    ):
        for start in range(0, len(photos), _TOGETHER):
            together = photos[start : start + _TOGETHER]
            between()
            for photo, answer in zip(together, pool.map(_read, together), strict=True):
                if isinstance(answer, str):
                    if strict:
                        raise UnreadablePhoto(f"{answer} (--strict)")
                    skipped.append(answer)
                    tqdm.write(f"skipped {answer}", file=sys.stderr)
                else:
                    stream.write(answer)
                    labels.append(photo.label)
                    names.append(str(photo.path))
            bar.update(len(together))
    return {"labels": labels, "names": names, "skipped": skipped}


def _read(photo: Photo) -> bytes | str:
    """The pixels, or why there are none."""
    if not photo.path.is_file():  # a named pipe would block for ever
        return f"{photo.path}: not a file"
    try:
        return decode(photo.path.read_bytes()).tobytes()
    except (PictureError, OSError) as error:
        return f"{photo.path}: {error}"


def _need_all_classes(
    photos: Sequence[Photo], labels: npt.NDArray[np.int64], classes: Sequence[str]
) -> None:
    for label in sorted({photo.label for photo in photos} - set(labels.tolist())):
        raise EmptyClass(f"class {classes[label]!r} has no photos left: none could be decoded")


@dataclass(frozen=True)
class PixelStatistics:
    """``mean``: float32 [256, 256, 3]; ``covariance``: float64 [3, 3] of RGB over all pixels."""

    mean: npt.NDArray[np.float32]
    covariance: npt.NDArray[np.float64]


def pixel_statistics(pixels: Pixels, between: Callable[[], None] = lambda: None) -> PixelStatistics:
    """The training set's mean image (section 2) and the covariance of its colours (section 4.1)."""
    total = np.zeros(pixels.shape[1:], dtype=np.int64)
    products = np.zeros((3, 3))
    for photo in tqdm(pixels, desc="mean image", unit="photo", disable=None):
        between()
        total += photo
        values = photo.reshape(-1, 3).astype(np.float64)
        products += values.T @ values
    mean = total / len(pixels)
    count = len(pixels) * SIDE * SIDE
    colour = total.sum((0, 1)) / count
    covariance = products / count - np.outer(colour, colour)
    return PixelStatistics(mean.astype(np.float32), covariance)
