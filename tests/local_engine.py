"""The engine ``local`` as the server makes it, and a call that has time."""

from __future__ import annotations

from alexnet_repository.repository import Repository
from alexnet_server.call import Call
from alexnet_server.engine.batching import Batch, BatchingEngine
from alexnet_server.engine.local import LocalNetwork
from tests.waiting import WAIT_S


def local_engine(repository: Repository) -> BatchingEngine:
    return BatchingEngine(LocalNetwork(repository), Batch())


def unhurried() -> Call:
    return Call(WAIT_S)
