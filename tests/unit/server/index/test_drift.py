"""Drift by another way: all distances at once, in float64."""

from __future__ import annotations

import numpy as np
import pytest

from alexnet_server.index import drift as drift_module
from alexnet_server.index.drift import Side, drift

UNITS = 16


def side(features: np.ndarray, metric: str = "l2") -> Side:
    return Side(lambda rows: features[rows].astype(np.float32), metric)


def nearest(features: np.ndarray, metric: str, k: int = 10) -> list[set[int]]:
    if metric == "cosine":
        features = features / np.linalg.norm(features, axis=1, keepdims=True)
    distances = np.linalg.norm(features[:, None] - features[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    return [set(row[: min(k, len(features) - 1)]) for row in np.argsort(distances, axis=1)]


@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_it_is_what_all_distances_say(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift_module, "_ROWS", 7)
    dice = np.random.default_rng(3)
    old = dice.normal(size=(200, UNITS))
    new = old + 0.3 * dice.normal(size=old.shape)
    labels = [None if number % 4 == 0 else "ab"[number % 2] for number in range(len(old))]
    told: list[int] = []
    found = drift(labels, side(old, metric), side(new, metric), told.append)
    before, after = nearest(old, metric), nearest(new, metric)
    kept = np.mean([len(one & two) / 10 for one, two in zip(before, after, strict=True)])

    def majority(rows: set[int]) -> str | None:
        given = [labels[row] for row in rows if labels[row] is not None]
        return min(set(given), key=lambda label: (-given.count(label), label), default=None)

    voting = [row for row, label in enumerate(labels) if label is not None]
    flipped = np.mean([majority(before[row]) != majority(after[row]) for row in voting])
    cosine = (old * new).sum(1) / np.linalg.norm(old, axis=1) / np.linalg.norm(new, axis=1)
    assert found.pictures == found.compared == sum(told) == 200
    assert found.neighbors_kept_at_10 == pytest.approx(kept, abs=1e-4)
    assert found.mean_cosine == pytest.approx(cosine.mean(), abs=1e-4)
    assert found.labelled == len(voting) == 150
    assert found.labels_flipped == pytest.approx(flipped, abs=1e-4)
    assert 0.3 < kept < 0.95
    assert flipped > 0.02  # the test would see a difference


def test_the_same_features_do_not_drift() -> None:
    features = np.random.default_rng(0).normal(size=(50, UNITS))
    found = drift(["a", "b"] * 25, side(features), side(features), lambda _: None)
    assert (found.neighbors_kept_at_10, found.mean_cosine, found.labels_flipped) == (1, 1, 0)


def test_fewer_than_ten_others_are_all_neighbours() -> None:
    dice = np.random.default_rng(0)
    old, new = dice.normal(size=(5, UNITS)), dice.normal(size=(5, 8))
    found = drift([None] * 5, side(old), side(new), lambda _: None)
    assert found.neighbors_kept_at_10 == 1
    assert (found.mean_cosine, found.labels_flipped, found.labelled) == (None, None, 0)


@pytest.mark.parametrize("count", [0, 1])
def test_there_may_be_nothing_to_compare(count: int) -> None:
    features = np.ones((count, UNITS))
    found = drift([None] * count, side(features), side(features), lambda _: None)
    assert (found.pictures, found.compared, found.neighbors_kept_at_10) == (count, 0, None)


def test_a_thousand_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift_module, "MOST_COMPARED", 20)
    features = np.random.default_rng(0).normal(size=(400, UNITS))
    found = drift([None] * 400, side(features), side(-features), lambda _: None)
    assert (found.pictures, found.compared, found.neighbors_kept_at_10) == (400, 20, 1)
