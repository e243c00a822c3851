"""What decoding takes: alexnet_pixels against Pillow alone, on the same photos.

    .venv/bin/python -m benchmarks.decode --pictures photos

Pillow alone decodes, resizes the whole picture and cuts the centre out, as torchvision's
``Resize(256)`` and ``CenterCrop(256)`` do on its images.  One thread; the two take turns, photo by
photo, so that both see the same disturbances.  The pixels are compared too.
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from tqdm import tqdm

from alexnet_pixels import square
from alexnet_pixels.decode import decode
from alexnet_pixels.errors import PictureError
from benchmarks.arguments import add_out, parser_of
from benchmarks.result import RESULTS, heading, keep, measured_on

Pixels = npt.NDArray[np.uint8]
Decode = Callable[[bytes], Pixels]

_RESULTS = RESULTS / "decode.json"
_SIDE = 256


def main() -> None:
    """Measure, print the table and write it as JSON."""
    parser = parser_of(__doc__)
    parser.add_argument("--pictures", type=Path, required=True, help="a folder of photos")
    parser.add_argument("--rounds", type=int, default=9, help="rounds over all photos (9)")
    add_out(parser, _RESULTS)
    arguments = parser.parse_args()
    photos = _photos(arguments)
    ways: dict[str, Decode] = {"ours": decode, "pillow": by_pillow}
    times = _times(photos, ways, arguments.rounds)
    medians = {way: statistics.median(found) for way, found in times.items()}
    result = {
        **measured_on("pillow", "simplejpeg", "cykooz_resizer", "numpy"),
        "photos": len(photos),
        "bytes_median": round(statistics.median(map(len, photos))),
        "n": arguments.rounds,
        "ms_a_photo": {way: _spread(found) for way, found in times.items()},
        "ours_over_pillow": round(medians["pillow"] / medians["ours"], 2),
        "resizer": "cykooz_resizer" if square.resizing is not None else "pillow",
        "apart": _apart(photos),
    }
    sys.stdout.write(_text(result))
    keep(result, arguments.out)


def by_pillow(data: bytes) -> Pixels:
    """Pillow alone, uint8 [256, 256, 3]."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    width, height = image.size
    long = int(_SIDE * max(width, height) / min(width, height))
    resized = (_SIDE, long) if width <= height else (long, _SIDE)
    image = image.resize(resized, Image.Resampling.BILINEAR)
    left, top = (int(round((side - _SIDE) / 2.0)) for side in resized)
    return np.asarray(image.crop((left, top, left + _SIDE, top + _SIDE)))


def _photos(arguments: argparse.Namespace) -> list[bytes]:
    """Every upright photo of the folder: Pillow's way, above, does not turn one."""
    photos = []
    for path in sorted(path for path in arguments.pictures.rglob("*") if path.is_file()):
        data = path.read_bytes()
        try:
            decode(data)
        except PictureError:
            continue
        if Image.open(io.BytesIO(data)).getexif().get(0x0112, 1) == 1:
            photos.append(data)
    if not photos:
        sys.exit(f"there are no photos in {arguments.pictures}")
    return photos


def _times(photos: list[bytes], ways: dict[str, Decode], rounds: int) -> dict[str, list[float]]:
    """Milliseconds a photo of each round."""
    times: dict[str, list[float]] = {way: [] for way in ways}
    for number in tqdm(range(rounds), "rounds", disable=None):
        spent = dict.fromkeys(ways, 0.0)
        for photo in photos:
            for way in list(ways) if number % 2 else list(reversed(ways)):
                began = time.perf_counter()
                ways[way](photo)
                spent[way] += time.perf_counter() - began
        for way, seconds in spent.items():
            times[way].append(1000 * seconds / len(photos))
    return times


def _spread(found: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(found), 3),
        "least": round(min(found), 3),
        "most": round(max(found), 3),
    }


def _apart(photos: list[bytes]) -> dict[str, float]:
    """How far the pixels of the two ways are apart, in 1/255."""
    differences = [decode(photo).astype(int) - by_pillow(photo).astype(int) for photo in photos]
    return {
        "most": int(max(np.abs(one).max() for one in differences)),
        "mean": round(float(np.mean([np.abs(one).mean() for one in differences])), 3),
        "bias": round(float(np.mean([one.mean() for one in differences])), 4),
    }


def _text(result: dict[str, Any]) -> str:
    rows = "".join(
        f"{way:>8}  {one['median']:6.2f} ms a photo ({one['least']:.2f} to {one['most']:.2f})\n"
        for way, one in result["ms_a_photo"].items()
    )
    apart = result["apart"]
    return (
        f"{heading(result)}\n{result['photos']} photos, n {result['n']}, one thread\n{rows}"
        f"Pillow takes {result['ours_over_pillow']:.2f} times as long; pixels at most "
        f"{apart['most']}/255 apart, {apart['mean']}/255 on average\n"
    )


if __name__ == "__main__":
    main()
