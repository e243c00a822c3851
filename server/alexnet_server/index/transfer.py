"""An index as a folder of plain files: written whole or not at all, and checked before it is read.

``binding.json``     what made the features
``features.npy``     float32 [pictures, units] (NumPy's format, numpy.org/neps/nep-0001)
``pictures.jsonl``   a line a picture, in the order of the features; the thumbnail in base64
``sha256.json``      the sums of the three; written last
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np

from alexnet_repository.durable import sync
from alexnet_server.engine import Values
from alexnet_server.errors import IndexMismatch, StorageFailed
from alexnet_server.index import Index
from alexnet_server.index.records import Binding, Record, StoredPicture

BINDING = "binding.json"
FEATURES = "features.npy"
PICTURES = "pictures.jsonl"
SUMS = "sha256.json"
_AT_ONCE = 256  # pictures
_STORED = np.dtype("<f4")
Progress = Callable[[int], object]


def write_export(index: Index, folder: Path, progress: Progress) -> int:
    """Write all of an index to ``folder``, which must not be there; returns the pictures.

    Raises StorageFailed, IndexInUse.
    """
    part = folder.with_name(f"{folder.name}.part")
    if folder.exists():
        raise StorageFailed(f"{folder} is there already: name a new folder")
    try:
        shutil.rmtree(part, ignore_errors=True)  # of one that was interrupted
        part.mkdir(parents=True)
        _write_text(part / BINDING, json.dumps(asdict(index.binding)))
        written = _write_pictures(index, part, progress)
        sums = {name: _sum(part / name) for name in (BINDING, FEATURES, PICTURES)}
        _write_text(part / SUMS, json.dumps(sums))
        part.rename(folder)
        sync(folder.absolute().parent)
    except OSError as error:
        raise StorageFailed(f"the export cannot be written: {error}") from error
    return written


def read_binding(folder: Path) -> Binding:
    """What made the features of an export, once its sums are found right.

    Raises IndexMismatch where it is not one, or is not as it was written.
    """
    try:
        sums = json.loads((folder / SUMS).read_bytes())
        for name in (BINDING, FEATURES, PICTURES):
            if sums[name] != _sum(folder / name):
                raise IndexMismatch(f"{folder / name} is not as it was exported: nothing was read")
        binding = Binding(**json.loads((folder / BINDING).read_bytes()))
        shape = np.load(folder / FEATURES, mmap_mode="r", allow_pickle=False).shape
        if shape[1:] != (binding.units,):
            raise IndexMismatch(
                f"{folder} has features {shape} of a model of {binding.units} units"
            )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IndexMismatch(f"{folder} is not a whole export: {error!r}") from error
    return binding


def read_export(folder: Path, index: Index, progress: Progress) -> int:
    """Restore the pictures of an export, which ``read_binding`` has checked.

    A picture that is there with the same bytes is left as it is; returns how many were written.
    Raises IndexMismatch, StorageFailed, IndexInUse.
    """
    features: Values = np.load(folder / FEATURES, mmap_mode="r", allow_pickle=False)
    written = 0
    with (folder / PICTURES).open(encoding="utf-8") as lines:
        records = _records(lines, features)
        while some := list(islice(records, _AT_ONCE)):
            written += index.restore(some)
            progress(len(some))
    return written


def pictures_in(folder: Path) -> int:
    """How many pictures an export has."""
    return len(np.load(folder / FEATURES, mmap_mode="r", allow_pickle=False))


def _write_pictures(index: Index, part: Path, progress: Progress) -> int:
    written, after, units = 0, "", index.binding.units
    with (part / FEATURES).open("wb") as features, (part / PICTURES).open("wb") as pictures:
        _write_head(features, 0, units)
        head_bytes = features.tell()
        while records := index.records(after, _AT_ONCE):
            for one in records:
                features.write(one.features.astype(_STORED).tobytes())
                pictures.write(f"{json.dumps(_line(one), allow_nan=False)}\n".encode())
            after = records[-1].picture.id
            written += len(records)
            progress(len(records))
        features.seek(0)
        _write_head(features, written, units)
        assert features.tell() == head_bytes  # NumPy leaves room for a first axis that grows
        for file in (features, pictures):
            file.flush()
            os.fsync(file.fileno())
    return written


def _write_head(file: IO[bytes], count: int, units: int) -> None:
    head = {"descr": _STORED.str, "fortran_order": False, "shape": (count, units)}
    np.lib.format.write_array_header_1_0(file, head)


def _line(record: Record) -> dict[str, Any]:
    return asdict(record.picture) | {"thumbnail": base64.b64encode(record.thumbnail).decode()}


def _records(lines: IO[str], features: Values) -> Iterator[Record]:
    try:
        for line, row in zip(lines, features, strict=True):
            said = json.loads(line)
            thumbnail = base64.b64decode(said.pop("thumbnail"))
            yield Record(StoredPicture(**said), thumbnail, np.array(row, np.float32))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IndexMismatch(f"{PICTURES} does not fit {FEATURES}: {error!r}") from error


def _write_text(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
