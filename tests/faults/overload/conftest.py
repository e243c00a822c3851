from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.overload.held_server import HeldServer
from tests.load.pictures import write_photos


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_photos(tmp_path_factory.mktemp("photos"), 8)


@pytest.fixture
def held(tmp_path: Path) -> Iterator[HeldServer]:
    made = HeldServer(tmp_path)
    yield made
    made.close()
