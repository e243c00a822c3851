"""Photos decoded once into a flat file of pixels that every later epoch, and run, reads.

``PLACE.pixels`` holds uint8 [n, 256, 256, 3]; ``PLACE.json`` says of which files, and the digest of
each photo's pixels.  Both are written beside and renamed, so a file that is there is whole, and one
that a run has mapped is never changed: several runs may share a place.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from alexnet_pixels.square import SIDE, Pixels
from alexnet_training.errors import NoSpace
from alexnet_training.photos.folders import Photo

if TYPE_CHECKING:
    from typing_extensions import Buffer

PHOTO_BYTES = SIDE * SIDE * 3  # 196,608
_DIGEST_BYTES = 8  # of a billion photos two have the same by chance once in forty times


@dataclass(frozen=True)
class Decoded:
    """``pixels``: uint8 [n, 256, 256, 3] read from disk as needed; ``labels``: int64 [n].

    ``names``: where each was read; ``digests``: of each one's pixels; ``skipped``: a line for every
    photo that could not be decoded.
    """

    pixels: Pixels
    labels: npt.NDArray[np.int64]
    names: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()

    def without(self, rows: set[int]) -> Decoded:
        """The same without some of the photos; copies what is left."""
        kept = [row for row in range(len(self.labels)) if row not in rows]
        return Decoded(
            self.pixels[kept],
            self.labels[kept],
            tuple(self.names[row] for row in kept),
            tuple(self.digests[row] for row in kept),
            self.skipped,
        )


def pixel_digest(pixels: Buffer) -> str:
    """Tells a photo's decoded pixels from all others', whatever file they came from."""
    return hashlib.blake2b(pixels, digest_size=_DIGEST_BYTES).hexdigest()


def listing(photos: Sequence[Photo]) -> list[list[Any]]:
    """What a cache is of: path, class number, size and time of every file."""
    return [[str(photo.path), photo.label, *_state(photo.path)] for photo in photos]


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


def open_cache(
    place: Path, listed: list[list[Any]], between: Callable[[], None] = lambda: None
) -> Decoded | None:
    """What is there, if it is of these files and every photo has the pixels it was kept with.

    ``between`` is called between photos and may raise to stop.
    """
    try:
        noted: dict[str, Any] = json.loads(place.with_suffix(".json").read_bytes())
        size = place.with_suffix(".pixels").stat().st_size
    except (OSError, ValueError):
        return None
    if noted.get("photos") != listed or size != len(noted["labels"]) * PHOTO_BYTES:
        return None
    labels = np.array(noted["labels"], dtype=np.int64)
    pixels: Pixels = np.empty((0, SIDE, SIDE, 3), np.uint8)
    if len(labels):
        shape = (len(labels), SIDE, SIDE, 3)
        pixels = np.memmap(place.with_suffix(".pixels"), np.uint8, "r", shape=shape)
    bar = tqdm(total=len(labels), desc=f"check {place.name}", unit="photo", disable=None)
    with bar:
        for photo, digest, name in zip(pixels, noted["digests"], noted["names"], strict=True):
            between()
            if pixel_digest(photo) != digest:
                path = place.with_suffix(".pixels")
                tqdm.write(f"{path} is damaged at {name}: decoding again", file=sys.stderr)
                return None
            bar.update()
    names, skipped = tuple(noted["names"]), tuple(noted["skipped"])
    return Decoded(pixels, labels, names, tuple(noted["digests"]), skipped)


def _state(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:  # a broken link: named when it is decoded
        return -1, -1
    return found.st_size, found.st_mtime_ns
