import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from alexnet_training.digits import write_digits
from alexnet_training.errors import Interrupted, NoSpace
from alexnet_training.photos.folders import find_photos


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    out = tmp_path_factory.mktemp("data") / "deep" / "digits"
    assert write_digits(out)
    return out


def test_every_scan_is_in_one_half_under_its_digit(digits):
    found = find_photos(digits)
    assert found.classes == tuple("0123456789")
    assert (len(found.training), len(found.validation)) == (1442, 355)
    labels = load_digits().target
    seen = {}
    for photo in (*found.training, *found.validation):
        seen[int(photo.path.stem)] = photo.label
    assert [seen[row] for row in range(1797)] == labels.tolist()
    for label in range(10):
        of_digit = (labels == label).sum()
        assert sum(photo.label == label for photo in found.validation) == of_digit // 5


def test_a_picture_is_its_scan_enlarged(digits):
    path = next(digits.glob("*/*/0100.png"))
    with Image.open(path) as picture:
        assert (picture.size, picture.mode) == ((256, 256), "L")
        small = np.asarray(picture.resize((8, 8), Image.Resampling.BOX), dtype=float)
    scan = load_digits().images[100] * 255 / 16
    assert np.corrcoef(small.ravel(), scan.ravel())[0, 1] > 0.97


def test_again_it_does_nothing(digits):
    before = digits.stat().st_mtime_ns
    assert not write_digits(digits)
    assert digits.stat().st_mtime_ns == before


def test_stopped_half_way_nothing_is_left(tmp_path):
    left = iter(range(50))

    def between():
        if next(left, None) is None:
            raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        write_digits(tmp_path / "digits", between)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(NoSpace, match="no space left"):
        write_digits(tmp_path / "digits")
    assert list(tmp_path.iterdir()) == []
