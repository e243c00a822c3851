from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from alexnet_server.index.pictures import PictureIndex
from alexnet_server.index.records import Record
from tests.unit.server.index.given import COUNT, UNITS, opened
from tests.written_index import write_index


@pytest.fixture
def index(tmp_path: Path) -> Iterator[PictureIndex]:
    made = opened(tmp_path / "index.sqlite")
    yield made
    made.close()


@pytest.fixture
def features() -> np.ndarray:
    return np.random.default_rng(6).gamma(0.5, 2, (1_300, UNITS)).astype(np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index.sqlite"


@pytest.fixture
def records(path: Path) -> list[Record]:
    return write_index(path, COUNT)
