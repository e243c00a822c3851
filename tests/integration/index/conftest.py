from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alexnet_server.index import Index
from alexnet_server.index.milvus.address import connected, parse_address
from alexnet_server.index.opening import Indexes
from tests.index_suite import UNITS, fill
from tests.running_milvus import running_milvus

DIGEST = "ab" * 32


@pytest.fixture(scope="session")
def milvus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``HOST:PORT``: of a cluster where $MILVUS names one, else of a milvus-lite."""
    if "MILVUS" in os.environ:
        yield os.environ["MILVUS"]
        return
    with running_milvus(tmp_path_factory.mktemp("milvus")) as server:
        yield server.address


@pytest.fixture
def milvus_url(milvus: str) -> Iterator[str]:
    """A prefix that nobody else has; its collections are dropped at the end."""
    url = f"milvus://{milvus}/tests{uuid.uuid4().hex}"
    yield url
    address = parse_address(url)
    with connected(address) as client:
        for binding in address.bindings(client):
            client.drop_collection(address.collection(binding))


@pytest.fixture(params=["sqlite", "milvus"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    """A new place for indexes."""
    if request.param == "sqlite":
        return tmp_path / "index.sqlite"
    return request.getfixturevalue("milvus_url")


Opened = Callable[..., Index]


@pytest.fixture
def opened(url: str | Path) -> Iterator[Opened]:
    """Opens the index of a model at ``url``, and closes it at the end."""
    places: dict[str, Indexes] = {}
    indexes: list[Index] = []

    def open_one(digest: str = DIGEST, metric: str = "l2") -> Index:
        place = places.setdefault(metric, Indexes(url, metric=metric))
        indexes.append(place.of(digest, UNITS))
        return indexes[-1]

    yield open_one
    for one in (*indexes, *places.values()):
        one.close()


@pytest.fixture
def index(opened: Opened) -> Index:
    return opened()


@pytest.fixture
def full(index: Index) -> Index:
    fill(index)
    return index
