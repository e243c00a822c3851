"""Pixels in memory as pictures: NumPy arrays and images of Pillow's."""

import io

import numpy as np
import pytest
from PIL import Image

from alexnet_client import Client, errors
from alexnet_client.picture import MAX_PICTURE_BYTES


@pytest.fixture
def sent(scripted, wire):
    """Classify a picture and return the bytes that arrived, and the name."""

    def answer(request):
        return wire.as_json({"model": wire.MODEL, "results": [{"predictions": []}]})

    scripted.answer = answer
    with Client(scripted.url, max_retries=0) as client:

        def send(picture):
            result = client.classify(picture)
            ((_, _, content),) = scripted.requests.pop().form
            return result.filename, content

        yield send


def _opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


RANDOM = np.random.default_rng(7)


@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (1, 9, 3), (224, 224, 3), (64, 3, 3)])
def test_an_array_arrives_pixel_for_pixel(sent, shape):
    array = RANDOM.integers(0, 256, shape, np.uint8)
    name, content = sent(array)
    image = _opened(content)
    assert (name, image.format) == ("picture", "PNG")
    assert image.mode == ("RGB" if len(shape) == 3 else "L")
    assert np.array_equal(np.asarray(image), array)


def test_an_array_may_be_a_view_of_another(sent):
    array = RANDOM.integers(0, 256, (20, 30, 3), np.uint8)
    for view in (array[::-1, ::2], array[..., ::-1], array.transpose(1, 0, 2), array[..., 0]):
        assert np.array_equal(np.asarray(_opened(sent(view)[1])), view)
    array.flags.writeable = False
    assert np.array_equal(np.asarray(_opened(sent(array)[1])), array)


@pytest.mark.parametrize(
    ("array", "advice"),
    [
        (np.zeros((4, 4, 3), np.float32), r"float32 \[4, 4, 3\].*astype\(numpy.uint8\)"),
        (np.zeros((2, 4, 4, 3), np.uint8), r"list\(array\)"),
        (np.zeros((3, 40, 40), np.uint8), "colours last"),
        (np.zeros((4, 4, 4), np.uint8), r"uint8 \[height, width, 3\]"),
        (np.zeros((4, 4), np.int64), "not int64"),
        (np.zeros(4, np.uint8), r"uint8 \[4\]"),
        (np.zeros((0, 4, 3), np.uint8), "no pixel"),
        (np.zeros((0, 4), np.uint8), "no pixel"),
    ],
)
def test_an_array_that_is_no_picture_is_refused_and_spoils_no_other(scripted, array, advice):
    with Client(scripted.url) as client:
        with pytest.raises(errors.BadPicture, match=advice) as caught:
            client.classify(array)
        assert caught.value.code == "unsupported_pixels"
        assert scripted.requests == []
        bad, good = client.classify([array, b"cat"])
    assert (bad.error.code, good.top.label) == ("unsupported_pixels", "cat")


def test_noise_too_large_for_a_request_is_refused_here(scripted):
    array = RANDOM.integers(0, 256, (1900, 1850, 3), np.uint8)
    assert array.size > MAX_PICTURE_BYTES
    with (
        Client(scripted.url) as client,
        pytest.raises(errors.BadPicture, match="smaller") as caught,
    ):
        client.classify(array)
    assert caught.value.code == "picture_too_large"
    assert scripted.requests == []


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_an_image_arrives_as_it_is(sent, mode):
    image = Image.fromarray(RANDOM.integers(0, 256, (9, 8, 3), np.uint8)).convert(mode)
    name, content = sent(image)
    assert (name, _opened(content).format) == ("picture", "PNG")
    assert _opened(content).convert("RGBA").tobytes() == image.convert("RGBA").tobytes()


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "HSV"])
def test_an_image_that_png_cannot_hold_becomes_rgb(sent, mode):
    image = Image.fromarray(RANDOM.integers(0, 256, (9, 8, 3), np.uint8)).convert(mode)
    assert _opened(sent(image)[1]).tobytes() == image.convert("RGB").tobytes()


def test_an_image_that_lies_on_its_side_still_says_so(sent, tmp_path):
    tags = Image.Exif()
    tags[0x0112] = 6  # orientation (Exif 2.3, table 4): to be turned clockwise
    path = tmp_path / "phone.jpg"
    Image.new("RGB", (8, 4)).save(path, exif=tags)
    with Image.open(path) as image:
        assert _opened(sent(image)[1]).getexif()[0x0112] == 6


def test_an_image_whose_file_is_cut_short_names_the_reason(scripted, tmp_path):
    path = tmp_path / "cut.jpg"
    Image.fromarray(RANDOM.integers(0, 256, (64, 64, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-900])
    with (
        Image.open(path) as image,
        Client(scripted.url) as client,
        pytest.raises(errors.BadPicture, match="truncated") as caught,
    ):
        client.classify(image)
    assert caught.value.code == "unsupported_pixels"
