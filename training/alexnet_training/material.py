"""What one run learns from: both halves decoded, and what the training half is like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from alexnet_training.cache import (
    Decoded,
    PixelStatistics,
    decode_photos,
    need_space,
    pixel_statistics,
)
from alexnet_training.folders import Photos


@dataclass(frozen=True)
class Material:
    """Decoded photos of both halves; ``statistics`` are of the training half alone."""

    classes: tuple[str, ...]
    training: Decoded
    validation: Decoded
    statistics: PixelStatistics

    @property
    def skipped(self) -> list[str]:
        """A line for every photo that could not be decoded."""
        return [*self.training.skipped, *self.validation.skipped]


def gather(
    photos: Photos, cache: Path, beside_bytes: int, strict: bool, between: Callable[[], None]
) -> Material:
    """Decode both halves below ``cache``, which must exist or be creatable; raises DataError.

    The space for both, and for what will lie beside them, is looked for before the first photo is
    decoded: raises NoSpace.
    """
    if not cache.exists():
        count = len(photos.training) + len(photos.validation)
        need_space(cache.parent, count, beside_bytes)
    training = decode_photos(
        photos.training, photos.classes, cache / "training", strict=strict, between=between
    )
    validation = decode_photos(
        photos.validation,
        photos.classes,
        cache / "validation",
        every_class=False,  # a class of one good photo can be trained on, but not validated
        strict=strict,
        between=between,
    )
    statistics = pixel_statistics(training.pixels, between)
    return Material(photos.classes, training, validation, statistics)
