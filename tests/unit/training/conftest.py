import numpy as np
import pytest
from PIL import Image

from alexnet_export.dialects import DIALECTS
from alexnet_training.cli import main
from tests.random_checkpoint import NARROW


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
    return two_classes(tmp_path / "photos")


def trained_run(root, *flags):
    """``root`` with a narrow network's run, and the photos that it learned from."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DIALECTS, NARROW.name, NARROW)
        photos = two_classes(root / "photos")
        words = ["fit", str(photos), "--out", str(root / "run"), "--batch-size=8", *flags]
        assert main([*words, f"--dialect={NARROW.name}", "--precision=fp32", "--device=cpu"]) == 0
    return root


def two_classes(data):
    """Two classes, 8 + 4 photos each, in the layout with its own validation half."""
    for name, colour in (("brick", (200, 60, 40)), ("sky", (60, 120, 220))):
        write_class(data / "train" / name, colour, 8, seed=1)
        write_class(data / "validation" / name, colour, 4, seed=2)
    return data
