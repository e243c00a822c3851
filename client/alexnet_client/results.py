"""What the server answers, as plain immutable values."""

from __future__ import annotations

import base64
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from alexnet_client.errors import BadPicture

T = TypeVar("T")

FEATURES = 4096  # width of fc7 (paper, section 3.5)


def from_base64(text: str) -> NDArray[np.float32]:
    """Return the features that 4096 little-endian float32 in base64 are, float32 [4096].

    Raises:
        ValueError: they are not base64, or not as many.
    """
    vector = np.frombuffer(base64.b64decode(text, validate=True), "<f4")
    if vector.shape != (FEATURES,):
        raise ValueError(f"features of {vector.size} numbers where {FEATURES} were due")
    return vector


@dataclass(frozen=True)
class ModelRef:
    """The model that made an answer; answers of one digest can be compared with each other."""

    name: str
    version: str
    digest: str

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read ``{"name", "version", "digest"}``."""
        return cls(str(data["name"]), str(data["version"]), str(data["digest"]))


@dataclass(frozen=True)
class Prediction:
    """One label and how sure the model is of it (0 to 1)."""

    label: str
    class_id: int
    probability: float

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read ``{"label", "class_id", "probability"}``."""
        return cls(str(data["label"]), int(data["class_id"]), float(data["probability"]))


@dataclass(frozen=True)
class Neighbor:
    """A stored picture near the one asked for; ``distance`` is in the index's metric."""

    id: str
    distance: float
    label: str | None
    metadata: Mapping[str, Any] | None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read ``{"id", "distance", "label", "metadata"}``."""
        return cls(str(data["id"]), float(data["distance"]), data["label"], data["metadata"])


@dataclass(frozen=True)
class StoredPicture:
    """A picture in the index; ``created_at`` as the server writes it (RFC 3339).

    ``size_bytes`` is its size as it was sent, None where the server did not note it.
    """

    id: str
    label: str | None
    metadata: Mapping[str, Any] | None
    created_at: str
    size_bytes: int | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read ``{"id", "label", "metadata", "created_at", "bytes"}``."""
        return cls(
            str(data["id"]),
            data["label"],
            data["metadata"],
            str(data["created_at"]),
            data.get("bytes"),
        )


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some of many entries, and where the next page begins; None: there is none."""

    entries: tuple[T, ...]
    next_cursor: str | None


@dataclass(frozen=True)
class ModelCard:
    """What the server says of its model. ``raw`` is all of it, newer fields included."""

    name: str
    version: str
    digest: str
    dialect: str
    layout: str
    precision: str
    classes: tuple[str, ...]
    about: Any
    metrics: Mapping[str, Any]
    raw: Mapping[str, Any]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read the answer of ``GET /model``."""
        return cls(
            name=str(data["name"]),
            version=str(data["version"]),
            digest=str(data["digest"]),
            dialect=str(data["dialect"]),
            layout=str(data["layout"]),
            precision=str(data["precision"]),
            classes=tuple(data["classes"]),
            about=data.get("about"),
            metrics=dict(data.get("metrics") or {}),
            raw=dict(data),
        )


@dataclass(frozen=True)
class PictureResult(ABC):
    """What became of one picture among several.

    Attributes:
        filename: the path as it was given, or the open file's name, or ``"picture"``.
        error: why there is no answer for this picture, or None.
    """

    filename: str
    error: BadPicture | None = None

    @classmethod
    @abstractmethod
    def from_item(cls, filename: str, item: Mapping[str, Any], model: ModelRef) -> Self:
        """Read one of the ``results`` of an answer."""


R = TypeVar("R", bound=PictureResult)


def only(single: Iterable[R]) -> R:
    """Return the single result.

    Raises:
        BadPicture: it is an error.
    """
    (result,) = single
    if result.error is not None:
        raise result.error
    return result


@dataclass(frozen=True)
class Classification(PictureResult):
    """The labels of a picture, the likeliest first; none where ``error`` is set.

    ``vector`` is its last hidden layer, float32 [4096], where it was asked for too.
    """

    predictions: tuple[Prediction, ...] = ()
    model: ModelRef | None = None
    vector: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def from_item(cls, filename: str, item: Mapping[str, Any], model: ModelRef) -> Self:
        """Read ``{"predictions", "features"}``; the features are base64 of float32, or absent."""
        features = item.get("features")
        return cls(
            filename,
            predictions=tuple(Prediction.from_json(p) for p in item["predictions"]),
            model=model,
            vector=None if features is None else from_base64(features),
        )

    @property
    def top(self) -> Prediction:
        """The likeliest label.

        Raises:
            BadPicture: this picture has no answer.
        """
        if self.error is not None:
            raise self.error
        return self.predictions[0]


@dataclass(frozen=True, eq=False)
class Features(PictureResult):
    """The last hidden layer for a picture: ``vector`` float32 [4096], None where ``error``."""

    vector: NDArray[np.float32] | None = None

    @classmethod
    def from_item(cls, filename: str, item: Mapping[str, Any], model: ModelRef) -> Self:
        """Read ``{"features"}``."""
        return cls(filename, vector=np.asarray(item["features"], dtype=np.float32))


@dataclass(frozen=True)
class SearchResult(PictureResult):
    """The stored pictures nearest to a picture, the nearest first; none where ``error``."""

    neighbors: tuple[Neighbor, ...] = ()
    model: ModelRef | None = None

    @classmethod
    def from_item(cls, filename: str, item: Mapping[str, Any], model: ModelRef) -> Self:
        """Read ``{"neighbors"}``."""
        return cls(
            filename,
            neighbors=tuple(Neighbor.from_json(n) for n in item["neighbors"]),
            model=model,
        )


@dataclass(frozen=True)
class Added(PictureResult):
    """A picture put into the index, new (``created``) or in place of an older one."""

    id: str | None = None
    label: str | None = None
    metadata: Mapping[str, Any] | None = None
    created: bool = False
    model: ModelRef | None = None

    @classmethod
    def from_item(cls, filename: str, item: Mapping[str, Any], model: ModelRef) -> Self:
        """Read ``{"id", "label", "metadata", "created"}``."""
        return cls(
            filename,
            id=str(item["id"]),
            label=item["label"],
            metadata=item["metadata"],
            created=bool(item["created"]),
            model=model,
        )
