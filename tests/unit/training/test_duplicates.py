import json
import shutil

import pytest
from PIL import Image

from alexnet_training.cli import main

FAST = ("--dialect=narrow", "--batch-size=8", "--epochs=1", "--no-report", "--device=cpu")


def fit(photos, out, *flags):
    return main(["fit", str(photos), "--out", str(out), *FAST, *flags])


@pytest.fixture
def leaking(narrow, photos):
    """A training photo as a validation photo of another format and name."""
    source = photos / "train" / "sky" / "004.png"
    with Image.open(source) as image:
        image.save(photos / "validation" / "sky" / "holiday.webp", lossless=True)
    return photos


def test_a_photo_in_both_halves_is_refused_and_nothing_is_left(leaking, tmp_path, capsys):
    assert fit(leaking, tmp_path / "run") == 1
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith("alexnet-train: 1 training photos are in the validation half too")
    assert f"{leaking}/train/sky/004.png is {leaking}/validation/sky/holiday.webp" in told
    assert "--leave-out-duplicates" in told
    assert not (tmp_path / "run").exists()


def test_they_can_be_left_out_of_the_training(leaking, tmp_path, capsys):
    assert fit(leaking, tmp_path / "run", "--leave-out-duplicates") == 0
    assert "1 training photos left out" in capsys.readouterr().err
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_bytes())
    assert (metrics["training_photos"], metrics["n"]) == (15, 9)
    assert metrics["left_out"] == [f"{leaking}/train/sky/004.png"]


def test_copies_in_the_training_half_are_told_and_two_classes_of_one_photo_named(
    narrow, photos, tmp_path, capsys
):
    train = photos / "train"
    shutil.copy(train / "sky" / "001.png", train / "sky" / "copy.png")
    shutil.copy(train / "sky" / "002.png", train / "brick" / "odd.png")
    assert fit(photos, tmp_path / "run") == 0
    told = capsys.readouterr().err
    assert "2 training photos are copies of others" in told
    assert f"one photo is of the classes brick and sky: {train}/brick/odd.png" in told


def test_runs_share_a_cache_that_stays(narrow, photos, tmp_path):
    cache = tmp_path / "cache"
    assert fit(photos, tmp_path / "one", "--cache", str(cache)) == 0
    (pixels,) = cache.glob("*/training.pixels")
    written = pixels.stat().st_mtime_ns
    assert fit(photos, tmp_path / "other", "--cache", str(cache), "--seed=1") == 0
    assert pixels.stat().st_mtime_ns == written
    assert not (tmp_path / "one" / "cache").exists()


def test_photos_that_are_refused_leave_no_run(narrow, photos, tmp_path, capsys):
    for photo in (photos / "train" / "sky").iterdir():
        photo.write_bytes(b"no picture")
    assert fit(photos, tmp_path / "run") == 1
    assert "'sky' has no photos left" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
