from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests.faults.promises.app_in_process import application
from tests.narrow_repository import deploy_narrow
from tests.photos import crops


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The narrow network, deployed; no test changes it."""
    return deploy_narrow(tmp_path_factory.mktemp("narrow"))


@pytest.fixture(scope="session")
def pictures() -> list[bytes]:
    """JPEG files, no two alike."""
    found = []
    for pixels in crops(48, seed=29):
        out = io.BytesIO()
        Image.fromarray(pixels[:96, :96]).save(out, "JPEG", quality=70)
        found.append(out.getvalue())
    return found


@pytest.fixture(scope="session")
def filled(
    repository: Path, pictures: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """An index of six pictures, closed."""
    path = tmp_path_factory.mktemp("filled") / "index.sqlite"
    with application(repository, path) as (client, _):
        for number in range(6):
            answer = client.put(f"/images/p{number}", data=pictures[number])
            assert answer.status_code == 201
    return path


@pytest.fixture
def path(filled: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copy(filled, tmp_path))
