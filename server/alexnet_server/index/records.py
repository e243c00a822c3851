"""What goes into the index and comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from alexnet_server.engine import Values


@dataclass(frozen=True)
class Binding:
    """What made the features of a generation."""

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


@dataclass(frozen=True)
class Repeat:
    """A picture that is stored already; label and metadata are replaced where not None."""

    id: str
    content_sha256: str
    label: str | None
    metadata: dict[str, Any] | None


@dataclass(frozen=True)
class StoredPicture:
    """A stored picture without its blobs; ``created_at`` is RFC 3339 in UTC."""

    id: str
    content_sha256: str
    label: str | None
    metadata: dict[str, Any]
    created_at: str

    def as_json(self) -> dict[str, Any]:
        """The fields a reply shows."""
        return {
            "id": self.id,
            "label": self.label,
            "metadata": self.metadata,
            "created_at": self.created_at,
        }


@dataclass(frozen=True)
class Upserted:
    """A picture as it now is, and whether its id is new."""

    picture: StoredPicture
    created: bool


@dataclass(frozen=True)
class Neighbor:
    """A picture and its Euclidean distance from the query's features."""

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
