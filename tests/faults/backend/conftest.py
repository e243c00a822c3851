from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.faults.backend.front import Front, front
from tests.narrow_repository import deploy_narrow
from tests.photos import crops


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return deploy_narrow(tmp_path_factory.mktemp("narrow"))


@pytest.fixture(scope="session")
def pictures() -> list[bytes]:
    return [jpeg(pixels) for pixels in crops(64, seed=21)]


def jpeg(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG")
    return out.getvalue()


@pytest.fixture
def quick(repository: Path, tmp_path: Path) -> Iterator[Front]:
    """A server that waits for Triton only a second."""
    with front(repository, tmp_path) as made:
        assert made.is_ready()
        yield made
