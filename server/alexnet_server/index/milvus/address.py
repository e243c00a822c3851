"""Where the pictures of a Milvus are: ``milvus://HOST:PORT/PREFIX``, a collection a binding."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import grpc
from pymilvus import MilvusClient
from pymilvus.exceptions import MilvusException

from alexnet_server.errors import IndexMismatch, StorageFailed
from alexnet_server.index.records import METRICS, Binding
from alexnet_server.settings import MILVUS_TOKEN

CALL_S = 4.0  # less than the 5 s that a request has unless told otherwise
_SCHEMES = {"milvus": "http", "milvuss": "https"}
_PART = re.compile(r"[0-9A-Za-z]+", re.ASCII)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Address:
    """``uri`` is the Milvus as pymilvus names it; ``quantized`` asks for its RaBitQ index."""

    uri: str
    prefix: str
    quantized: bool

    def collection(self, binding: Binding) -> str:
        """The name of a binding's collection: all of it, since milvus-lite keeps no description.

        Raises IndexMismatch where the binding has other characters than a name may have.
        """
        parts = (binding.model_digest, binding.layer, binding.metric)
        if not all(_PART.fullmatch(part) for part in parts):
            raise IndexMismatch(f"a Milvus can have no collection of the name of {binding}")
        return (
            f"{self.prefix}_{binding.model_digest}_{binding.layer}_{binding.views}"
            f"_{binding.metric}_{binding.units}"
        )

    def bindings(self, client: MilvusClient) -> list[Binding]:
        """Every binding that has a collection here, in order of their names."""
        with answering("the Milvus does not tell its collections"):
            names = client.list_collections(timeout=CALL_S)
        name = re.compile(
            rf"{self.prefix}_([0-9A-Za-z]+)_([0-9A-Za-z]+)_(\d+)_({'|'.join(METRICS)})_(\d+)"
        )
        return [
            Binding(found[1], int(found[5]), found[2], int(found[3]), found[4])
            for found in map(name.fullmatch, sorted(names))
            if found is not None
        ]


def parse_address(url: str) -> Address:
    """The address that ``milvus://HOST:PORT/PREFIX[?quantized=true]`` means; milvuss:// is TLS.

    The settings have checked its form.
    """
    scheme, _, rest = url.partition("://")
    server, _, named = rest.partition("/")
    prefix, _, wanted = named.partition("?")
    return Address(f"{_SCHEMES[scheme]}://{server}", prefix, wanted == "quantized=true")


@contextmanager
def connected(address: Address) -> Iterator[MilvusClient]:
    """``connect`` for as long as the block lasts."""
    client = connect(address)
    try:
        yield client
    finally:
        client.close()


def connect(address: Address) -> MilvusClient:
    """A connection of its own, with the token of $ALEXNET_MILVUS_TOKEN.  Raises StorageFailed."""
    # Its refusals are logged here, once; its own lines are coloured tracebacks.
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
    with answering("the Milvus does not answer"):
        return MilvusClient(
            address.uri, token=os.environ.get(MILVUS_TOKEN, ""), timeout=CALL_S, dedicated=True
        )


@contextmanager
def answering(what: str) -> Iterator[None]:
    """Turn what Milvus and the way to it refuse into StorageFailed; their words go to the log."""
    try:
        yield
    except (MilvusException, grpc.RpcError, grpc.FutureTimeoutError) as error:
        _log.error("%s: %s: %s", what, type(error).__name__, error)
        raise StorageFailed(f"{what}: the server's log says why") from error
