from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.narrow_repository import deploy_narrow
from tests.running_server import RunningServer, running_server


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return deploy_narrow(tmp_path_factory.mktemp("narrow"))


@pytest.fixture(scope="module")
def server(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(repository, tmp_path_factory.mktemp("api") / "index.sqlite") as started:
        yield started
