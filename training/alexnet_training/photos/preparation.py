"""Decoding photos into a cache: by all cores, with progress, and on from where it was stopped.

``PLACE.part`` holds the pixels so far and ``PLACE.part.jsonl`` a line for every few photos that are
whole there; renamed, they are the cache.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from alexnet_export.checkpoint import write_whole
from alexnet_pixels.decode import decode
from alexnet_pixels.errors import PictureError
from alexnet_training.errors import EmptyClass, UnreadablePhoto
from alexnet_training.photos.cache import (
    PHOTO_BYTES,
    Decoded,
    listing,
    need_space,
    open_cache,
    pixel_digest,
    saying_no_space,
)
from alexnet_training.photos.folders import Photo

_TOGETHER = 64  # photos decoded before any is written: bounds memory to 12 MB


def decode_photos(
    photos: Sequence[Photo],
    classes: Sequence[str],
    place: Path,
    *,
    every_class: bool = True,
    strict: bool = False,
    between: Callable[[], None] = lambda: None,
) -> Decoded:
    """Decode to ``place.pixels``, or read it back where it is of the same files and undamaged.

    One run at a time: another waits, and finds it done.  ``between`` is called between photos and
    may raise to stop; the next call goes on from there.
    Raises UnreadablePhoto (``strict`` only; else the photo is skipped and named on stderr),
    EmptyClass where no photo is left, or with ``every_class`` none of a class, NoSpace.
    """
    listed = listing(photos)
    with saying_no_space(place.parent):
        place.parent.mkdir(parents=True, exist_ok=True)
        with _alone(place):
            found = open_cache(place, listed, between)
            if found is None:
                _prepare(photos, listed, place, strict=strict, between=between)
                found = open_cache(place, listed, between)
    if found is None:
        raise UnreadablePhoto(f"photos have changed while {place} was made of them: try again")
    if strict and found.skipped:
        raise UnreadablePhoto(f"{found.skipped[0]} (--strict)")
    if every_class:
        _need_all_classes(photos, found.labels, classes)
    if not len(found.labels):
        raise EmptyClass(f"no {place.name} photo is left: none could be decoded")
    return found


def _prepare(
    photos: Sequence[Photo],
    listed: list[list[Any]],
    place: Path,
    *,
    strict: bool,
    between: Callable[[], None],
) -> None:
    """Write ``place.pixels`` and ``place.json``; ``listed`` says what of, a row a photo."""
    pixels, lines = place.with_suffix(".part"), place.with_suffix(".part.jsonl")
    done = _done(pixels, lines, listed)
    kept = sum(len(line["digests"]) for line in done)
    need_space(place.parent, len(photos) - kept)
    with pixels.open("r+b" if done else "wb") as stream, lines.open("a" if done else "w") as note:
        if done:
            stream.seek(kept * PHOTO_BYTES)
            stream.truncate()
        for line in _decoded(photos, listed, done, stream, strict=strict, between=between):
            stream.flush()  # before the line that says so
            print(json.dumps(line), file=note, flush=True)
            done.append(line)
        os.fsync(stream.fileno())
    pixels.replace(place.with_suffix(".pixels"))
    write_whole(place.with_suffix(".json"), json.dumps(_note(listed, done)).encode())
    lines.unlink()


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Hold the lock of a cache; it goes with the process, however that ends."""
    with place.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tqdm.write(f"waiting for another run that prepares {place}", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _done(pixels: Path, lines: Path, listed: list[list[Any]]) -> list[dict[str, Any]]:
    """The lines of an interrupted preparation that are of the same files and whole."""
    found: list[dict[str, Any]] = []
    try:
        with lines.open() as notes, pixels.open("rb") as stream:
            for text in notes:
                line = json.loads(text)
                first = sum(len(each["photos"]) for each in found)
                if line["photos"] != listed[first : first + len(line["photos"])]:
                    break
                if any(pixel_digest(stream.read(PHOTO_BYTES)) != one for one in line["digests"]):
                    break
                found.append(line)
            else:
                return found
    except FileNotFoundError:
        return []
    except ValueError:  # the last line was cut
        pass
    lines.write_text("".join(json.dumps(line) + "\n" for line in found))
    return found


def _decoded(
    photos: Sequence[Photo],
    listed: list[list[Any]],
    done: list[dict[str, Any]],
    stream: BinaryIO,
    *,
    strict: bool,
    between: Callable[[], None],
) -> Iterator[dict[str, Any]]:
    """Decode what is not done yet, and give a line for every few photos that are written."""
    first = sum(len(line["photos"]) for line in done)
    bar = tqdm(total=len(photos), initial=first, desc="decode", unit="photo", disable=None)
    with bar, ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(first, len(photos), _TOGETHER):
            together = photos[start : start + _TOGETHER]
            between()
            line: dict[str, Any] = {"photos": listed[start : start + _TOGETHER]}
            line |= {"labels": [], "names": [], "digests": [], "skipped": []}
            for photo, answer in zip(together, pool.map(_read, together), strict=True):
                if isinstance(answer, str):
                    if strict:
                        raise UnreadablePhoto(f"{answer} (--strict)")
                    line["skipped"].append(answer)
                    tqdm.write(f"skipped {answer}", file=sys.stderr)
                else:
                    stream.write(answer)
                    line["labels"].append(photo.label)
                    line["names"].append(str(photo.path))
                    line["digests"].append(pixel_digest(answer))
            yield line
            bar.update(len(together))


def _note(listed: list[list[Any]], lines: list[dict[str, Any]]) -> dict[str, Any]:
    whole: dict[str, Any] = {"photos": listed}
    for key in ("labels", "names", "digests", "skipped"):
        whole[key] = [value for line in lines for value in line[key]]
    return whole


def _need_all_classes(
    photos: Sequence[Photo], labels: npt.NDArray[np.int64], classes: Sequence[str]
) -> None:
    for label in sorted({photo.label for photo in photos} - set(labels.tolist())):
        raise EmptyClass(f"class {classes[label]!r} has no photos left: none could be decoded")


def _read(photo: Photo) -> bytes | str:
    """The pixels, or why there are none."""
    if not photo.path.is_file():  # a named pipe would block for ever
        return f"{photo.path}: not a file"
    try:
        return np.ascontiguousarray(decode(photo.path.read_bytes())).tobytes()
    except (PictureError, OSError) as error:
        return f"{photo.path}: {error}"
