"""What a precision costs against fp32."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

_MAYBE = {"top1_fp32", "top1", "top5_fp32", "top5"}  # None without known classes


@dataclass(frozen=True)
class Loss:
    """A precision against fp32 on ``pictures`` that took no part in the calibration.

    ``top1`` and ``top5``, shares of the pictures, are None where the pictures' classes are not
    known.  ``top1_loss`` is in points of a hundred: what top-1 lost, or without known classes the
    share of the pictures whose likeliest class is another than in fp32.
    """

    pictures: int
    top1_fp32: float | None
    top1: float | None
    top5_fp32: float | None
    top5: float | None
    top1_agreement: float
    top1_loss: float
    features_cosine: float

    def as_json(self) -> dict[str, Any]:
        """For the manifest."""
        return asdict(self)

    @classmethod
    def stored(cls, table: Mapping[str, Any]) -> Loss:
        """What ``as_json`` gave.  Raises TypeError or ValueError where it is not that."""
        numbers = {
            name: None if value is None and name in _MAYBE else float(value)
            for name, value in table.items()
        }
        return replace(cls(**numbers), pictures=int(table["pictures"]))  # type: ignore[arg-type]
