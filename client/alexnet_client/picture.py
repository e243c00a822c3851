"""A picture on its way out: from a path, bytes, an open file or pixels to bytes with a name."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, BinaryIO, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from alexnet_client import png
from alexnet_client.errors import BadPicture
from alexnet_client.names import printable

# The server's limits; more would be refused there after all of it had been sent.
MAX_PICTURE_BYTES = 10 * 2**20
MAX_REQUEST_BYTES = 64 * 2**20
MAX_REQUEST_VIEWS = 64  # pictures times views
_PART_BYTES = 1024  # the headers of a form part, generously


@dataclass(frozen=True)
class Upload:
    """A picture read, or the reason why it could not be; and what to store with it.

    ``filename`` is the path as the caller gave it; only its last part is ever sent.
    """

    filename: str
    content: bytes = b""
    error: BadPicture | None = None
    id: str | None = None
    label: str | None = None
    metadata: Mapping[str, Any] | None = None

    @property
    def form_file(self) -> tuple[str, tuple[str, bytes, str]]:
        """The form field ``image`` as httpx takes it. The server looks at the bytes alone."""
        name = printable(PurePath(self.filename).name) or "picture"
        return ("image", (name, self.content, "application/octet-stream"))

    @property
    def given(self) -> tuple[bool, bool, bool]:
        """Which of id, label and metadata are there: they go once per picture or not at all."""
        return (self.id is not None, self.label is not None, self.metadata is not None)


Stored: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO
Picture: TypeAlias = Stored | png.PilImage | NDArray[np.uint8] | Upload
_ONE = (str, os.PathLike, bytes, bytearray, memoryview, np.ndarray, Upload)


def is_one(pictures: Picture | Iterable[Picture]) -> bool:
    """Return whether this is a single picture rather than several."""
    return isinstance(pictures, _ONE) or hasattr(pictures, "read") or png.is_pil_image(pictures)


def several(pictures: Picture | Iterable[Picture]) -> Iterable[Picture]:
    """Return the pictures as several, one picture as a list of itself."""
    if is_one(pictures):
        return [cast(Picture, pictures)]
    return cast("Iterable[Picture]", pictures)


def uploads_of(pictures: Iterable[Picture]) -> Iterable[Upload]:
    """Return the pictures as uploads: a list where all were bytes, else read on the way."""
    if isinstance(pictures, list | tuple) and all(
        isinstance(picture, Upload | bytes) for picture in pictures
    ):
        return [read(picture) for picture in pictures]
    return map(read, pictures)


def name_of(picture: Picture) -> str:
    """Return what to call a picture in results: its path; ``"picture"`` for bytes and pixels."""
    if isinstance(picture, Upload):
        return picture.filename
    if isinstance(picture, str | os.PathLike):
        return os.fspath(picture)
    # Where an image of Pillow's came from is no name for what became of it since.
    name = getattr(picture, "name", None)
    return name if isinstance(name, str) else "picture"


def read(picture: Picture) -> Upload:
    """Return a picture's bytes; where they cannot be had, an `Upload` that holds the error.

    Raises:
        TypeError: it is none of `Picture`.
    """
    if isinstance(picture, Upload):
        return picture
    name = name_of(picture)
    if isinstance(picture, np.ndarray) or png.is_pil_image(picture):
        return _drawn(name, picture)
    try:
        content = _content(cast(Stored, picture))
    except OSError as error:
        return Upload(name, error=_unreadable(name, error.strerror or str(error)))
    except ValueError as error:  # a path with a NUL character, a closed file
        return Upload(name, error=_unreadable(name, str(error)))
    if len(content) > MAX_PICTURE_BYTES:
        return Upload(name, error=_too_large(name, "the file is"))
    return Upload(name, content)


def _content(picture: Stored) -> bytes:
    if isinstance(picture, bytes | bytearray | memoryview):
        return bytes(picture)
    if isinstance(picture, str | os.PathLike):
        path = Path(picture)
        # Opening a named pipe would wait for whoever may write into it.
        if not stat.S_ISREG(path.stat().st_mode):
            raise OSError(f"{printable(str(path))} is not a file")
        with path.open("rb") as file:
            return file.read(MAX_PICTURE_BYTES + 1)
    if not hasattr(picture, "read"):
        raise TypeError(
            "a picture is a path, bytes, an open file, a PIL image or a NumPy array, not "
            f"{type(picture).__name__}"
        )
    content = picture.read(MAX_PICTURE_BYTES + 1)
    if not isinstance(content, bytes):
        raise TypeError("the file is open as text; open it in binary mode: open(path, 'rb')")
    return content


def _drawn(name: str, pixels: png.PilImage | NDArray[Any]) -> Upload:
    try:
        if isinstance(pixels, np.ndarray):
            content = png.of_array(pixels)
        else:
            content = png.of_pil_image(pixels)
    except (OSError, ValueError, SyntaxError) as error:  # SyntaxError: Pillow's of a broken PNG
        reason = f"cannot be sent: {error}"
        return Upload(name, error=BadPicture(reason, code="unsupported_pixels", filename=name))
    if len(content) > MAX_PICTURE_BYTES:
        return Upload(name, error=_too_large(name, f"as PNG it has {len(content)} bytes, which is"))
    return Upload(name, content)


def _unreadable(name: str, reason: str) -> BadPicture:
    return BadPicture(f"cannot be read: {reason}", code="unreadable_file", filename=name)


def _too_large(name: str, what: str) -> BadPicture:
    return BadPicture(
        f"{what} larger than the {MAX_PICTURE_BYTES // 2**20} MiB a picture may have; save or "
        "scale it smaller (the network sees 256x256 pixels of it at most)",
        code="picture_too_large",
        filename=name,
    )


def form_fields(batch: list[Upload]) -> dict[str, list[str]]:
    """Return the form fields beside the images, in their order.

    The pictures of a batch agree in which they carry (`Upload.given`).
    """
    fields = {
        "id": [upload.id for upload in batch],
        "label": [upload.label for upload in batch],
        "metadata": [
            None if upload.metadata is None else json.dumps(upload.metadata, allow_nan=False)
            for upload in batch
        ],
    }
    return {
        name: [value for value in values if value is not None]
        for name, values in fields.items()
        if values[0] is not None
    }


def batches(
    uploads: Iterable[Upload], max_pictures: int, max_bytes: int = MAX_REQUEST_BYTES
) -> Iterator[list[Upload]]:
    """Group pictures into requests, in order, reading no further ahead than one request.

    A batch has at most ``max_pictures`` pictures and ``max_bytes``, and its pictures agree in
    whether they carry an id, a label and metadata.
    """
    batch: list[Upload] = []
    size_bytes = 0
    for upload in uploads:
        upload_bytes = len(upload.content) + len(str(upload.metadata or "")) + _PART_BYTES
        full = len(batch) == max_pictures or size_bytes + upload_bytes > max_bytes
        if batch and (full or upload.given != batch[-1].given):
            yield batch
            batch, size_bytes = [], 0
        batch.append(upload)
        size_bytes += upload_bytes
    if batch:
        yield batch
