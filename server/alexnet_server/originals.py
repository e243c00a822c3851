"""The stored pictures' own files, in a folder, each under the sha256 of its bytes.

``FOLDER/ab/abcd...``: written and synced before the index says that the picture is stored, and
deleted after the index has said that no picture has these bytes any more.  So a power loss leaves
at most a file too many, which ``alexnet-server index check`` lists.  One process writes to a
folder: two could delete what the other is about to need.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from alexnet_repository.durable import sync
from alexnet_server.errors import RequestError, SettingsError, StorageFailed
from alexnet_server.index import Index

_PART = ".part"
_PART_LIFE_S = 3600.0  # no request takes as long
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)

_log = logging.getLogger(__name__)


class Originals:
    """The files of one folder; safe to use from many threads of one process."""

    def __init__(self, folder: Path) -> None:
        """Make the folder where it is not there, and delete files half written long ago.

        Raises SettingsError.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _forget_parts(folder)
        except OSError as error:
            raise SettingsError(
                f"originals {folder} cannot be used ({error}): name another folder"
            ) from error
        self._folder = folder
        self._lock = threading.Lock()
        self._coming: Counter[str] = Counter()  # digests whose pictures are being stored

    @contextmanager
    def keeping(self, pictures: Mapping[str, bytes], index: Index) -> Iterator[None]:
        """Keep ``pictures``, bytes by sha256, durably, and store them in the block.

        Where the block raises, files that no stored picture needs are deleted again.  Raises
        StorageFailed.
        """
        with self._lock:
            self._coming.update(pictures.keys())
        is_stored = False
        try:
            self._write(pictures)
            yield
            is_stored = True
        finally:
            self._end(pictures)
            if not is_stored:
                self.drop(pictures, index)

    def drop(self, digests: Iterable[str], index: Index) -> None:
        """Delete those files that no stored picture needs.

        What fails is logged and leaves files too many: the index has said already what is stored.
        """
        # With the lock held no picture can begin to come: what the index says stays true.
        with self._lock:
            asked = [digest for digest in digests if digest not in self._coming]
            try:
                for digest in set(asked) - (index.stored_contents(asked) if asked else set()):
                    self._path(digest).unlink(missing_ok=True)
            except (RequestError, OSError) as error:
                _log.warning("originals that nobody needs may be left: %s", error)

    def read(self, digest: str) -> bytes | None:
        """The bytes of a picture, None where there is no such file.  Raises StorageFailed."""
        try:
            return self._path(digest).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _failed("read", error) from error

    def digests(self) -> Iterator[str]:
        """The sha256 that each file is named by.  Raises StorageFailed."""
        try:
            for folder in sorted(self._folder.iterdir()):
                if folder.is_dir():
                    names = sorted(path.name for path in folder.iterdir())
                    yield from (name for name in names if _DIGEST.fullmatch(name))
        except OSError as error:
            raise _failed("listed", error) from error

    def _write(self, pictures: Mapping[str, bytes]) -> None:
        folders = {self._path(digest).parent for digest in pictures}
        try:
            for folder in folders:
                folder.mkdir(exist_ok=True)
            for digest, data in pictures.items():
                if not self._path(digest).exists():
                    part = self._folder / f"{uuid.uuid4().hex}{_PART}"
                    _write_whole(self._path(digest), data, part)
            # Also where the file was there: who wrote it may not have come as far as this.
            for folder in sorted(folders | ({self._folder} if folders else set())):
                sync(folder)
        except OSError as error:
            raise _failed("written", error) from error

    def _end(self, pictures: Mapping[str, bytes]) -> None:
        with self._lock:
            for digest in pictures:
                self._coming[digest] -= 1
                if not self._coming[digest]:
                    del self._coming[digest]

    def _path(self, digest: str) -> Path:
        assert _DIGEST.fullmatch(digest)  # what a client sent is never a name
        return self._folder / digest[:2] / digest


def _write_whole(path: Path, data: bytes, part: Path) -> None:
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def _forget_parts(folder: Path) -> None:
    """Delete what a process left that was killed while it wrote, but nobody's work of now."""
    for part in folder.glob(f"*{_PART}"):
        if part.stat().st_mtime < time.time() - _PART_LIFE_S:
            part.unlink(missing_ok=True)


def _failed(what: str, error: OSError) -> StorageFailed:
    _log.error("an original could not be %s: %s", what, error)
    reason = error.strerror or "an error of the system"
    return StorageFailed(f"a picture's own file could not be {what}: {reason}")
