"""A published file over HTTP: it goes on where it stopped, and is believed only by its sha256.

What has come lies beside the place of the file (part_file.py) until all of it is there and is
checked; Ctrl-C, a cut and a full disk keep it.  Nothing but bytes is taken from a server: the
length and the sha256 are known before, and one byte more than the length ends the transfer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from tqdm import tqdm

from alexnet_export.errors import DownloadError, OfflineError
from alexnet_export.importing.part_file import PartFile, matches
from alexnet_export.importing.transfer import Interruption, Refusal, Unreached, transfer

Tell = Callable[[str], None]


@dataclass(frozen=True)
class RemoteFile:
    """A published file.

    ``name`` is what it is called in the folder of downloads, ``addresses`` where it is found, the
    first of them first.  ``sha256`` is hexadecimal, or its first digits where no more of it was
    published.
    """

    name: str
    addresses: tuple[str, ...]
    size_bytes: int
    sha256: str

    def __str__(self) -> str:
        digits = self.sha256 if len(self.sha256) == 64 else f"{self.sha256}..."
        return f"{self.size_bytes:,} bytes, sha256 {digits}"


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server, and how often to try.

    ``attempts`` are those in a row that bring the file no further by a hundredth; an address that
    has never answered gets ``first_attempts``.  The wait before the next doubles each time.
    """

    connect_timeout_s: float = 10
    read_timeout_s: float = 30
    attempts: int = 5
    first_attempts: int = 2
    first_wait_s: float = 1


def fetch(
    wanted: RemoteFile,
    folder: Path,
    tell: Tell,
    patience: Patience | None = None,
) -> Path:
    """The file in ``folder``, fetched if it is not there yet; returns its path.

    ``tell`` gets what to say meanwhile, a line a call.  Raises OfflineError where no address
    answers, and DownloadError where those that do give another file, where another file has its
    name, where another process fetches it, and for a disk that is full or closed.
    """
    file = folder / wanted.name
    if is_there(wanted, file):
        return file
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with PartFile(file, wanted.size_bytes) as part:
            if not is_there(wanted, file):  # another process may have just ended with it
                _fetch(wanted, part, tell, patience or Patience())
    except OSError as error:
        raise DownloadError(
            f"{file} cannot be written: {error.strerror or error}; what has come is kept, and the "
            "same command goes on from there (--downloads names another folder)"
        ) from error
    return file


def is_there(wanted: RemoteFile, file: Path) -> bool:
    """Whether ``file`` is the wanted one; raises DownloadError where it is another."""
    if not file.exists():
        return False
    if file.stat().st_size == wanted.size_bytes and matches(file, wanted.sha256):
        return True
    raise DownloadError(
        f"{file} is not {wanted.name} as it was published ({wanted}): move it away, and the same "
        "command fetches it"
    )


def by_hand(wanted: RemoteFile, folder: Path) -> str:
    """What to fetch where, for a machine that cannot."""
    addresses = "\n".join(f"  {address}" for address in wanted.addresses)
    return (
        f"On a machine with internet fetch\n{addresses}\n"
        f"({wanted}) and put it at\n"
        f"  {folder / wanted.name}"
    )


def _fetch(wanted: RemoteFile, part: PartFile, tell: Tell, patience: Patience) -> None:
    part.require_space()
    failures: list[tuple[str, Exception]] = []
    timeout = httpx.Timeout(patience.read_timeout_s, connect=patience.connect_timeout_s)
    with httpx.Client(timeout=timeout) as client, _progress(part) as progress:
        fetching = _Fetching(client, wanted, part, tell, patience, progress)
        for address in wanted.addresses:
            there = f", {part.size_bytes:,} of them are there" if part.size_bytes else ""
            tell(f"fetching {wanted.name} from {address}: {wanted.size_bytes:,} bytes{there}")
            try:
                fetching.rest_from(address)
            except (Refusal, Interruption, Unreached) as failure:
                failures.append((address, failure))
                continue
            except KeyboardInterrupt:
                tell(f"{part.size_bytes:,} bytes are kept: the same command goes on from there")
                raise
            return
    told = "\n".join(f"  {address}: {failure}" for address, failure in failures)
    if any(isinstance(failure, Refusal) for _, failure in failures):
        raise DownloadError(f"{wanted.name} was not fetched:\n{told}")
    raise OfflineError(
        f"{wanted.name} cannot be fetched from here:\n{told}\n{by_hand(wanted, part.folder)}"
    )


@dataclass(frozen=True)
class _Fetching:
    """What stays the same from address to address."""

    client: httpx.Client
    wanted: RemoteFile
    part: PartFile
    tell: Tell
    patience: Patience
    progress: Callable[[int], None]

    def rest_from(self, address: str) -> None:
        """Fetch what is missing, and give the file its name.

        Raises Unreached, Interruption and Refusal once there is no patience left.
        """
        has_started_over = False
        while True:
            self._all_of_it(address)
            was_mended = self.part.was_mended
            if self.part.finish(self.wanted.sha256):
                return
            self.part.discard()
            if has_started_over or not was_mended:
                raise Refusal(f"sends another file: its sha256 is not {self.wanted.sha256}")
            # Pieces of two versions, or of a disk that lost power: once more, in one piece.
            self.tell("the pieces do not fit together; starting over")
            has_started_over = True

    def _all_of_it(self, address: str) -> None:
        failed, most, limit = 0, self.part.size_bytes, self.patience.first_attempts
        while not self.part.is_whole:
            try:
                transfer(self.client, address, self.part, self.progress)
            except (Unreached, Interruption) as failure:
                if isinstance(failure, Interruption):
                    limit = self.patience.attempts
                if self.part.size_bytes >= most + self.wanted.size_bytes / 100:
                    failed, most = 0, self.part.size_bytes
                failed += 1
                if failed >= limit:
                    raise
                wait_s = self.patience.first_wait_s * 2 ** (failed - 1)
                self.tell(f"{address}: {failure}; again in {wait_s:g} s")
                time.sleep(wait_s)


@contextmanager
def _progress(part: PartFile) -> Iterator[Callable[[int], None]]:
    """A bar that is told how many bytes there are; silent where stderr is no terminal."""
    with tqdm(
        total=part.whole_bytes,
        initial=part.size_bytes,
        desc=part.file.name,
        unit="B",
        unit_scale=True,
        disable=None,
    ) as bar:
        yield lambda size_bytes: bar.update(size_bytes - bar.n)
