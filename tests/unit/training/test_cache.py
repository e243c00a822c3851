import os
import shutil
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from alexnet_pixels.decode import decode
from alexnet_training.errors import EmptyClass, Interrupted, NoSpace, UnreadablePhoto
from alexnet_training.photos import preparation
from alexnet_training.photos.cache import PHOTO_BYTES
from alexnet_training.photos.folders import find_photos
from alexnet_training.photos.pixel_statistics import pixel_statistics
from alexnet_training.photos.preparation import decode_photos

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
    (tmp_path / "training.part").symlink_to("/dev/full")
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


def test_a_stopped_preparation_goes_on_where_it_was(found, tmp_path, monkeypatch):
    monkeypatch.setattr(preparation, "_TOGETHER", 5)
    decoded = []
    read = preparation._read
    monkeypatch.setattr(preparation, "_read", lambda photo: decoded.append(photo) or read(photo))
    left = iter(range(2))

    def stop():
        if next(left, None) is None:
            raise Interrupted("stopped")

    place = tmp_path / "training"
    with pytest.raises(Interrupted):
        decode_photos(found, CLASSES, place, between=stop)
    assert len(decoded) == 10
    with place.with_suffix(".part").open("ab") as half_written:
        half_written.write(b"half a photo")
    with place.with_suffix(".part.jsonl").open("a") as half_written:
        half_written.write('{"photos": [["')
    whole = decode_photos(found, CLASSES, place)
    assert sorted(photo.path for photo in decoded) == sorted(photo.path for photo in found)
    for row, photo in enumerate(found):
        assert (whole.pixels[row] == decode(photo.path.read_bytes())).all()
    assert sorted(file.name for file in tmp_path.glob("training*")) == [
        "training.json",
        "training.lock",
        "training.pixels",
    ]


@pytest.mark.parametrize("damaged", ["training.part", "training.part.jsonl"])
def test_what_is_damaged_of_a_stopped_preparation_is_decoded_again(
    found, tmp_path, monkeypatch, damaged
):
    monkeypatch.setattr(preparation, "_TOGETHER", 5)
    left = iter(range(2))

    def stop():
        if next(left, None) is None:
            raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        decode_photos(found, CLASSES, tmp_path / "training", between=stop)
    flip_a_byte(tmp_path / damaged, -200)  # in the second part
    whole = decode_photos(found, CLASSES, tmp_path / "training")
    assert (whole.pixels[9] == decode(found[9].path.read_bytes())).all()


def flip_a_byte(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_a_flipped_byte_of_a_cache_is_found_and_decoded_again(found, tmp_path, capsys):
    place = tmp_path / "training"
    decode_photos(found, CLASSES, place)
    flip_a_byte(place.with_suffix(".pixels"), 6 * PHOTO_BYTES + 1000)
    whole = decode_photos(found, CLASSES, place)
    assert f"damaged at {found[6].path}: decoding again" in capsys.readouterr().err
    assert (whole.pixels[6] == decode(found[6].path.read_bytes())).all()


def test_two_runs_at_once_share_what_one_decodes(found, tmp_path, monkeypatch):
    decoded = []
    read = preparation._read
    monkeypatch.setattr(preparation, "_read", lambda photo: decoded.append(photo) or read(photo))
    with ThreadPoolExecutor(4) as pool:
        each = list(
            pool.map(lambda _: decode_photos(found, CLASSES, tmp_path / "training"), range(4))
        )
    assert len(decoded) == len(found)
    assert all((one.pixels == each[0].pixels).all() for one in each)


def test_what_a_run_has_mapped_is_not_changed_by_another(found, tmp_path):
    mapped = decode_photos(found, CLASSES, tmp_path / "training").pixels
    before = mapped.copy()
    Image.new("RGB", (256, 256), "white").save(found[0].path)
    changed = decode_photos(found, CLASSES, tmp_path / "training")
    assert (mapped == before).all()
    assert (changed.pixels[0] == 255).all()
