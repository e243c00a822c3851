"""What goes into the index and comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from alexnet_server.engine import Values

METRICS = ("l2", "cosine")


@dataclass(frozen=True)
class Binding:
    """What made the features of a generation; ``metric`` is one of METRICS."""

    model_digest: str
    units: int
    layer: str = "fc7"
    views: int = 1
    metric: str = "l2"


@dataclass(frozen=True)
class NewPicture:
    """A picture to store: ``features`` float32 [units], ``thumbnail`` JPEG bytes.

    ``label`` and ``metadata`` are None where nothing was said.
    """

    id: str
    content_sha256: str
    label: str | None
    metadata: dict[str, Any] | None
    thumbnail: bytes
    features: Values
    content_bytes: int | None = None


@dataclass(frozen=True)
class Repeat:
    """A picture that is stored already; label and metadata are replaced where not None."""

    id: str
    content_sha256: str
    label: str | None
    metadata: dict[str, Any] | None


@dataclass(frozen=True)
class StoredPicture:
    """A stored picture without its blobs; ``created_at`` is RFC 3339 in UTC.

    ``content_bytes`` is the size of the picture as it was sent, None where that was not noted.
    """

    id: str
    content_sha256: str
    label: str | None
    metadata: dict[str, Any]
    created_at: str
    content_bytes: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The fields a reply shows."""
        return {
            "id": self.id,
            "label": self.label,
            "metadata": self.metadata,
            "created_at": self.created_at,
            "bytes": self.content_bytes,
        }


Placed = NewPicture | Repeat | StoredPicture  # has an id, and a digest of its content


@dataclass(frozen=True)
class Record:
    """A stored picture with its blobs: ``thumbnail`` JPEG bytes, ``features`` float32 [units]."""

    picture: StoredPicture
    thumbnail: bytes
    features: Values


@dataclass(frozen=True)
class Upserted:
    """A picture as it now is, and whether its id is new."""

    picture: StoredPicture
    created: bool


@dataclass(frozen=True)
class Neighbor:
    """A picture and its distance from the query's features, by the metric of the index."""

    id: str
    distance: float
    label: str | None
    metadata: dict[str, Any]


@dataclass(frozen=True)
class Page:
    """Pictures in order of id; ``next_cursor`` is the last id, or None on the last page."""

    pictures: tuple[StoredPicture, ...]
    next_cursor: str | None
    count: int


@dataclass(frozen=True)
class Pair:
    """Two pictures and their distance; ``other`` is the smaller id."""

    id: str
    other: str
    distance: float


@dataclass(frozen=True)
class Deleted:
    """How many pictures were deleted, and how many pass the same filter still.

    ``contents`` are the ``content_sha256`` of those deleted.
    """

    deleted: int
    left: int
    contents: frozenset[str]
