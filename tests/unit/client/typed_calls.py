"""What a type checker is to see of the calls; `test_types` runs one over this file.

A line that must be refused says so: an ignore that nothing needs is an error itself.
"""

from collections.abc import AsyncIterator, Iterator
from io import BytesIO
from pathlib import Path
from typing import assert_type

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from alexnet_client import (
    Added,
    AsyncClient,
    Classification,
    Client,
    DuplicateGroup,
    Features,
    ModelCard,
    Neighbor,
    SearchResult,
    StoredPicture,
    Timeouts,
)


def blocking(client: Client, given: Iterator[bytes], pixels: NDArray[np.uint8]) -> None:
    assert_type(client.classify("cat.jpg", top_k=3), Classification)
    assert_type(client.classify(Path("cat.jpg")), Classification)
    assert_type(client.classify(BytesIO(b"")), Classification)
    assert_type(client.classify(pixels), Classification)
    assert_type(client.classify(Image.new("L", (1, 1))), Classification)
    assert_type(client.classify(["cat.jpg"], views=10), list[Classification])
    assert_type(client.classify(["cat.jpg", b"", pixels]), list[Classification])
    assert_type(client.classify(given), list[Classification])
    assert_type(client.features("cat.jpg"), NDArray[np.float32])
    assert_type(client.features_each(given), list[Features])
    assert_type(client.embeddings(given), NDArray[np.float32])
    assert_type(client.search("cat.jpg", k=3, where={"price": 3}), SearchResult)
    assert_type(client.search(given, k=3), list[SearchResult])
    assert_type(client.similar("id"), list[Neighbor])
    assert_type(client.add("cat.jpg", id="id", label="cat"), Added)
    assert_type(client.add(given, label="cat"), list[Added])
    assert_type(client.add_many(given, labels=["cat"]), list[Added])
    assert_type(client.list(label="cat"), Iterator[StoredPicture])
    assert_type(client.duplicates(4), list[DuplicateGroup])
    assert_type(client.thumbnail("id"), bytes)
    assert_type(client.model(), ModelCard)
    assert_type(client.delete_where(label="cat"), int)


async def awaited(client: AsyncClient, given: Iterator[bytes], pixels: NDArray[np.uint8]) -> None:
    assert_type(await client.classify("cat.jpg", top_k=3), Classification)
    assert_type(await client.classify(pixels), Classification)
    assert_type(await client.classify(["cat.jpg"], views=10), list[Classification])
    assert_type(await client.features(given), NDArray[np.float32])
    assert_type(await client.features_each(given), list[Features])
    assert_type(await client.search(given, k=3), list[SearchResult])
    assert_type(await client.add("cat.jpg", id="id"), Added)
    assert_type(client.list(label="cat"), AsyncIterator[StoredPicture])
    assert_type(await client.model(), ModelCard)
    assert_type(await client.count(), int)


def refused(client: Client, other: AsyncClient) -> None:
    client.classify(7)  # type: ignore[call-overload]
    client.classify("cat.jpg", topk=3)  # type: ignore[call-overload]
    client.classify("cat.jpg", 3)  # type: ignore[call-overload]
    client.similar(3)  # type: ignore[arg-type]
    client.list(cursor="x")  # type: ignore[call-arg]
    str(client.classify("cat.jpg").neighbors)  # type: ignore[attr-defined]
    str(other.classify("cat.jpg").predictions)  # type: ignore[attr-defined]
    Client(timeout_s="60")  # type: ignore[arg-type]
    AsyncClient(timeout_s=Timeouts(connect_s=1, total_s=3), max_connections="4")  # type: ignore[arg-type]
