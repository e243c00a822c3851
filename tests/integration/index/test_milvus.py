"""What is the Milvus's own: its refusals, its going away, and what a client may write to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from alexnet_server.errors import (
    BadIdentifier,
    BadParameter,
    IndexMismatch,
    SettingsError,
    StorageFailed,
)
from alexnet_server.index.milvus.address import connected, parse_address
from alexnet_server.index.milvus.pictures import MilvusIndex
from alexnet_server.index.milvus.rows import schema
from alexnet_server.index.opening import Indexes
from alexnet_server.index.records import Binding
from tests.index_suite import FEATURES, UNITS, fill, picture
from tests.integration.index.conftest import DIGEST
from tests.running_milvus import running_milvus
from tests.waiting import wait_until

BINDING = Binding(DIGEST, UNITS)
SOON_S = 3


@pytest.fixture
def index(milvus_url: str) -> Iterator[MilvusIndex]:
    with closing(MilvusIndex(milvus_url, BINDING)) as opened:
        yield opened


def test_its_name_says_what_made_the_features() -> None:
    address = parse_address("milvuss://[::1]:19530/shop?quantized=true")
    assert (address.uri, address.prefix, address.quantized) == ("https://[::1]:19530", "shop", True)
    assert address.collection(BINDING) == f"shop_{DIGEST}_fc7_1_l2_32"
    with pytest.raises(IndexMismatch):
        address.collection(replace(BINDING, model_digest='a" or id != "'))


@pytest.mark.parametrize("cursor", ['" or id != "', 'a"', "a\\", "a b", "ü", "x" * 129])
def test_no_id_and_no_cursor_ends_its_literal(index: MilvusIndex, cursor: str) -> None:
    fill(index, 3)
    for ask in (
        lambda: index.page(cursor, 5),
        lambda: index.records(cursor, 5),
        lambda: index.pairs(cursor, 5, 1.0),
        lambda: index.get(cursor),
        lambda: index.known([cursor]),
        lambda: index.delete([cursor]),
        lambda: index.search(FEATURES[0], 1, excluding=cursor),
    ):
        with pytest.raises(BadIdentifier):
            ask()
    assert index.count() == 3


def test_a_thumbnail_that_is_too_large_stops_all_of_its_list(index: MilvusIndex) -> None:
    fits = picture(0, thumbnail=os.urandom(65_535 // 4 * 3))
    index.upsert([fits])
    assert index.thumbnail("p000") == fits.thumbnail
    with pytest.raises(StorageFailed, match="49150 bytes"):
        index.upsert([picture(1), picture(2, thumbnail=b"x" * 49_150)])
    assert index.count() == 1


def test_what_was_half_made_is_finished(milvus_url: str) -> None:
    address = parse_address(milvus_url)
    with connected(address) as client:
        client.create_collection(address.collection(BINDING), schema=schema(UNITS))
        with closing(MilvusIndex(milvus_url, BINDING)) as index:
            fill(index, 3)
            assert len(index.search(FEATURES[0], 5)) == 3
        made = client.list_indexes(address.collection(BINDING))
        assert set(made) == {"features", "label_hex", "content_sha256"}


def test_milvus_lite_has_no_quantized_index(milvus_url: str) -> None:
    with pytest.raises(IndexMismatch, match="cluster"):
        MilvusIndex(f"{milvus_url}?quantized=true", BINDING)


def test_a_collection_of_another_vector_index_is_refused(milvus_url: str) -> None:
    address = parse_address(milvus_url)
    with connected(address) as client:  # milvus-lite takes any index by its name
        name = address.collection(BINDING)
        indexes = client.prepare_index_params()
        indexes.add_index(
            "features", index_name="features", index_type="IVF_RABITQ", metric_type="L2"
        )
        client.create_collection(name, schema=schema(UNITS))
        client.create_index(name, indexes, sync=False)
    with pytest.raises(IndexMismatch, match=r"with \?quantized=true"):
        MilvusIndex(milvus_url, BINDING)


def test_a_quantized_index_has_no_exact_search(index: MilvusIndex) -> None:
    index._collection.quantized = True  # the cluster that has one is not here
    with pytest.raises(BadParameter, match="exact"):
        index.search(FEATURES[0], 1, exact=True)
    assert index.describe()["coder"]["bytes"] == UNITS // 8


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit of a call, 4 s, made shorter."""
    for module in ("address", "collection"):
        monkeypatch.setattr(f"alexnet_server.index.milvus.{module}.CALL_S", 0.3)


@pytest.mark.usefixtures("impatient")
def test_a_milvus_that_does_not_answer_is_an_error_in_time(tmp_path: Path) -> None:
    with running_milvus(tmp_path) as server:
        url = f"milvus://{server.address}/shop"
        index = MilvusIndex(url, BINDING)
        asks = (
            lambda: index.search(FEATURES[0], 1),
            index.count,
            lambda: index.upsert([picture(4)], wait_s=0.3),
            lambda: MilvusIndex(url, BINDING),
        )
        fill(index, 3)
        server.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: is_stopped(server.process.pid))
        try:
            require_refusals(asks)
        finally:
            server.process.send_signal(signal.SIGCONT)
        assert len(index.search(FEATURES[0], 1)) == 1
    with closing(index):
        require_refusals(asks)


def is_stopped(pid: int) -> bool:
    """Whether every thread of a process is (proc(5)): until then one may still answer."""
    threads = Path(f"/proc/{pid}/task").glob("*/stat")
    return all(thread.read_text().rpartition(")")[2].split()[0] == "T" for thread in threads)


def require_refusals(asks: Iterable[Callable[[], object]]) -> None:
    for ask in asks:
        began = time.monotonic()
        with pytest.raises(StorageFailed, match="log"):
            ask()
        assert time.monotonic() - began < SOON_S


def test_without_pymilvus_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("alexnet_server.index.milvus.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    with pytest.raises(SettingsError, match=r"alexnet-server\[milvus\]"):
        Indexes("milvus://127.0.0.1:1/shop").of(DIGEST, UNITS)


def test_a_server_on_a_file_never_imports_pymilvus() -> None:
    script = "import sys, alexnet_server.cli; sys.exit('pymilvus' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
