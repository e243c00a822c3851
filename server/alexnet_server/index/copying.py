"""The pictures of one index into another, whatever keeps either."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from alexnet_server.index import Index

AT_ONCE = 256  # pictures


@dataclass(frozen=True)
class Copied:
    """``pictures`` of the source were looked at, ``written`` of them were not in the target.

    ``in_target`` is what the target has now, also from elsewhere.
    """

    pictures: int
    written: int
    in_target: int

    @property
    def is_complete(self) -> bool:
        """Whether the target can hold all of them."""
        return self.in_target >= self.pictures

    def as_json(self) -> dict[str, Any]:
        """The fields that a command tells."""
        return asdict(self)


def copy(source: Index, target: Index, progress: Callable[[int], object]) -> Copied:
    """Bring every picture of ``source`` into ``target``, in order of id, durably batch by batch.

    A picture that the target has with the same bytes is left as it is there: whatever a copy that
    was interrupted brought over is only looked up, not read and written again.  ``progress`` is
    told pictures as they are done.  Raises StorageFailed, IndexInUse.
    """
    after, pictures, written = "", 0, 0
    while page := source.page(after, AT_ONCE).pictures:
        known = target.known([one.id for one in page])
        if all(known.get(one.id) == one.content_sha256 for one in page):
            done = [one.id for one in page]
        else:
            records = source.records(after, AT_ONCE)
            written += target.restore(records)
            done = [one.picture.id for one in records]
        if not done:
            continue  # deleted between the two looks: the next page tells
        after = done[-1]
        pictures += len(done)
        progress(len(done))
    return Copied(pictures, written, target.count())
