"""Caffe's mean image, written here by hand after caffe.proto."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from alexnet_export.errors import SourceError
from alexnet_export.importing import mean_file
from alexnet_export.importing.mean_file import read_mean

BGR = np.random.default_rng(7).uniform(0, 255, (3, 256, 256)).astype(np.float32)


def varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])


def blob_of(planes: np.ndarray, *, old: bool = True) -> bytes:
    """A BlobProto: num, channels, height and width (1 to 4) or a shape (7), and data (5)."""
    if old:
        sides = (1, *planes.shape)
        head = b"".join(bytes([(at + 1) << 3]) + varint(side) for at, side in enumerate(sides))
    else:
        packed = b"".join(varint(side) for side in planes.shape)
        head = b"\x3a" + varint(len(packed) + 2) + b"\x0a" + varint(len(packed)) + packed
    data = planes.astype("<f4").tobytes()
    return head + b"\x2a" + varint(len(data)) + data


@pytest.mark.parametrize("old", [True, False])
def test_planes_of_bgr_become_an_image_of_rgb(tmp_path: Path, old: bool) -> None:
    path = tmp_path / "imagenet_mean.binaryproto"
    path.write_bytes(blob_of(BGR, old=old))
    image = read_mean(path, verified=False)
    assert image.shape == (256, 256, 3)
    assert image.dtype == np.float32
    for row, column in ((0, 0), (3, 200), (255, 17)):
        blue, green, red = BGR[:, row, column]
        assert list(image[row, column]) == [red, green, blue]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (blob_of(BGR)[:-1], "cut off"),
        (blob_of(BGR[:, :, :255]), "a mean image is"),
        (blob_of(BGR - 200), "outside 0..255"),
        (blob_of(np.where(BGR > 250, np.nan, BGR)), "outside 0..255"),
        (b"<html>no such file</html>", "no mean image"),
        (bytes(16 * 2**20 + 1), "more than 16,777,216 bytes"),
    ],
)
def test_what_is_no_mean_image_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "mean"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=reason):
        read_mean(path, verified=False)


def test_another_file_has_to_be_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mean"
    path.write_bytes(blob_of(BGR))
    with pytest.raises(SourceError, match=r"has sha1 .*--unverified"):
        read_mean(path, verified=True)
    sha1 = hashlib.sha1(path.read_bytes()).hexdigest()
    monkeypatch.setattr(mean_file, "MEAN_SHA1", sha1)
    assert read_mean(path, verified=True).shape == (256, 256, 3)
    with pytest.raises(SourceError, match="cannot be read"):
        read_mean(tmp_path / "nowhere", verified=True)
