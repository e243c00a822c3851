from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.client.small_server import SmallServer, listening


@pytest.fixture
def small() -> Iterator[SmallServer]:
    with listening(SmallServer()) as server:
        yield server
