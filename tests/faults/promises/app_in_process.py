"""The server's application in this process: real repository, engine, index and routes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from flask.testing import FlaskClient

from alexnet_repository.files import deployed
from alexnet_server.app import create_app
from alexnet_server.deployed import EngineOf, open_deployed
from alexnet_server.following import Following
from alexnet_server.index.opening import Indexes
from alexnet_server.served import Served
from alexnet_server.settings import Settings
from tests.local_engine import local_engine


@contextmanager
def application(
    repository: Path, index: Path, engine_of: EngineOf = local_engine
) -> Iterator[tuple[FlaskClient, Following]]:
    """A client without a socket, and the deploys behind it."""
    settings = Settings(repository=repository, index=f"sqlite:///{index}")
    deploys = Following(
        partial(open_deployed, repository, engine_of, Indexes(index)),
        partial(deployed, repository),
    )
    try:
        yield create_app(Served.of(settings, deploys)).test_client(), deploys
    finally:
        deploys.close()
