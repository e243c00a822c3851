"""What one run learns from: both halves decoded, and what the training half is like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from alexnet_training.photos.cache import Decoded, need_space
from alexnet_training.photos.duplicates import in_both, refuse_leaks
from alexnet_training.photos.folders import Photos
from alexnet_training.photos.pixel_statistics import PixelStatistics, pixel_statistics
from alexnet_training.photos.preparation import decode_photos


@dataclass(frozen=True)
class Material:
    """Decoded photos of both halves.

    ``statistics`` are of the training half alone; ``left_out`` names training photos that are in
    the validation half too.
    """

    classes: tuple[str, ...]
    training: Decoded
    validation: Decoded
    statistics: PixelStatistics
    left_out: tuple[str, ...] = ()

    @property
    def skipped(self) -> list[str]:
        """A line for every photo that could not be decoded."""
        return [*self.training.skipped, *self.validation.skipped]


def gather(
    photos: Photos,
    cache: Path,
    *,
    beside_bytes: int = 0,
    strict: bool = False,
    leave_out_duplicates: bool = False,
    between: Callable[[], None] = lambda: None,
) -> Material:
    """Decode both halves below ``cache``, which must exist or be creatable; raises DataError.

    The space for both, and for what will lie beside them, is looked for before the first photo is
    decoded: raises NoSpace.  Training photos that are in the validation half too raise
    DuplicatePhotos, or are left out.
    """
    if not cache.exists():
        count = len(photos.training) + len(photos.validation)
        cache.parent.mkdir(parents=True, exist_ok=True)
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
    left_out: list[str] = []
    if leave_out_duplicates:
        rows = [row for row, _ in in_both(training, validation)]
        left_out = [training.names[row] for row in rows]
        training = training.without(set(rows)) if rows else training
    refuse_leaks(training, validation)
    statistics = pixel_statistics(training.pixels, between)
    return Material(photos.classes, training, validation, statistics, tuple(left_out))
