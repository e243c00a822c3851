from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from alexnet_export.deploy import Deployment, deploy
from alexnet_export.dialects import ALEXNET2012, DIALECTS
from tests.made_once import made_once
from tests.narrow_repository import deploy_narrow
from tests.photos import crops
from tests.random_checkpoint import CLASSES, NARROW, NARROW_INSIDE, write_random_checkpoint
from tests.running_server import running_server


def pytest_configure() -> None:
    """A shell has what it starts in the background ignore Ctrl-C, and so would all started here."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True)
class Serving:
    url: str
    classes: tuple[str, ...]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of the whole network."""
    return made_once(
        tmp_path_factory, "whole_run", lambda folder: write_random_checkpoint(ALEXNET2012, folder)
    )


@pytest.fixture
def narrow_checkpoint(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A run folder of a narrow network, for what does not depend on size; the test's own."""
    monkeypatch.setitem(DIALECTS, NARROW.name, NARROW)
    made = made_once(
        tmp_path_factory, "narrow_run", lambda folder: write_random_checkpoint(NARROW, folder)
    )
    return shutil.copytree(made, tmp_path / "narrow")


@pytest.fixture(scope="session")
def towers_repository(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _deployed(checkpoint, "towers", tmp_path_factory)


@pytest.fixture(scope="session")
def single_repository(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _deployed(checkpoint, "single", tmp_path_factory)


def _deployed(checkpoint: Path, layout: str, factory: pytest.TempPathFactory) -> Path:
    def make(folder: Path) -> None:
        deploy(checkpoint, Deployment(folder / "model_repository", layout=layout))

    return made_once(factory, f"whole_{layout}", make) / "model_repository"


@pytest.fixture(scope="session")
def narrow_inside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A deploy that answers in the whole network's shapes, for what is about HTTP."""

    def make(folder: Path) -> None:
        deploy_narrow(folder, dialect=NARROW_INSIDE)

    return made_once(tmp_path_factory, "narrow_inside", make) / "repository"


@pytest.fixture(scope="session")
def serving(narrow_inside: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    index = tmp_path_factory.mktemp("index") / "index.sqlite"
    with running_server(narrow_inside, index) as server:
        yield Serving(server.url, CLASSES)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``<class>/<name>.jpg``: three photos each of two classes, and one unreadable file."""
    root = tmp_path_factory.mktemp("photos")
    for number, pixels in enumerate(crops(6, seed=1)):
        folder = root / ("building" if number % 2 == 0 else "flower")
        folder.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{number}.jpg", quality=90)
    (root / "flower" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a photo")
    return root
