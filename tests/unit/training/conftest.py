import numpy as np
import pytest
import torch
from PIL import Image

from alexnet_export.layers import (
    DIALECTS,
    PAPER_NORM,
    PAPER_POOL,
    Convolution,
    Dialect,
    FullyConnected,
)

# The paper's structure with few channels, so that a whole run takes a second.
NARROW = Dialect(
    name="narrow",
    towers=2,
    image_side=224,
    convolutions=(
        Convolution("conv1", 8, 11, 4, (0, 0, 3, 3), "full", PAPER_NORM, PAPER_POOL),
        Convolution("conv2", 8, 5, 1, (2, 2, 2, 2), "local", PAPER_NORM, PAPER_POOL),
        Convolution("conv3", 12, 3, 1, (1, 1, 1, 1), "full"),
        Convolution("conv4", 12, 3, 1, (1, 1, 1, 1), "local"),
        Convolution("conv5", 8, 3, 1, (1, 1, 1, 1), "local", None, PAPER_POOL),
    ),
    fully_connected=(FullyConnected("fc6", 32), FullyConnected("fc7", 32)),
)


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Small layers gain nothing from more threads, and lose much where the cores are busy."""
    former = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(former)


@pytest.fixture
def narrow(monkeypatch):
    monkeypatch.setitem(DIALECTS, NARROW.name, NARROW)
    return NARROW


def write_class(folder, colour, count, seed=0):
    """Photos of one colour with noise over it: easy to tell apart from another colour's."""
    folder.mkdir(parents=True)
    chance = np.random.default_rng(seed)
    for index in range(count):
        noise = chance.integers(-40, 40, (64, 80, 3))
        pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{index:03d}.png")


@pytest.fixture
def photos(tmp_path):
    """Two classes, 8 + 4 photos each, in the layout with its own validation half."""
    data = tmp_path / "photos"
    for name, colour in (("brick", (200, 60, 40)), ("sky", (60, 120, 220))):
        write_class(data / "train" / name, colour, 8, seed=1)
        write_class(data / "validation" / name, colour, 4, seed=2)
    return data
