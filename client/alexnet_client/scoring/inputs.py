"""What to score: the pictures of a folder, or those that a list names, in an order that stays."""

from __future__ import annotations

import codecs
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from hashlib import blake2b
from itertools import zip_longest
from pathlib import Path
from typing import IO

from alexnet_client.folder import walk
from alexnet_client.names import printable
from alexnet_client.scoring import durable
from alexnet_client.scoring.errors import NothingToScore, NotTheSame

STDIN = "-"
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF")
_PIECE_BYTES = 2**16
_DIGEST_BYTES = 16


def named_by(source: str, unreadable: Callable[[OSError], None]) -> Iterator[str]:
    """Yield the paths of the pictures that ``source`` stands for.

    It is a folder (see `alexnet_client.folder.walk`), a file that lists paths, or ``-`` for such
    a list on standard input. A list has a path a line; where it has a NUL character, one ends
    every path, and names may have line breaks (``find -print0``).

    Raises:
        NothingToScore: it is no folder and cannot be read as a list, or the list is UTF-16.
    """
    if source != STDIN and Path(source).is_dir():
        yield from (str(picture.path) for picture in walk(source, unreadable=unreadable))
        return
    if source == STDIN:
        yield from _listed(sys.stdin.buffer)
        return
    try:
        file = Path(source).open("rb")  # noqa: SIM115  closed below
    except OSError as error:
        raise NothingToScore(
            f"{printable(source)} cannot be read: {error.strerror}; give a folder of pictures, a "
            "file with a path a line, or - for such a list on standard input"
        ) from error
    with closing(file):
        if file.peek(4)[:4].startswith(_PICTURES):
            raise NothingToScore(
                f"{printable(source)} is a picture: give its folder, or a file with a path a line"
            )
        yield from _listed(file)


def _listed(file: IO[bytes]) -> Iterator[str]:
    piece = file.read(_PIECE_BYTES).removeprefix(codecs.BOM_UTF8)
    if piece.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise NothingToScore(
            "the list is UTF-16, as older PowerShells write files: save it as UTF-8"
        )
    # The first piece tells: a path is far shorter.
    end, rest = b"\0" if b"\0" in piece else b"\n", b""
    while piece:
        *names, rest = (rest + piece).split(end)
        yield from _paths(names, end)
        piece = file.read(_PIECE_BYTES)
    yield from _paths([rest], end)


def _paths(names: Iterable[bytes], end: bytes) -> Iterator[str]:
    for name in names:
        path = name.removesuffix(b"\r") if end == b"\n" else name
        try:
            if path:
                yield os.fsdecode(path)
        except UnicodeDecodeError as error:  # on Windows alone: names are text there
            raise NothingToScore(f"{path!a} in the list is not UTF-8: save it as that") from error


class Inputs:
    """The pictures of one run, kept in a file so that a later run has them in the same order.

    Args:
        path: the file, made by `begin`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __iter__(self) -> Iterator[str]:
        with self._path.open("rb") as file:
            for text in file:
                yield json.loads(text)

    def begin(self, paths: Iterable[str]) -> int:
        """Write the file and return how many pictures there are.

        Raises:
            NothingToScore: there is none.
        """
        return self._write(paths)

    def same(self, paths: Iterable[str]) -> int:
        """Compare with a list given again, and return how many pictures there are.

        Raises:
            NotTheSame: it has other paths, or another order.
        """
        count = 0
        for count, (old, new) in enumerate(zip_longest(self, paths), start=1):
            if old != new:
                raise NotTheSame(
                    f"the list is not the one this output was begun with: its path {count} is "
                    f"{_shown(new)} and was {_shown(old)}; give the same list again, or another "
                    "--out"
                )
        return count

    def grow(self, paths: Iterable[str]) -> int:
        """Append those that are not there yet, and return how many pictures there are now."""
        known = {_digest(path) for path in self}
        fresh = [path for path in paths if _digest(path) not in known]
        if not fresh:
            return len(known)

        def all_of_them() -> Iterator[str]:
            yield from self
            yield from fresh

        return self._write(all_of_them())

    def are_relative(self) -> bool:
        """Return whether any path depends on the folder that the command runs in."""
        return any(not Path(path).is_absolute() for path in self)

    def _write(self, paths: Iterable[str]) -> int:
        count = 0

        def write(file: IO[bytes]) -> None:
            nonlocal count
            for path in paths:
                file.write(json.dumps(path).encode("ascii") + b"\n")
                count += 1
            if not count:
                raise NothingToScore(
                    "there is no picture to score: a folder stands for its jpg, jpeg, png and "
                    "webp files, a list for the paths in it"
                )

        durable.replace(self._path, write)
        return count


def _digest(path: str) -> bytes:
    # Of a fixed size however long the path is; as JSON, for not every name can be encoded.
    return blake2b(json.dumps(path).encode("ascii"), digest_size=_DIGEST_BYTES).digest()


def _shown(path: str | None) -> str:
    return "missing" if path is None else repr(printable(path))
