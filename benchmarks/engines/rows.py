"""Rounds of several ways in turn, and what their times come to."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.uint8]
Features = npt.NDArray[np.float32]

# A runtime's idle threads spin on for a while, on the cores of whoever is measured next.
_SETTLE_S = 0.1
# A short measurement sees the scheduler more than the network: repeat inside it.
_MEASURE_S = 0.1


@dataclass(frozen=True)
class Way:
    """One way to compute the network: uint8 [n, side, side, 3] -> features float32 [n, units].

    ``precision`` is that of its products: fp32, bf16 or int8.  ``note`` says what it lacks here.
    """

    precision: str
    run: Callable[[Images], Features]
    note: str = ""


def order(names: list[str], number: int) -> list[str]:
    """Whose turn it is in round ``number``: every second round the other way."""
    return names if number % 2 == 0 else names[::-1]


def spread(values: list[float]) -> dict[str, float]:
    """Median, smallest, largest and both quartiles; one value is all of them."""
    low, median, high = (float(part) for part in np.quantile(values, (0.25, 0.5, 0.75)))
    return {"median": median, "min": min(values), "max": max(values), "q1": low, "q3": high}


def interleaved(ways: Mapping[str, Way], images: Images, rounds: int) -> dict[str, list[float]]:
    """Seconds of one pass over ``images`` by way and round."""
    calls = {}
    for name, way in ways.items():
        once = statistics.median(_seconds(way, images, 1) for _ in range(2))
        calls[name] = max(1, round(_MEASURE_S / once))
    found: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        for name in order(list(ways), number):
            time.sleep(_SETTLE_S)
            found[name].append(_seconds(ways[name], images, calls[name]))
    return found


def _seconds(way: Way, images: Images, calls: int) -> float:
    way.run(images)  # not counted
    began = time.perf_counter()
    for _ in range(calls):
        way.run(images)
    return (time.perf_counter() - began) / calls


def agreement(found: Features, ours: Features) -> dict[str, float]:
    """How far features [n, units] are from ours.

    ``largest_difference`` is a share of our largest feature; ``cosine`` is the mean of the rows,
    where a row of zeros has none and counts as 0.
    """
    given, wanted = found.astype(np.float64), ours.astype(np.float64)
    lengths = np.linalg.norm(given, axis=1) * np.linalg.norm(wanted, axis=1)  # [n]
    products = np.einsum("nu,nu->n", given, wanted)
    cosine = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
    return {
        "largest_difference": float(np.abs(given - wanted).max() / np.abs(wanted).max()),
        "cosine": float(cosine.mean()),
    }


def is_same(agreed: Mapping[str, float], precision: str) -> bool:
    """Whether features are the same network's: to float32's rounding, or alike in direction."""
    if precision == "fp32":
        return agreed["largest_difference"] < 1e-3
    return agreed["cosine"] > 0.99


def ratio(medians: Mapping[str, float], slower: str, faster: str) -> Any:  # noqa: ANN401 (JSON)
    """How many times as fast ``faster`` is as ``slower``; None where one was not measured."""
    if slower not in medians or faster not in medians:
        return None
    return round(medians[slower] / medians[faster], 3)
