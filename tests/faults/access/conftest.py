from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.faults.access.asking import READ, WRITE, Keyed
from tests.narrow_repository import deploy_narrow
from tests.photos import crops
from tests.running_server import RunningServer, running_server


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return deploy_narrow(tmp_path_factory.mktemp("narrow"))


@pytest.fixture(scope="session")
def picture() -> bytes:
    out = io.BytesIO()
    Image.fromarray(crops(1, seed=3)[0]).save(out, "JPEG")
    return out.getvalue()


@pytest.fixture(scope="module")
def keyed(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    """A server that asks for a key."""
    folder = tmp_path_factory.mktemp("keyed")
    file = folder / "keys"
    file.write_text(f"read {READ}\nwrite {WRITE}\n")
    flags = ("--keys", str(file), "--metrics-port", "0")
    with running_server(repository, folder / "index", *flags) as server:
        yield Keyed(server, file)


@pytest.fixture(scope="module")
def keyless(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server on loopback that asks for none."""
    index = tmp_path_factory.mktemp("keyless") / "index"
    with running_server(repository, index, "--metrics-port", "0") as server:
        yield server
