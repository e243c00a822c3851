from __future__ import annotations

from pathlib import Path

import pytest

from tests.narrow_repository import deploy_narrow


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The narrow network, deployed; no test changes it."""
    return deploy_narrow(tmp_path_factory.mktemp("narrow"))
