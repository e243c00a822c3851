import os
import shutil
from collections import namedtuple

import numpy as np
import pytest

from alexnet_pixels.decode import decode
from alexnet_training.cache import PHOTO_BYTES, decode_photos, pixel_statistics
from alexnet_training.errors import EmptyClass, Interrupted, NoSpace, UnreadablePhoto
from alexnet_training.folders import find_photos

CLASSES = ("brick", "sky")


@pytest.fixture
def found(photos):
    return find_photos(photos).training


def test_pixels_are_those_of_the_decoder(found, tmp_path):
    decoded = decode_photos(found, CLASSES, tmp_path / "cache" / "training")
    assert decoded.labels.tolist() == [0] * 8 + [1] * 8
    for row in (0, 9, 15):
        assert (decoded.pixels[row] == decode(found[row].path.read_bytes())).all()
    assert (tmp_path / "cache" / "training.pixels").stat().st_size == 16 * PHOTO_BYTES


def test_the_same_files_are_not_decoded_again_and_changed_ones_are(found, tmp_path):
    place = tmp_path / "cache" / "training"
    decode_photos(found, CLASSES, place)
    written = place.with_suffix(".pixels").stat().st_mtime_ns
    again = decode_photos(found, CLASSES, place)
    assert place.with_suffix(".pixels").stat().st_mtime_ns == written
    os.utime(found[3].path, ns=(1, 1))
    changed = decode_photos(found, CLASSES, place)
    assert place.with_suffix(".pixels").stat().st_mtime_ns > written
    assert (changed.pixels == again.pixels).all()


def test_a_cache_cut_short_is_decoded_again(found, tmp_path):
    place = tmp_path / "cache" / "training"
    decode_photos(found, CLASSES, place)
    os.truncate(place.with_suffix(".pixels"), 5 * PHOTO_BYTES)
    assert len(decode_photos(found, CLASSES, place).pixels) == 16


def test_unreadable_photos_are_skipped_and_named(photos, tmp_path, capsys):
    sky = photos / "train" / "sky"
    (sky / "000.png").write_bytes(b"no picture")
    (sky / "001.png").write_bytes((sky / "002.png").read_bytes()[:200])
    (sky / "zz.png").symlink_to("nowhere.png")
    os.mkfifo(sky / "zzz.png")
    decoded = decode_photos(find_photos(photos).training, CLASSES, tmp_path / "training")
    assert decoded.labels.tolist() == [0] * 8 + [1] * 6
    assert len(decoded.pixels) == 14
    told = capsys.readouterr().err
    for name in ("000.png", "001.png", "zz.png", "zzz.png"):
        assert f"skipped {sky / name}: " in told
        assert sum(line.startswith(f"{sky / name}: ") for line in decoded.skipped) == 1


def test_strict_refuses_an_unreadable_photo(photos, tmp_path):
    bad = photos / "train" / "sky" / "000.png"
    bad.write_bytes(b"no picture")
    listed = find_photos(photos).training
    with pytest.raises(UnreadablePhoto, match=r"sky/000.png: .*not a JPEG"):
        decode_photos(listed, CLASSES, tmp_path / "training", strict=True)
    decode_photos(listed, CLASSES, tmp_path / "training")
    with pytest.raises(UnreadablePhoto):
        decode_photos(listed, CLASSES, tmp_path / "training", strict=True)


def test_a_class_of_which_nothing_can_be_read_is_named(photos, tmp_path):
    for file in (photos / "train" / "sky").iterdir():
        file.write_bytes(b"no picture")
    with pytest.raises(EmptyClass, match="'sky' has no photos left"):
        decode_photos(find_photos(photos).training, CLASSES, tmp_path / "training")


def test_space_is_looked_for_before_the_first_photo(found, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 10, 16 * PHOTO_BYTES - 1))
    with pytest.raises(NoSpace, match=r"3,145,728 bytes.*16 decoded photos.*3,145,727 are free"):
        decode_photos(found, CLASSES, tmp_path / "training")
    assert not (tmp_path / "training.pixels").exists()


def test_a_disk_that_fills_while_decoding_is_told(found, tmp_path):
    (tmp_path / "training.pixels").symlink_to("/dev/full")
    with pytest.raises(NoSpace, match="no space left while writing"):
        decode_photos(found, CLASSES, tmp_path / "training")
    assert not (tmp_path / "training.json").exists()


def test_decoding_can_be_stopped(found, tmp_path):
    def stop():
        raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        decode_photos(found, CLASSES, tmp_path / "training", between=stop)
    assert len(decode_photos(found, CLASSES, tmp_path / "training").pixels) == 16


def test_mean_and_covariance_are_those_of_all_pixels(found, tmp_path):
    pixels = decode_photos(found, CLASSES, tmp_path / "training").pixels
    statistics = pixel_statistics(pixels)
    whole = np.asarray(pixels, dtype=np.float64)
    assert statistics.mean.dtype == np.float32
    np.testing.assert_allclose(statistics.mean, whole.mean(axis=0), rtol=1e-6)
    expected = np.cov(whole.reshape(-1, 3).T, bias=True)
    np.testing.assert_allclose(statistics.covariance, expected, rtol=1e-6)
