"""One collection of a Milvus, and every call to it; each has a time limit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pymilvus import MilvusClient

from alexnet_server.engine import Values
from alexnet_server.errors import IndexMismatch, StorageFailed
from alexnet_server.index.milvus.address import CALL_S, Address, answering, connect
from alexnet_server.index.milvus.expression import both, one_of, quoted
from alexnet_server.index.milvus.rows import Row, schema
from alexnet_server.index.records import Binding

_METRICS = {"l2": "L2", "cosine": "COSINE"}
_VECTORS = "features"
# A segment of 1 GiB has 65,536 pictures of 4096 features; 4 to 16 times the root of that.
_RABITQ = {"nlist": 1024, "refine": True, "refine_type": "SQ8"}
_RABITQ_SEARCH = {"nprobe": 64, "refine_k": 4}
_LITE = "milvus_lite"
_WRITE_S = 30.0
_MOST_IDS = 100  # in one expression
# What pymilvus's own iterator asks for: the first rows by primary key, whatever segment has them.
_IN_ORDER = {"iterator": "True", "reduce_stop_for_best": "True"}


class Collection:
    """The collection of a binding; safe to use from many threads."""

    def __init__(self, address: Address, binding: Binding) -> None:
        """Connect, and make the collection and its indexes where they are not there.

        Raises IndexMismatch where it was made with another vector index, StorageFailed.
        """
        self._address = address
        self._name = address.collection(binding)
        self.quantized = address.quantized
        self._client = connect(address)
        try:
            with answering("the index cannot be opened"):
                self._prepare(binding)
        except BaseException:
            self._client.close()
            raise

    def rows(self, ids: Sequence[str], fields: list[str]) -> list[Row]:
        """The rows of ``ids`` that are there."""
        found: list[Row] = []
        for first in range(0, len(ids), _MOST_IDS):
            found += self._query(one_of(ids[first : first + _MOST_IDS]), fields)
        return found

    def after(self, after: str, limit: int, fields: list[str], wanted: str = "") -> list[Row]:
        """The first ``limit`` rows, by id, that come after ``after`` and pass ``wanted``."""
        later = both(f"id > {quoted(after)}" if after else "", wanted)
        return self._query(later, fields, limit=limit, **_IN_ORDER)

    def following(self, after: str, at_once: int, fields: list[str], wanted: str) -> Iterator[Row]:
        """All rows, by id, that come after ``after`` and pass ``wanted``, read as they are used."""
        while rows := self.after(after, at_once, fields, wanted):
            yield from rows
            if len(rows) < at_once:
                return
            after = rows[-1]["id"]

    def count(self, wanted: str) -> int:
        """How many rows pass the expression ``wanted``."""
        return int(self._query(wanted, ["count(*)"])[0]["count(*)"])

    def nearest(self, features: Values, limit: int, fields: list[str], wanted: str) -> list[Row]:
        """The ``limit`` rows nearest to ``features`` float32 [units], as Milvus measures."""
        with answering("the index cannot be searched"):
            (found,) = self._client.search(
                self._name,
                data=[features],
                anns_field=_VECTORS,
                filter=wanted,
                limit=limit,
                output_fields=fields,
                search_params={"params": _RABITQ_SEARCH if self.quantized else {}},
                timeout=CALL_S,
            )
        return [dict(hit["entity"]) for hit in found]

    def write(self, rows: Sequence[Row], wait_s: float) -> None:
        """Insert the rows, in the place of those of the same ids."""
        with answering("the index cannot be written"):
            self._client.upsert(self._name, list(rows), timeout=_limit(wait_s))

    def delete(self, ids: Sequence[str], wait_s: float) -> None:
        """Delete the rows of ``ids`` that are there."""
        with answering("the index cannot be written"):
            for first in range(0, len(ids), _MOST_IDS):
                self._client.delete(
                    self._name,
                    filter=one_of(ids[first : first + _MOST_IDS]),
                    timeout=_limit(wait_s),
                )

    def stored_contents(self, digests: Sequence[str]) -> set[str]:
        """Those of ``digests`` that a row of any collection of the prefix has."""
        found: set[str] = set()
        names = map(self._address.collection, self._address.bindings(self._client))
        for name in names:
            for first in range(0, len(digests), _MOST_IDS):
                wanted = one_of(digests[first : first + _MOST_IDS], "content_sha256")
                rows = self._query(wanted, ["content_sha256"], name=name)
                found |= {one["content_sha256"] for one in rows}
        return found

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _query(
        self,
        wanted: str,
        fields: list[str],
        name: str | None = None,
        **how: Any,  # noqa: ANN401
    ) -> list[Row]:
        with answering("the index cannot be read"):
            found = self._client.query(
                name or self._name, filter=wanted, output_fields=fields, timeout=CALL_S, **how
            )
        return list(found)

    def _prepare(self, binding: Binding) -> None:
        if self.quantized and self._client.get_server_version(timeout=CALL_S).startswith(_LITE):
            # It takes any index by its name, and fails when it comes to build it.
            raise IndexMismatch("milvus-lite has no quantized index: it is for a cluster")
        if not self._client.has_collection(self._name, timeout=CALL_S):
            # Of two servers that start together both make it: Milvus takes the same one twice.
            self._client.create_collection(
                self._name,
                schema=schema(binding.units),
                consistency_level="Strong",  # a reply means that the next search finds it
                timeout=CALL_S,
            )
        kind = self._vector_index()
        if kind is None:
            # Not waited for: pymilvus looks every half second, and loading waits by itself.
            self._client.create_index(
                self._name, self._indexes(binding), timeout=_WRITE_S, sync=False
            )
        elif (kind == "IVF_RABITQ") != self.quantized:
            raise IndexMismatch(
                f"the collection {self._name} has the index {kind}: give the address "
                f"{'without' if self.quantized else 'with'} ?quantized=true"
            )
        self._client.load_collection(self._name, timeout=_WRITE_S)

    def _vector_index(self) -> str | None:
        if _VECTORS not in self._client.list_indexes(self._name, _VECTORS, timeout=CALL_S):
            return None
        described = self._client.describe_index(self._name, _VECTORS, timeout=CALL_S)
        return str(described["index_type"])

    def _indexes(self, binding: Binding) -> Any:  # noqa: ANN401 (pymilvus exports no name for it)
        indexes = MilvusClient.prepare_index_params()
        for field in ("label_hex", "content_sha256"):
            indexes.add_index(field, index_name=field, index_type="INVERTED")
        indexes.add_index(
            _VECTORS,
            index_name=_VECTORS,
            index_type="IVF_RABITQ" if self.quantized else "FLAT",
            metric_type=_METRICS[binding.metric],
            params=_RABITQ if self.quantized else {},
        )
        return indexes


def _limit(wait_s: float) -> float:
    if wait_s <= 0:
        raise StorageFailed("the index cannot be written: the request's time is over")
    return min(wait_s, _WRITE_S)
