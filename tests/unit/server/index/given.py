"""Pictures to store, and an index to store them in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from alexnet_server.index.opening import Indexes
from alexnet_server.index.pictures import PictureIndex
from alexnet_server.index.records import Binding, NewPicture

UNITS = 64
BINDING = Binding("digest-one", UNITS)
LATER = Binding("digest-two", UNITS)
COUNT = 60  # pictures in a file that is written row by row


def opened(path: Path, binding: Binding = BINDING, **how: Any) -> PictureIndex:
    """An index by itself; its ``close`` closes the file."""
    return Indexes(path, **how).open(binding)


def picture(
    name: str,
    features: np.ndarray,
    label: str | None = None,
    metadata: dict[str, Any] | None = None,
) -> NewPicture:
    said = {"path": f"{name}.jpg"} if metadata is None else metadata
    return NewPicture(name, f"sha-{name}", label, said, b"jpeg", features)


def fill(index: PictureIndex, features: np.ndarray) -> None:
    index.upsert(
        [
            picture(f"p{i:04d}", row, "even" if i % 2 == 0 else "odd")
            for i, row in enumerate(features)
        ]
    )
