from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.observing.watched import Watched, watched
from tests.narrow_repository import deploy_narrow


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return deploy_narrow(tmp_path_factory.mktemp("narrow"))


@pytest.fixture(scope="module")
def key() -> str:
    return secrets.token_urlsafe(32)


@pytest.fixture(scope="module")
def locked(
    repository: Path, key: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    """A server that asks for ``key``."""
    folder = tmp_path_factory.mktemp("locked")
    file = folder / "keys"
    file.write_text(f"write {key}\n")
    file.chmod(0o600)
    with watched(repository, folder, "--keys", str(file)) as made:
        yield made
