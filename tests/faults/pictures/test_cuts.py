"""A picture that has been cut is refused, or is whole all the same."""

from __future__ import annotations

import numpy as np
import pytest

from alexnet_pixels.decode import decode
from alexnet_pixels.errors import UndecodablePicture, UnsupportedFormat
from tests.faults.pictures.sources import SOURCES

# Their first picture ends long before the last.
OF_SEVERAL_PICTURES = {"PNG animated", "JPEG of two pictures"}
# What a PNG has after its last pixel: the ends of its stream, of its chunk and of itself.
END_BYTES = 32


@pytest.mark.parametrize("name", SOURCES)
def test_cut_at_every_percent(name: str) -> None:
    data = SOURCES[name]()
    whole = decode(data)
    for percent in range(1, 100):
        kept = len(data) * percent // 100
        try:
            pixels = decode(data[:kept])
        except (UndecodablePicture, UnsupportedFormat):
            continue
        assert np.array_equal(pixels, whole), percent
        ends_with_whole = name.startswith("PNG") and len(data) - kept <= END_BYTES
        assert ends_with_whole or name in OF_SEVERAL_PICTURES, percent
