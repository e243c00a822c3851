from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alexnet_client.scoring import shrink
from alexnet_pixels.decode import decode
from tests.photos import crops


@pytest.fixture
def photo() -> Image.Image:
    """1000 x 700, of low frequencies, so that the ways to scale it do not matter."""
    return Image.fromarray(crops(1, seed=4)[0]).resize((1000, 700), Image.Resampling.BICUBIC)


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"), np.float32)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_the_shorter_side_is_what_the_network_sees(
    photo: Image.Image, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"photo.{suffix}"
    photo.save(path, quality=95)
    upload = shrink.load(str(path))
    assert upload.error is None
    assert upload.filename == str(path)
    assert len(upload.content) < path.stat().st_size
    small = Image.open(io.BytesIO(upload.content))
    assert small.size == (365, 256)
    server_sees = decode(path.read_bytes())
    shrunk_sees = decode(upload.content)
    assert np.abs(server_sees.astype(float) - shrunk_sees).mean() < 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_stays_upright(photo: Image.Image, orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "photo.jpg"
    photo.save(path, quality=95, exif=exif)
    server_sees = decode(path.read_bytes()).astype(float)
    shrunk_sees = decode(shrink.load(str(path)).content)
    assert np.abs(server_sees - shrunk_sees).mean() < 3


def test_transparency_is_laid_over_white(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (600, 600), (0, 0, 0, 0))
    picture.paste(Image.fromarray(crops(1)[0]), (0, 0))
    path = tmp_path / "photo.png"
    picture.save(path)
    shown = pixels(shrink.load(str(path)).content)
    assert shown[-1, -1].min() > 250


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xd8\xff\xe0 no photo", b"text", b"\x89PNG\r\n\x1a\n"]
)
def test_what_cannot_be_read_here_is_the_servers_to_judge(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(content)
    assert shrink.load(str(path)).content == content


def test_what_is_small_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "small.png"
    Image.fromarray(crops(1)[0]).save(path)
    assert shrink.load(str(path)).content == path.read_bytes()


def test_a_missing_file_is_an_error_of_its_own(tmp_path: Path) -> None:
    upload = shrink.load(str(tmp_path / "gone.jpg"))
    assert upload.error is not None
    assert upload.error.code == "unreadable_file"
