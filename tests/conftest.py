from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from alexnet_export.checkpoint import Checkpoint, save_checkpoint
from alexnet_export.deploy import Deployment, deploy
from alexnet_export.layers import ALEXNET2012, shapes
from tests.running_server import running_server

CLASSES = ("building", "circle", "flower", "lines", "noise", "square")


@dataclass(frozen=True)
class Serving:
    url: str
    classes: tuple[str, ...]


def crops(count: int, seed: int = 0) -> np.ndarray:
    """Real photo crops, uint8 [count, 256, 256, 3], no two alike."""
    random = np.random.default_rng(seed)
    photos = [load_sample_image("china.jpg"), load_sample_image("flower.jpg")]
    found = []
    for number in range(count):
        photo = photos[number % 2]
        top, left = random.integers(0, [photo.shape[0] - 256, photo.shape[1] - 256])
        found.append(photo[top : top + 256, left : left + 256])
    return np.stack(found)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder: the whole network with random weights, and pictures beside it."""
    random = np.random.default_rng(2012)
    tensors = {"mean": np.full((256, 256, 3), 118, np.float32)}
    for shape in shapes(ALEXNET2012, len(CLASSES)):
        spread = np.float32(np.sqrt(2 / np.prod(shape.weight[1:])))
        weight = random.standard_normal(shape.weight, dtype=np.float32) * spread
        tensors[f"{shape.name}.weight"] = weight
        tensors[f"{shape.name}.bias"] = random.normal(0, 0.1, shape.weight[0]).astype(np.float32)
    folder = tmp_path_factory.mktemp("run")
    about = "Random weights, for tests: it knows nothing."
    save_checkpoint(Checkpoint(ALEXNET2012, CLASSES, tensors, 1 / 58, about), folder)
    np.savez(folder / "pictures.npz", images=crops(12), labels=np.arange(12) % len(CLASSES))
    return folder


@pytest.fixture(scope="session")
def towers_repository(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("towers") / "model_repository"
    deploy(checkpoint, Deployment(root))
    return root


@pytest.fixture(scope="session")
def single_repository(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("single") / "model_repository"
    deploy(checkpoint, Deployment(root, layout="single"))
    return root


@pytest.fixture(scope="session")
def serving(towers_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    index = tmp_path_factory.mktemp("index") / "index.sqlite"
    with running_server(towers_repository, index) as server:
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
