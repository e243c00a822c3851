from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from alexnet_client.scoring.errors import Damaged
from alexnet_client.scoring.features_file import FeaturesFile


def test_it_is_a_npy_file_that_grows(tmp_path: Path) -> None:
    path = tmp_path / "features.npy"
    random = np.random.default_rng(1)
    vectors = random.random((3, 4096), np.float32)
    FeaturesFile.create(path, 2)
    with closing(FeaturesFile(path, 2)) as file:
        file.write(1, vectors[1])
        file.write(0, None)
    with closing(FeaturesFile(path, 1_000)) as file:
        file.write(999, vectors[2])
        file.sync()
    rows = np.load(path, mmap_mode="r")
    assert rows.shape == (1_000, 4096)
    assert rows.dtype == np.float32
    assert np.isnan(rows[0]).all()
    np.testing.assert_array_equal(rows[1], vectors[1])
    np.testing.assert_array_equal(rows[999], vectors[2])
    assert not rows[2:999].any()


@pytest.mark.parametrize(
    "array",
    [np.zeros((2, 5), np.float32), np.zeros((2, 4096)), np.zeros((9, 4096), np.float32)],
    ids=["width", "type", "rows"],
)
def test_another_file_is_refused(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "other.npy", array)
    before = (tmp_path / "other.npy").read_bytes()
    with pytest.raises(Damaged):
        FeaturesFile(tmp_path / "other.npy", 2)
    assert (tmp_path / "other.npy").read_bytes() == before


def test_no_npy_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.npy").write_bytes(b"something else")
    with pytest.raises(Damaged):
        FeaturesFile(tmp_path / "other.npy", 2)
