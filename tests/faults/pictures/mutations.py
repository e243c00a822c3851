"""Seeded damage to pictures: cut, flipped, spliced, headers changed, bytes replaced."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from alexnet_pixels.decode import decode
from alexnet_pixels.errors import PictureError
from tests.faults.pictures import png_bytes

_HEADER_BYTES = 40
Bytes = np.ndarray  # uint8 [n]
Sources = dict[str, bytes]


def mutant(sources: Sources, number: int) -> tuple[str, bytes]:
    """What number ``number`` was made of and how, and its bytes; the same at every call."""
    random = np.random.default_rng([7, number])
    name = list(sources)[number % len(sources)]
    way = _WAYS[number // len(sources) % len(_WAYS)]
    other = sources[str(random.choice(list(sources)))]
    data = way(random, _bytes(sources[name]).copy(), _bytes(other)).tobytes()
    if name.startswith("PNG") and random.random() < 0.5:
        data = _with_true_checksums(data)
    return f"{number}: {name}, {way.__name__}", data


@dataclass
class Tally:
    """What a run of mutants came to; ``strangers``: exceptions that are none of ours."""

    pixels: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    strangers: list[str] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")  # CPU seconds


def tally(sources: Sources, numbers: range) -> Tally:
    """Decode mutants, in any process."""
    found = Tally()
    for number in numbers:
        name, data = mutant(sources, number)
        began = time.thread_time()
        try:
            found.pixels += decode(data).shape == (256, 256, 3)
        except PictureError as error:
            kind = type(error).__name__
            found.errors[kind] = found.errors.get(kind, 0) + 1
        except Exception as error:  # noqa: BLE001 - which kinds there are is what is asked
            found.strangers.append(f"{name}: {error!r}")
        found.slowest = max(found.slowest, (time.thread_time() - began, name))
    return found


def truncated(random: np.random.Generator, data: Bytes, _: Bytes) -> Bytes:
    return data[: random.integers(1, len(data))]


def flipped(random: np.random.Generator, data: Bytes, _: Bytes) -> Bytes:
    places = random.integers(0, len(data), random.integers(1, 9))
    data[places] ^= (1 << random.integers(0, 8, len(places))).astype(np.uint8)
    return data


def replaced(random: np.random.Generator, data: Bytes, _: Bytes) -> Bytes:
    places = random.integers(0, len(data), random.integers(1, 33))
    data[places] = random.integers(0, 256, len(places))
    return data


def header_changed(random: np.random.Generator, data: Bytes, _: Bytes) -> Bytes:
    places = random.integers(0, min(_HEADER_BYTES, len(data)), random.integers(1, 5))
    data[places] = random.choice([0, 1, 0x7F, 0x80, 0xFF, random.integers(0, 256)], len(places))
    return data


def spliced(random: np.random.Generator, data: Bytes, other: Bytes) -> Bytes:
    begin, end = sorted(random.integers(0, len(other), 2))
    at, skipped = sorted(random.integers(0, len(data), 2))
    return np.concatenate([data[:at], other[begin:end], data[skipped:]])


def repeated(random: np.random.Generator, data: Bytes, _: Bytes) -> Bytes:
    begin, end = sorted(random.integers(0, len(data), 2))
    return np.concatenate(
        [data[:end], *[data[begin:end]] * int(random.integers(1, 20)), data[end:]]
    )


_WAYS = (truncated, flipped, replaced, header_changed, spliced, repeated)


def _bytes(data: bytes) -> Bytes:
    return np.frombuffer(data, np.uint8)


def _with_true_checksums(data: bytes) -> bytes:
    """As one who means harm would send it: each chunk's checksum is that of its bytes."""
    parts = png_bytes.chunks(data)
    return png_bytes.SIGNATURE + b"".join(png_bytes.chunk(*part) for part in parts)
