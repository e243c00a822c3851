"""Keys: a file of them, read again when it changes; in memory only their digests.

A line is ``read KEY`` or ``write KEY`` (which may read too); ``#`` begins a comment.  Several of
each may stand there, so a key is exchanged without a gap: add the new one, change the clients,
take the old one out.  A key never appears in a message: what is wrong is named by its line.

A key must be long enough that it cannot be guessed.  That is also why a plain sha256 will do to
keep it: slow hashes are for what people can remember.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from enum import IntEnum
from pathlib import Path

from alexnet_server.errors import SettingsError

MIN_CHARACTERS = 32
MAX_CHARACTERS = 512  # far below what a header may hold
MAX_FILE_BYTES = 64 * 1024
_MIN_DIFFERENT = 8  # no 000...0; of 32 random hexadecimal digits fewer are different once in 1e7
_LOOK_EVERY_S = 1.0
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)  # b64token: RFC 6750, section 2.1
_HOW = 'make one with: python3 -c "import secrets; print(secrets.token_urlsafe(32))"'

_log = logging.getLogger(__name__)


class Right(IntEnum):
    """What a request may do; each right holds those before it."""

    NONE = 0
    READ = 1
    WRITE = 2


_RIGHTS = {"read": Right.READ, "write": Right.WRITE}


def parse(content: bytes) -> dict[bytes, Right]:
    """The rights of each key, by its sha256 digest, from the bytes of a key file.

    Raises SettingsError, naming the line and never the key, where a line cannot be used, a key
    is too easily guessed or stands there twice, or there is none.
    """
    if len(content) > MAX_FILE_BYTES:
        raise SettingsError(f"it has more than {MAX_FILE_BYTES:,} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"line {number} is not UTF-8 text") from None
    rights: dict[bytes, Right] = {}
    lines: dict[bytes, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        digest = _digest(_checked_key(number, words))
        if digest in lines:
            raise SettingsError(f"line {number} has the key of line {lines[digest]} again")
        lines[digest] = number
        rights[digest] = _RIGHTS[words[0]]
    if not rights:
        raise SettingsError(f"there is no key in it: write a line 'write KEY' and {_HOW}")
    return rights


def _checked_key(number: int, words: list[str]) -> str:
    if len(words) != 2 or words[0] not in _RIGHTS:
        raise SettingsError(f"line {number} is neither 'read KEY' nor 'write KEY'")
    key = words[1]
    if not MIN_CHARACTERS <= len(key) <= MAX_CHARACTERS:
        raise SettingsError(
            f"the key in line {number} has {len(key)} characters and must have "
            f"{MIN_CHARACTERS} to {MAX_CHARACTERS}; {_HOW}"
        )
    if not _TOKEN.fullmatch(key):
        raise SettingsError(
            f"the key in line {number} has a character that no key may have "
            f"(A-Z a-z 0-9 . _ ~ + / - and = at the end); {_HOW}"
        )
    if len(set(key)) < _MIN_DIFFERENT:
        raise SettingsError(f"the key in line {number} can be guessed; {_HOW}")
    return key


def _digest(key: str) -> bytes:
    # What a header holds may be any characters; those of a known key are ASCII.
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


class Keys:
    """The keys of one file as it is now; may be asked by several threads.

    The file is looked at when a request comes, at most once a second.  One that has become
    unusable changes nothing but the log: the keys before it stay in force.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Read ``path``.  Raises SettingsError where it cannot be read or used."""
        self._path = path
        self._clock = clock
        self._looking = threading.Lock()
        self._looked_s = clock()
        self._complaint = ""
        try:
            content = _read(path)
            self._rights: Mapping[bytes, Right] = parse(content)
        except SettingsError as error:
            raise SettingsError(f"the key file {path} cannot be used: {error}") from None
        self._taken = hashlib.sha256(content).digest()

    def right(self, key: str) -> Right:
        """What ``key`` may do.

        Its digest is compared with every digest there is, each time in constant time, so nothing
        of a key can be learned from how long an answer takes.
        """
        self._look()
        sent = _digest(key)
        found = Right.NONE
        for known, right in self._rights.items():
            if hmac.compare_digest(known, sent):
                found = right
        return found

    def counts(self) -> str:
        """How many keys there are, in words."""
        held = list(self._rights.values())
        return f"{held.count(Right.READ)} read, {held.count(Right.WRITE)} write"

    def _look(self) -> None:
        """Take the file as it is now, if a second has passed and no other thread does."""
        if self._clock() - self._looked_s < _LOOK_EVERY_S:
            return
        if not self._looking.acquire(blocking=False):
            return
        try:
            self._looked_s = self._clock()
            self._take()
        finally:
            self._looking.release()

    def _take(self) -> None:
        # Read whole and not only its time: two edits may fall into one tick of the file's clock.
        try:
            content = _read(self._path)
            rights = parse(content)
        except SettingsError as error:
            self._complain(str(error))
            return
        self._complaint = ""
        digest = hashlib.sha256(content).digest()
        if not hmac.compare_digest(digest, self._taken):
            self._rights, self._taken = rights, digest
            _log.info("key file %s was read again: %s", self._path, self.counts())

    def _complain(self, complaint: str) -> None:
        if complaint != self._complaint:
            self._complaint = complaint
            _log.error(
                "key file %s cannot be used: %s; the keys that were in it stay in force",
                self._path,
                complaint,
            )


def _read(path: Path) -> bytes:
    """The content of a regular file, and at most a byte more than it may have."""
    try:
        if not path.exists():
            raise SettingsError("there is no such file")
        if not path.is_file():  # a named pipe would be waited for
            raise SettingsError("it is no regular file")
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"it cannot be read ({error.strerror})") from None
