"""Exact distances against NumPy in double precision."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from alexnet_server.index.nearest import Candidates, distances
from alexnet_server.index.stored_features import StoredFeatures

UNITS = 48


def stored(keys: np.ndarray, features: np.ndarray) -> StoredFeatures:
    return StoredFeatures(keys, features, np.array([zlib.crc32(one) for one in features]))


def oracle(features: np.ndarray, query: np.ndarray, metric: str) -> np.ndarray:
    wide, asked = features.astype(np.float64), query.astype(np.float64)
    if metric == "l2":
        return np.sqrt(((wide - asked) ** 2).sum(axis=1))
    return 1 - wide @ asked / (np.linalg.norm(wide, axis=1) * np.linalg.norm(asked))


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    return np.random.default_rng(7).gamma(0.5, 2, (900, UNITS)).astype(np.float32)


@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_distances_equal_numpy(features: np.ndarray, metric: str) -> None:
    query = features[3] + np.float32(0.25)
    np.testing.assert_allclose(
        distances(features, query, metric), oracle(features, query, metric), rtol=1e-5, atol=1e-7
    )


@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_a_picture_is_at_distance_0_from_itself(features: np.ndarray, metric: str) -> None:
    for row in range(20):
        assert distances(features * 900, features[row] * 900, metric)[row] == 0


def test_cosine_is_the_same_at_every_scale_and_1_where_there_is_no_direction(
    features: np.ndarray,
) -> None:
    query = features[0]
    np.testing.assert_allclose(
        distances(features * 1_000, query / 1_000, "cosine"),
        distances(features, query, "cosine"),
        rtol=1e-3,
        atol=1e-6,
    )
    empty = np.zeros_like(features[:2])
    assert distances(empty, query, "cosine").tolist() == [1, 1]
    assert distances(features[:2], empty[0], "cosine").tolist() == [1, 1]
    assert distances(-features[:1], query, "cosine") == pytest.approx(2)


@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_candidates_keep_the_nearest_of_all_chunks(features: np.ndarray, metric: str) -> None:
    query = features[5]
    twice = np.concatenate([features, features])
    expected = oracle(twice, query, metric)
    limit = float(np.sort(expected)[40]) + 1e-6
    candidates = Candidates(query, 100, limit, metric)
    for start in range(0, len(twice), 250):
        chunk = twice[start : start + 250]
        candidates.offer(stored(np.arange(start, start + len(chunk)), chunk))
    found = candidates.nearest()
    # Everything is there twice: equal distances stand in order of key.
    order = np.lexsort((np.arange(len(twice)), np.round(expected, 6)))
    assert [key for key, _ in found[:42]] == order[:42].tolist()
    assert all(distance <= limit for _, distance in found)
    assert len(found) == np.count_nonzero(expected <= limit)


def test_what_several_found_is_what_one_finds(features: np.ndarray) -> None:
    keys = np.arange(len(features))
    alone = Candidates(features[5], 20)
    alone.offer(stored(keys, features))
    together = Candidates(features[5], 20)
    for part in np.array_split(keys, 3):
        one = together.like()
        one.offer(stored(part, features[part]))
        together.merge(one)
    assert together.nearest() == alone.nearest()


def test_only_damage_to_the_nearest_is_told(features: np.ndarray) -> None:
    keys, order = np.arange(len(features)), np.argsort(oracle(features, features[5], "l2"))
    near, far = int(order[3]), int(order[-1])
    read = stored(keys, features)
    read.crc32[[near, far]] ^= 1
    candidates, merged = Candidates(features[5], 20), Candidates(features[5], 20)
    candidates.offer(read)
    merged.merge(candidates)
    assert candidates.damaged == merged.damaged == {near}
