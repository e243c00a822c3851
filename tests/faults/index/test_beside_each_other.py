"""Eight who search beside two who write, against NumPy: what each search may find and must find.

With the lock of the codes taken away the same check fails; it is the last test.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from alexnet_server.index.blocks import Blocks
from alexnet_server.index.cores import Cores
from alexnet_server.index.pictures import PictureIndex
from alexnet_server.index.records import Neighbor
from alexnet_server.index.scan import Scan
from tests.faults.size import sized
from tests.unit.server.index.coded import (
    clustered,
    coded_index,
    nearest_by_numpy,
    wait_for_codes,
)
from tests.unit.server.index.given import picture

SECONDS = sized(2.0, 60.0)
LESS_SECONDS = sized(2.0, 15.0)  # the same again: by another metric, and the scan alone
SEARCHERS, WRITERS = 8, 2
UNITS, K = 64, 10
NEVER = np.inf


class Story:
    """Versions of pictures: when each may have been there, and when it must have been.

    Version i is ``features[i]``; its content_sha256 and its metadata tell i.
    """

    def __init__(self, features: np.ndarray) -> None:
        self.features = features
        # May be found from ``begun`` to ``gone``, must be from ``stored`` to ``leaving``.
        self.begun, self.stored, self.leaving, self.gone = np.full((4, len(features)), NEVER)

    def require(self, found: list[Neighbor], query: np.ndarray, began_s: float, metric: str) -> int:
        """Raise where ``found`` is impossible; returns how many that must be there are missing."""
        ended_s = time.perf_counter()
        may = np.flatnonzero((self.begun <= ended_s) & (self.gone >= began_s))
        must = may[(self.stored[may] <= began_s) & (self.leaving[may] >= ended_s)]
        versions = [int(one.metadata["version"]) for one in found]
        distances = [one.distance for one in found]
        assert len(set(versions)) == K
        assert np.isin(versions, may).all(), "a picture that was not there any more, or not yet"
        expected = nearest_by_numpy(self.features[versions], query, metric)
        np.testing.assert_allclose(distances, expected, rtol=1e-4, atol=1e-6)
        assert distances == sorted(distances)
        others = nearest_by_numpy(self.features[must], query, metric)
        nearer = must[others < distances[-1] * (1 - 1e-5)]
        return int((~np.isin(nearer, versions)).sum())


@dataclass
class Writing:
    """One writer's pictures: stores, replaces and deletes them, and notes when."""

    index: PictureIndex
    story: Story
    versions: Iterator[int]  # its own alone
    name: str

    def __post_init__(self) -> None:
        self._there: dict[str, int] = {}
        self._random = np.random.default_rng(len(self.name) + ord(self.name[-1]))

    def step(self) -> None:
        if len(self._there) > 60 and self._random.random() < 0.5:
            self._delete([str(one) for one in self._random.choice(list(self._there), 12)])
        else:
            self._store(int(self._random.integers(1, 16)))

    def _store(self, count: int) -> None:
        # One of about five is there already and is replaced.
        ids = {f"{self.name}-{self._random.integers(500)}" for _ in range(count)}
        made = {name: next(self.versions) for name in ids}
        story, old = self.story, [self._there[name] for name in ids if name in self._there]
        story.begun[list(made.values())] = story.leaving[old] = time.perf_counter()
        self.index.upsert([version_of(story, name, version) for name, version in made.items()])
        story.stored[list(made.values())] = story.gone[old] = time.perf_counter()
        self._there |= made

    def _delete(self, ids: list[str]) -> None:
        versions = [self._there.pop(name) for name in set(ids)]
        self.story.leaving[versions] = time.perf_counter()
        assert self.index.delete(ids) == len(versions)
        self.story.gone[versions] = time.perf_counter()


def version_of(story: Story, name: str, version: int):  # type: ignore[no-untyped-def]
    made = picture(name, story.features[version], None, {"version": version})
    return replace(made, content_sha256=str(version))


@contextmanager
def repeated(steps: list[Callable[[], object]]) -> Iterator[Callable[[float], None]]:
    """Each of ``steps`` again and again on a thread of its own; yields how long to wait."""
    stop = threading.Event()

    def repeat(step: Callable[[], object]) -> None:
        try:
            while not stop.is_set():
                step()
        except StopIteration:
            pass  # a writer has stored all its versions
        finally:
            stop.set()  # that, or one that fails, ends all

    with ThreadPoolExecutor(len(steps)) as pool:
        running = [pool.submit(repeat, step) for step in steps]
        try:
            yield lambda seconds: stop.wait(seconds) and None
        finally:
            stop.set()
        for one in running:
            one.result()


@pytest.mark.parametrize(("metric", "seconds"), [("l2", SECONDS), ("cosine", LESS_SECONDS)])
def test_searches_beside_writes_equal_numpy(tmp_path: Path, metric: str, seconds: float) -> None:
    first = 600
    # A picture has some thirty like it, so that codes of 64 bits tell them from the others.
    story = Story(clustered(sized(20_000, 300_000), UNITS, centres=20))
    missing: list[int] = []
    missing_by_codes: list[int] = []
    with coded_index(tmp_path / "index.sqlite", metric, exact_up_to=400) as index:
        index.upsert([version_of(story, f"first-{i}", i) for i in range(first)])
        story.begun[:first], story.stored[:first] = 0, time.perf_counter()
        wait_for_codes(index)

        def search(number: int, random: np.random.Generator) -> None:
            query = story.features[random.integers(len(story.features))] * np.float32(1.02)
            is_exact = number % 2 == 0
            began_s = time.perf_counter()
            found = index.search(query, K, exact=is_exact)
            lost = story.require(found, query, began_s, metric)
            (missing if is_exact else missing_by_codes).append(lost)

        steps: list[Callable[[], object]] = [
            Writing(
                index, story, iter(range(first + n, len(story.features), WRITERS)), f"writer{n}"
            ).step
            for n in range(WRITERS)
        ]
        for number in range(SEARCHERS):
            random = np.random.default_rng(number)
            steps.append(lambda number=number, random=random: search(number, random))
        with repeated(steps) as wait:
            wait(seconds)
    assert len(missing) >= 20
    assert len(missing_by_codes) >= 20
    assert sum(missing) == 0
    assert sum(missing_by_codes) <= 0.01 * K * len(missing_by_codes)
    assert np.isfinite(story.stored).sum() > first + 100


CODE_BYTES = 64


def codes_of(keys: np.ndarray) -> np.ndarray:
    """The code of each key, made from the key alone, uint8 [n, CODE_BYTES]."""
    words = (keys[:, np.newaxis] * 2 + 1).astype(np.uint64) * np.arange(
        0x9E3779B97F4A7C15, 0x9E3779B97F4A7C15 + CODE_BYTES // 8, dtype=np.uint64
    )
    return np.ascontiguousarray(words).view(np.uint8)


class NoLock:
    """What Blocks has in place of its lock in the last test."""

    def shared(self) -> nullcontext[None]:
        return nullcontext()

    def alone(self) -> nullcontext[None]:
        return nullcontext()


class WrongCode(AssertionError):
    """A hit whose distance is not that of its key's code."""


def scan_beside_changes(blocks: Blocks, seconds: float) -> int:
    """Eight scan beside one that appends and one that removes; returns how many scans.

    Raises WrongCode.
    """
    keys = np.arange(1, 60_001)
    blocks.append(keys, codes_of(keys))
    end, scans, scan = itertools.count(60_001, 50), itertools.count(), Scan(Cores())
    random = np.random.default_rng(9)

    def append() -> None:
        start = next(end)
        added = np.arange(start, start + 50)
        blocks.append(added, codes_of(added))

    def remove() -> None:
        present = blocks.keys()
        blocks.remove(random.choice(present, 50))

    def search() -> None:
        query = codes_of(np.array([time.perf_counter_ns()]))[0]
        with blocks.reading() as read:
            found, distances = scan.nearest(read, query, 50)
        expected = np.bitwise_count(codes_of(found) ^ query).sum(axis=1)
        if not np.array_equal(expected, distances):
            raise WrongCode
        next(scans)

    try:
        with repeated([append, remove, *[search] * SEARCHERS]) as wait:
            wait(seconds)
    finally:
        scan.close()
    return next(scans)


def test_every_hit_has_the_distance_of_its_own_code() -> None:
    blocks = Blocks(CODE_BYTES, rows=8_192)
    assert scan_beside_changes(blocks, LESS_SECONDS) > 100
    with blocks.reading() as read:
        for block in read:
            np.testing.assert_array_equal(block.codes, codes_of(block.keys))


def test_without_the_lock_the_same_check_fails() -> None:
    with pytest.raises(WrongCode):
        scan_beside_changes(Blocks(CODE_BYTES, rows=8_192, lock=NoLock()), 60)
