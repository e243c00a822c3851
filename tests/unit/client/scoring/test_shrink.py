from __future__ import annotations

import io
import random
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alexnet_client.scoring import shrink
from alexnet_pixels.decode import decode
from tests.photos import crops

DAMAGES = 150
HEAD_BYTES = 400  # where the headers and the metadata lie


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


def test_no_damage_ends_the_run(photo: Image.Image, tmp_path: Path) -> None:
    """Pillow raises many kinds of errors; one that came through would cost all other pictures."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "maker"
    exif.get_ifd(0x8769)[0x829A] = 0.5
    chance = random.Random(3)
    for suffix in ("jpg", "png", "webp"):
        path = tmp_path / f"photo.{suffix}"
        photo.save(path, exif=exif)
        whole = path.read_bytes()
        for _ in range(DAMAGES):
            damaged = bytearray(whole)
            for _ in range(chance.randrange(1, 4)):
                damaged[chance.randrange(HEAD_BYTES)] = chance.randrange(256)
            path.write_bytes(damaged[: chance.choice([len(whole), chance.randrange(len(whole))])])
            upload = shrink.load(str(path))
            assert upload.error is None
            assert upload.content


@pytest.mark.parametrize(
    "kind", [struct.error, zlib.error, TypeError, AssertionError, NotImplementedError, EOFError]
)
def test_whatever_pillow_raises_is_the_servers_to_judge(
    photo: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    path = tmp_path / "photo.jpg"
    photo.save(path)

    def broken(self: Image.Image) -> Image.Exif:
        raise kind("broken")

    monkeypatch.setattr(Image.Image, "getexif", broken)
    assert shrink.load(str(path)).content == path.read_bytes()


def test_pillow_writes_no_warnings_between_the_messages(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    Image.new("1", (9_500, 9_500)).save(path)
    shrink.check()
    assert shrink.load(str(path)).content == path.read_bytes()


def test_what_is_small_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "small.png"
    Image.fromarray(crops(1)[0]).save(path)
    assert shrink.load(str(path)).content == path.read_bytes()


def test_a_missing_file_is_an_error_of_its_own(tmp_path: Path) -> None:
    upload = shrink.load(str(tmp_path / "gone.jpg"))
    assert upload.error is not None
    assert upload.error.code == "unreadable_file"
