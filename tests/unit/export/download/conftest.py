"""A real server on a real socket, and an address without one."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.file_server import FileServer, served
from tests.unit.export.download.given import CONTENT


@pytest.fixture
def server() -> Iterator[FileServer]:
    with served(CONTENT) as running:
        yield running


@pytest.fixture
def closed() -> Iterator[str]:
    """An address that nobody listens at."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}/file"
