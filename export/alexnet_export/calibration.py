"""The ranges that int8 rounds by, and where they come from: photos, or a compressed file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

# Of the methods of ONNX Runtime this one came nearest to float32 on a network trained on photos:
# docs/precision.md has the table.
PERCENTILE = 99.999

Range = tuple[np.float32, np.float32]


@dataclass(frozen=True)
class Calibration:
    """``ranges``: the least and the largest value that is told apart, by the value's name.

    ``pictures`` is their number, ``digest`` the sha256 of their pixels.
    """

    ranges: dict[str, Range]
    pictures: int
    digest: str

    def as_json(self) -> dict[str, Any]:
        """For the manifest."""
        method = f"percentile {PERCENTILE}"
        return {"pictures": self.pictures, "method": method, "digest": self.digest}

    def with_ranges(self) -> dict[str, Any]:
        """For a compressed file: everything ``stored`` needs."""
        ranges = {name: [float(low), float(high)] for name, (low, high) in self.ranges.items()}
        return {**self.as_json(), "ranges": ranges}


def stored(table: Mapping[str, Any]) -> Calibration:
    """What ``with_ranges`` gave.  Raises KeyError, TypeError or ValueError where it is not that."""
    ranges = {
        str(name): (np.float32(low), np.float32(high))
        for name, (low, high) in table["ranges"].items()
    }
    if not all(np.isfinite(ends).all() for ends in ranges.values()):
        raise ValueError("a range does not end")
    return Calibration(ranges, int(table["pictures"]), str(table["digest"]))
