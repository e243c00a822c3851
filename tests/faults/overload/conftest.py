from __future__ import annotations

from pathlib import Path

import pytest

from tests.load.pictures import write_photos


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_photos(tmp_path_factory.mktemp("photos"), 8)
