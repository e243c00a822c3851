"""Random operations on an index, with restarts, against a dictionary and NumPy."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alexnet_server.errors import PictureNotFound
from alexnet_server.index.database import Database
from alexnet_server.index.pictures import PictureIndex
from alexnet_server.index.records import (
    METRICS,
    Binding,
    Neighbor,
    NewPicture,
    Record,
    Repeat,
    StoredPicture,
)
from alexnet_server.index.where import EVERYTHING, Where, parse_where
from alexnet_server.index.writer import Writer
from tests.faults.size import sized

SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
# In full for one metric; the other differs in the arithmetic of its distances alone.
OPERATIONS = {"l2": sized(400, 20_000), "cosine": sized(400, 5000)}
UNITS = 32
IDS = [f"p{number}" for number in range(500)]
LABELS = ("cat", "dog", "it's")
RESTARTS = 0.01
EXACT_UP_TO, AGAIN_AT = 60, 150  # so that codes take part
# Of searches by codes, over all of a run: few of them in a sample, so that one weighs more.
LEAST_RECALL = sized(0.9, 0.95)


@dataclass
class Kept:
    """What the dictionary knows of a picture."""

    sha: str
    label: str | None
    metadata: dict[str, Any]
    thumbnail: bytes
    features: np.ndarray
    created_at: str | None = None


@dataclass
class Model:
    """An index, the dictionary that it must equal, and what they are asked."""

    path: Path
    metric: str
    dice: random.Random
    numbers: np.random.Generator
    kept: dict[str, Kept] = field(default_factory=dict)
    recalls: list[float] = field(default_factory=list)
    restarts: int = 0

    def open(self) -> None:
        binding = Binding("digest", UNITS, metric=self.metric)
        self.database = Database(self.path)
        self.writer = Writer(self.database)
        self.index = PictureIndex(
            self.database, self.writer, binding, exact_up_to=EXACT_UP_TO, again_at=AGAIN_AT
        )

    def close(self) -> None:
        self.index.close()
        self.writer.close()
        self.database.close()

    def restart(self) -> None:
        self.close()
        self.open()
        self.restarts += 1
        assert self.index.count() == len(self.kept)
        with self.database.reading() as connection:
            for table in ("features", "thumbnails", "codes"):
                select = f"SELECT count(*) FROM {table} LEFT JOIN pictures AS p USING (picture)"
                assert connection.execute(f"{select} WHERE p.id IS NULL").get == 0

    def step(self) -> None:
        if self.dice.random() < RESTARTS:
            self.restart()
        steps: list[tuple[Callable[[], None], int]] = [
            (self.upsert, 8),
            (self.describe, 2),
            (self.restore, 2),
            (self.delete, 3),
            (self.delete_where, 1),
            (self.ask_one, 3),
            (self.ask_page, 2),
            (self.search, 6),
            (self.pairs, 1),
        ]
        choices, weights = zip(*steps, strict=True)
        self.dice.choices(choices, weights)[0]()

    def picture(self, name: str) -> NewPicture:
        metadata: dict[str, Any] = {"n": self.dice.randrange(20), "odd": self.dice.random() < 0.5}
        if self.dice.random() < 0.3:
            metadata["n"] = str(metadata["n"])
        # Few of each, so that pictures are near each other and distances are equal.
        features = self.numbers.gamma(0.5, 2, UNITS).astype(np.float32)
        if self.kept and self.dice.random() < 0.3:
            near = self.kept[self.dice.choice(sorted(self.kept))].features
            features = (near + self.dice.choice([0.0, 0.01])).astype(np.float32)
        sha, thumbnail = self.dice.randbytes(8).hex(), self.dice.randbytes(20)
        label = self.dice.choice([None, *LABELS])
        return NewPicture(name, sha, label, metadata, thumbnail, features)

    def upsert(self) -> None:
        names = self.dice.choices(IDS, k=self.dice.choice([1, 1, 3, 20]))
        given = [self.picture(name) for name in names]
        expected = dict(self.kept)
        for one, done in zip(given, self.index.upsert(given), strict=True):
            assert done.created == (one.id not in expected)
            expected[one.id] = Kept(
                one.content_sha256,
                one.label,
                one.metadata or {},
                one.thumbnail,
                one.features,
                done.picture.created_at,
            )
        self.kept = expected

    def describe(self) -> None:
        name = self.dice.choice(IDS)
        kept = self.kept.get(name)
        repeat = Repeat(name, kept.sha if kept else "gone", "it's", self.dice.choice([None, {}]))
        if kept is None or self.dice.random() < 0.2:
            wrong = Repeat(name, "other", None, None)
            with pytest.raises(PictureNotFound):
                self.index.upsert([self.picture("never"), wrong])
            return
        (done,) = self.index.upsert([repeat])
        kept.label = "it's"
        kept.metadata = kept.metadata if repeat.metadata is None else {}
        assert not done.created

    def restore(self) -> None:
        names = self.dice.sample(IDS, 3)
        records = []
        for name in names:
            one = self.picture(name)
            sha = one.content_sha256
            if name in self.kept and self.dice.random() < 0.5:
                sha = self.kept[name].sha
            old = StoredPicture(name, sha, one.label, one.metadata or {}, "2020-01-01T00:00:00Z")
            records.append(Record(old, one.thumbnail, one.features))
        fresh = [
            one
            for one in records
            if one.picture.id not in self.kept
            or self.kept[one.picture.id].sha != one.picture.content_sha256
        ]
        assert self.index.restore(records) == len(fresh)
        for one in fresh:
            told = one.picture
            self.kept[told.id] = Kept(
                told.content_sha256,
                told.label,
                told.metadata,
                one.thumbnail,
                one.features,
                told.created_at,
            )

    def delete(self) -> None:
        names = self.dice.choices(IDS, k=self.dice.choice([1, 5, 30]))
        assert self.index.delete(names) == len(set(names) & self.kept.keys())
        for name in names:
            self.kept.pop(name, None)

    def where(self) -> Where:
        given: dict[str, Any] = self.dice.choice(
            [
                {},
                {"odd": True},
                {"n": {"gte": self.dice.randrange(15), "lt": 18}},
                {"n": ["3", 4, 5]},
                {"n": {"gt": "1"}, "odd": False},
            ]
        )
        return parse_where(given, self.dice.choice([None, None, "cat", "it's"]))

    def passing(self, where: Where) -> list[str]:
        return sorted(name for name, one in self.kept.items() if passes(one, where))

    def delete_where(self) -> None:
        where = self.where()
        if where == EVERYTHING:
            with pytest.raises(ValueError, match="everything"):
                self.index.delete_where(where)
            return
        names, limit = self.passing(where), self.dice.randrange(1, 40)
        done = self.index.delete_where(where, limit=limit)
        assert (done.deleted, done.left) == (len(names[:limit]), len(names[limit:]))
        for name in names[:limit]:
            del self.kept[name]

    def ask_one(self) -> None:
        name = self.dice.choice(IDS)
        kept = self.kept.get(name)
        assert self.index.known([name]) == ({} if kept is None else {name: kept.sha})
        if kept is None:
            with pytest.raises(PictureNotFound):
                self.index.get(name)
            return
        assert self.index.get(name) == StoredPicture(
            name, kept.sha, kept.label, kept.metadata, str(kept.created_at)
        )
        assert self.index.thumbnail(name) == kept.thumbnail
        assert np.array_equal(self.index.features(name), kept.features)

    def ask_page(self) -> None:
        where, after = self.where(), self.dice.choice(["", *IDS])
        limit = self.dice.choice([1, 7, 1000])
        names = self.passing(where)
        page = self.index.page(after, limit, where)
        later = [name for name in names if name > after]
        assert [one.id for one in page.pictures] == later[:limit]
        assert page.next_cursor == (later[limit - 1] if len(later) > limit else None)
        assert page.count == self.index.count(where) == len(names)
        assert self.index.count() == len(self.kept)
        every = sorted(name for name in self.kept if name > after)
        records = self.index.records(after, limit)
        assert [one.picture.id for one in records] == every[:limit]

    def distances(self, names: list[str], query: np.ndarray) -> np.ndarray:
        rows = np.array([self.kept[name].features for name in names], np.float64)
        rows = rows.reshape(-1, UNITS)
        wanted = query.astype(np.float64)
        if self.metric == "l2":
            return np.linalg.norm(rows - wanted, axis=1)
        return 1 - rows @ wanted / np.linalg.norm(rows, axis=1) / np.linalg.norm(wanted)

    def search(self) -> None:
        where, k = self.where(), self.dice.choice([1, 10, 50])
        query = self.picture("query").features
        excluding = self.dice.choice([None, *IDS])
        limit = self.dice.choice([None, None, 0.5])
        names = [name for name in self.passing(where) if name != excluding]
        distances = dict(zip(names, self.distances(names, query), strict=True))
        best = sorted(one for one in distances.values() if limit is None or one <= limit - 1e-4)
        for exact in (True, False):
            found = self.index.search(
                query, k, where=where, max_distance=limit, excluding=excluding, exact=exact
            )
            self.require_right(found, distances, limit)
            if exact:
                assert len(found) >= min(k, len(best))
                told = [one.distance for one in found][: len(best)]
                np.testing.assert_allclose(told, best[: len(told)], atol=2e-4)
            elif best:
                near = [one for one in found if one.distance <= best[:k][-1] + 2e-4]
                self.recalls.append(min(1.0, len(near) / len(best[:k])))

    def require_right(
        self, found: list[Neighbor], distances: dict[str, float], limit: float | None
    ) -> None:
        """No two alike, nearest first, each with its own distance, label and metadata."""
        assert len({one.id for one in found}) == len(found)
        told = [one.distance for one in found]
        assert told == sorted(told)
        assert limit is None or not told or told[-1] <= limit
        for one in found:
            assert abs(one.distance - distances[one.id]) < 2e-4
            kept = self.kept[one.id]
            assert (one.label, one.metadata) == (kept.label, kept.metadata)

    def pairs(self) -> None:
        if not self.kept:
            return
        limit, after = 0.2, self.dice.choice(["", *IDS])
        names = sorted(name for name in self.kept if name > after)[:5]
        pairs, _ = self.index.pairs(after, 5, limit)
        told = {(one.id, one.other) for one in pairs}
        every = sorted(self.kept)
        for name in names:
            distances = self.distances(every, self.kept[name].features)
            for other, far in zip(every, distances, strict=True):
                if other < name and far < limit - 1e-3:
                    assert (name, other) in told
                if other < name and far > limit + 1e-3:
                    assert (name, other) not in told
        assert len(told) == len(pairs)


def passes(one: Kept, where: Where) -> bool:
    if where.label is not None and one.label != where.label:
        return False
    return all(holds(one.metadata.get(c.key), c.operator, c.value) for c in where.conditions)


def holds(value: object, operator: str, wanted: object) -> bool:
    if operator == "in":
        return any(type(value) is type(one) and value == one for one in wanted)
    if type(value) is not type(wanted):
        return False
    return {
        "eq": value == wanted,
        "gt": operator == "gt" and value > wanted,
        "gte": operator == "gte" and value >= wanted,
        "lt": operator == "lt" and value < wanted,
    }[operator]


@pytest.mark.parametrize("metric", METRICS)
def test_an_index_is_a_dictionary(
    metric: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Model(
        tmp_path / "index.sqlite", metric, random.Random(SEED), np.random.default_rng(SEED)
    )
    model.open()
    for number in range(OPERATIONS[metric]):
        try:
            model.step()
        except AssertionError as error:
            raise AssertionError(f"seed {SEED}, {metric}, operation {number}") from error
    model.restart()
    assert model.index.describe()["coder"] is not None  # they were searched by codes
    model.close()
    recall = float(np.mean(model.recalls))
    assert recall >= LEAST_RECALL
    with capsys.disabled():
        sys.stdout.write(
            f"\n{metric}: {OPERATIONS[metric]} operations and {model.restarts} restarts "
            f"from seed {SEED}, recall by codes {recall:.4f}\n"
        )
