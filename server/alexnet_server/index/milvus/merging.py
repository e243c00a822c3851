"""What an upsert leaves of the pictures that are there; Milvus itself only replaces whole rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from alexnet_server.errors import PictureNotFound
from alexnet_server.index.records import NewPicture, Record, Repeat, StoredPicture, Upserted


@dataclass(frozen=True)
class Merged:
    """``done`` is the answer; ``changed`` the pictures to write; ``new`` those with other bytes."""

    done: list[Upserted]
    changed: list[StoredPicture]
    new: dict[str, NewPicture]

    @property
    def described(self) -> list[str]:
        """The ids whose features and thumbnail stay: they are written again as they are."""
        return [one.id for one in self.changed if one.id not in self.new]

    def records(self, kept: Iterable[Record]) -> list[Record]:
        """What to write; ``kept`` are the stored pictures of ``described``.

        Raises PictureNotFound where one was deleted or replaced since.
        """
        stored = {one.picture.id: one for one in kept}
        found: list[Record] = []
        for picture in self.changed:
            entry, before = self.new.get(picture.id), stored.get(picture.id)
            if entry is not None:
                found.append(Record(picture, entry.thumbnail, entry.features))
            elif before is None or before.picture.content_sha256 != picture.content_sha256:
                raise _gone(picture.id)
            else:
                found.append(replace(before, picture=picture))
        return found


def merge(before: Mapping[str, StoredPicture], entries: Sequence[NewPicture | Repeat]) -> Merged:
    """Put ``entries``, one after the other, over what is there.

    Raises PictureNotFound where a repeated picture is not there, or has other bytes.
    """
    after = dict(before)
    new: dict[str, NewPicture] = {}
    done: list[Upserted] = []
    for entry in entries:
        known = after.get(entry.id)
        if known is not None and known.content_sha256 == entry.content_sha256:
            after[entry.id] = _described_again(known, entry)
        elif isinstance(entry, NewPicture):
            after[entry.id], new[entry.id] = _new(entry), entry
        else:
            raise _gone(entry.id)
        done.append(Upserted(after[entry.id], created=known is None))
    return Merged(done, [one for one in after.values() if before.get(one.id) != one], new)


def _new(entry: NewPicture) -> StoredPicture:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    metadata = entry.metadata or {}
    return StoredPicture(
        entry.id, entry.content_sha256, entry.label, metadata, now, entry.content_bytes
    )


def _described_again(known: StoredPicture, entry: NewPicture | Repeat) -> StoredPicture:
    return replace(
        known,
        label=known.label if entry.label is None else entry.label,
        metadata=known.metadata if entry.metadata is None else entry.metadata,
    )


def _gone(picture_id: str) -> PictureNotFound:
    return PictureNotFound(
        f"picture {picture_id!r} was deleted or replaced meanwhile: send it again"
    )
