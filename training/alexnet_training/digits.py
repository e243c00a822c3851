"""scikit-learn's 1,797 scanned digits as photos: something real to train on without a network.

The scans are 8x8 with values 0..16 (UCI "Optical Recognition of Handwritten Digits"); they come
inside the scikit-learn package.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from tqdm import tqdm

from alexnet_pixels.square import SIDE
from alexnet_training.photos.cache import saying_no_space

_LEVELS = 16
_SPLIT_SEED = 2012
_VALIDATION_SHARE = 5  # one in five of every digit


def write_digits(out: Path, between: Callable[[], None] = lambda: None) -> bool:
    """Write ``out/train/<digit>/NNNN.png`` and ``out/validation/<digit>/NNNN.png``, 256x256 grey.

    Returns False where ``out`` is there already.  Written beside and renamed at the end, so a
    half-written folder is never taken as whole.  Raises NoSpace, and what ``between`` raises.
    """
    if out.exists():
        return False
    unfinished = out.with_name(f"{out.name}.part-{os.getpid()}")
    try:
        with saying_no_space(out.parent):
            unfinished.mkdir(parents=True)
            _write_all(unfinished, between)
            unfinished.rename(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return True


def _write_all(folder: Path, between: Callable[[], None]) -> None:
    scans = load_digits()
    validation = _validation_rows(scans.target)
    for half in ("train", "validation"):
        for digit in range(10):
            (folder / half / str(digit)).mkdir(parents=True)
    numbered = enumerate(zip(scans.images, scans.target, strict=True))
    for row, (scan, digit) in tqdm(
        numbered, total=len(scans.target), desc="digits", unit="picture", disable=None
    ):
        between()
        half = "validation" if row in validation else "train"
        grey = np.round(scan * (255 / _LEVELS)).astype(np.uint8)  # [8, 8]
        picture = Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        picture.save(folder / half / str(digit) / f"{row:04d}.png", compress_level=1)


def _validation_rows(labels: np.ndarray) -> set[int]:
    chance = np.random.default_rng(_SPLIT_SEED)
    chosen: set[int] = set()
    for digit in range(10):
        rows = chance.permutation(np.flatnonzero(labels == digit))
        chosen.update(int(row) for row in rows[: len(rows) // _VALIDATION_SHARE])
    return chosen
