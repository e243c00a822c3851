"""The page's sample pictures: drawn by the program that is beside the starter, all on the page."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

from starter.draw_samples import NAMES, SAMPLES, drawn

PAGE = SAMPLES.parent / "index.html"
MAX_BYTES = 20_000


@pytest.mark.parametrize("name", ["hat", "shoes-red", "t-shirt-striped"])
def test_a_sample_is_what_the_program_draws(name: str) -> None:
    with Image.open(SAMPLES / f"{name}.jpg") as image:
        kept = np.asarray(image, float)
    assert np.abs(kept - np.asarray(drawn(name), float)).mean() < 8  # what JPEG takes away


def test_all_of_them_are_on_the_page_and_small() -> None:
    shown = re.findall(
        r'data-label="([a-z-]+)"><img src="page/samples/([a-z-]+)\.jpg"', PAGE.read_text()
    )
    kept = list(SAMPLES.iterdir())
    assert {name for _, name in shown} == set(NAMES) == {path.stem for path in kept}
    assert len(shown) == len(NAMES) == len(kept)
    for path in kept:
        assert path.stat().st_size < MAX_BYTES
        with Image.open(path) as image:
            assert image.size == (300, 400)


def test_a_drawing_is_the_same_each_time() -> None:
    np.testing.assert_array_equal(np.asarray(drawn("hat")), np.asarray(drawn("hat")))
