"""What has come of a file: ``FILE.part``, and beside it from which version, ``FILE.part.tag``."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from pathlib import Path
from types import TracebackType

from alexnet_export.errors import DownloadError
from alexnet_repository.durable import sync


class PartFile:
    """Opened for one process at a time; ``whole_bytes`` is what the whole file has.

    Opening raises DownloadError where another process has it open, and OSError.

    Attributes:
        file: where the whole file will be.
        was_mended: whether its bytes came in more than one answer, or before it was opened.
    """

    def __init__(self, file: Path, whole_bytes: int) -> None:
        self.file, self.whole_bytes = file, whole_bytes
        self._path = file.with_name(file.name + ".part")
        self._tag = file.with_name(file.name + ".part.tag")
        # The lock has a file of its own, because the part is renamed when it is whole.
        self._lock = file.with_name(file.name + ".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._stream = self._path.open("ab")
        except BlockingIOError as error:
            self._lock.close()
            raise DownloadError(
                f"another process is fetching {file}: wait for it to end"
            ) from error
        except OSError:
            self._lock.close()
            raise
        self.was_mended = self.size_bytes > 0
        if self.size_bytes > whole_bytes:
            self.discard()

    def __enter__(self) -> PartFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._stream.close()
            if not self._path.exists() or not self._path.stat().st_size:
                self._path.unlink(missing_ok=True)
                self._tag.unlink(missing_ok=True)

    @property
    def folder(self) -> Path:
        """Where the file will be."""
        return self.file.parent

    @property
    def size_bytes(self) -> int:
        """What has come, in bytes."""
        return self._stream.tell()

    @property
    def is_whole(self) -> bool:
        """Whether all of it has come."""
        return self.size_bytes == self.whole_bytes

    def require_space(self) -> None:
        """Raise DownloadError where the disk has no place for the rest."""
        free_bytes, rest = shutil.disk_usage(self.folder).free, self.whole_bytes - self.size_bytes
        if free_bytes < rest:
            raise DownloadError(
                f"{self.folder} has {free_bytes:,} bytes free, {rest:,} are needed: make room, or "
                "name another folder with --downloads"
            )

    def tag(self, address: str) -> str | None:
        """The entity tag of the version that came from ``address``, if it had one."""
        if not self._tag.is_file():
            return None
        noted, _, tag = self._tag.read_text("utf-8", errors="replace").partition("\n")
        return tag if noted == address and tag else None

    def begin(self, address: str, tag: str | None) -> None:
        """Start over with a version from ``address`` of entity tag ``tag``."""
        self.discard()
        if tag:
            self._tag.write_text(f"{address}\n{tag}", "utf-8")

    def go_on(self) -> None:
        """Note that what is appended now comes in another answer than what is there."""
        self.was_mended = True

    def append(self, content: bytes) -> None:
        """Add what has come.  Raises OSError."""
        self._stream.write(content)

    def discard(self) -> None:
        """Forget what has come."""
        self._stream.seek(0)
        self._stream.truncate()
        self._tag.unlink(missing_ok=True)
        self.was_mended = False

    def finish(self, sha256: str) -> bool:
        """Give the whole file its name; False, and nothing is done, where it is not ``sha256``."""
        self._stream.flush()
        if not matches(self._path, sha256):
            return False
        os.fsync(self._stream.fileno())
        self._path.replace(self.file)
        self._tag.unlink(missing_ok=True)
        sync(self.folder)
        return True


def matches(path: Path, sha256: str) -> bool:
    """Whether the file's sha256 begins with ``sha256``, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest().startswith(sha256)
