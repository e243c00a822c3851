"""Searches by codes against NumPy, and which searches are exact."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alexnet_server.errors import DeadlineExceeded, IndexMismatch, StorageFailed
from alexnet_server.index.pictures import PictureIndex
from alexnet_server.index.scan import Scan
from alexnet_server.index.search import candidates_of
from alexnet_server.index.where import Where, parse_where
from tests.unit.server.index.coded import (
    clustered,
    coded_index,
    nearest_by_numpy,
    wait_for_codes,
)
from tests.unit.server.index.given import picture
from tests.unit.server.index.test_coder import UNITS as GRAPH_UNITS
from tests.unit.server.index.test_coder import graph

COUNT, UNITS = 3_000, 256
METRICS = ("l2", "cosine")


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    return clustered(COUNT, UNITS)


@pytest.fixture(scope="module")
def few() -> np.ndarray:
    """For indexes of some hundred pictures: about as many of each kind as above."""
    return clustered(1_001, UNITS)


@pytest.fixture(scope="module", params=METRICS)
def index(
    request: pytest.FixtureRequest, features: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PictureIndex]:
    path = tmp_path_factory.mktemp("coded") / "index.sqlite"
    with coded_index(path, request.param, units=UNITS) as made:
        store(made, features)
        wait_for_codes(made)
        yield made


def store(index: PictureIndex, features: np.ndarray, first: int = 0) -> None:
    """Sixty of a hundred have the brand acme, one of a hundred the label rare."""
    for start in range(0, len(features), 1_000):
        index.upsert(
            [
                picture(
                    f"p{first + i:05d}",
                    features[i],
                    "rare" if i % 100 == 7 else "common",
                    {"brand": "acme" if i % 5 < 3 else "other", "n": i},
                )
                for i in range(start, min(start + 1_000, len(features)))
            ]
        )


@pytest.fixture
def scanned(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many keys each scan was restricted to; -1 for all."""
    seen: list[int] = []
    nearest = Scan.nearest

    def noted(self: Scan, blocks: Any, query: Any, r: int, passing: Any = None) -> Any:
        seen.append(-1 if passing is None else len(passing))
        return nearest(self, blocks, query, r, passing)

    monkeypatch.setattr(Scan, "nearest", noted)
    return seen


def recall(index: PictureIndex, features: np.ndarray, **how: Any) -> float:
    """Of the ten nearest by NumPy, the part that searches find; each distance is checked."""
    found, metric = 0, index.binding.metric
    for query in features[:20] * np.float32(1.05):
        expected = nearest_by_numpy(features, query, metric)
        best = {f"p{i:05d}" for i in np.argsort(expected, kind="stable")[:10]}
        for one in index.search(query, 10, **how):
            assert one.distance == pytest.approx(expected[int(one.id[1:])], rel=1e-4, abs=1e-6)
            found += one.id in best
    return found / 200


def test_codes_find_the_ten_nearest(
    index: PictureIndex, features: np.ndarray, scanned: list[int]
) -> None:
    assert recall(index, features) >= 0.99
    assert scanned == [-1] * 20


def test_exact_search_equals_numpy(
    index: PictureIndex, features: np.ndarray, scanned: list[int]
) -> None:
    assert recall(index, features, exact=True) == 1
    assert scanned == []


def test_a_code_that_says_nothing_finds_less(
    index: PictureIndex, features: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard of the recall above: it is the codes that choose."""
    stage = index._search._stages.current
    assert stage is not None
    monkeypatch.setattr(stage.coder, "encode", lambda rows: np.full((len(rows), 32), 85, np.uint8))
    assert recall(index, features) < 0.5


def test_own_distance_is_0_and_self_can_be_left_out(
    index: PictureIndex, features: np.ndarray
) -> None:
    for row in (0, 1_234, COUNT - 1):
        name = f"p{row:05d}"
        first = index.search(features[row], 3)[0]
        assert (first.id, first.distance) == (name, 0)
        others = index.search(features[row], 3, excluding=name)
        assert len(others) == 3
        assert name not in {one.id for one in others}
        limit = others[1].distance
        near = index.search(features[row], 50, excluding=name, max_distance=limit)
        assert [one.id for one in near] == [one.id for one in others[:2]]


def test_a_wide_filter_restricts_the_scan(
    index: PictureIndex, features: np.ndarray, scanned: list[int]
) -> None:
    where = parse_where({"brand": "acme"})
    passes = np.arange(COUNT) % 5 < 3
    found = 0
    for query in features[:20] * np.float32(1.05):
        expected = nearest_by_numpy(features, query, index.binding.metric)
        expected[~passes] = np.inf
        best = {f"p{i:05d}" for i in np.argsort(expected, kind="stable")[:10]}
        near = index.search(query, 10, where=where)
        assert {one.metadata["brand"] for one in near} == {"acme"}
        found += len(best & {one.id for one in near})
    assert found / 200 >= 0.99
    assert scanned == [COUNT * 3 // 5] * 20


@pytest.mark.parametrize(
    "where", [Where("rare"), parse_where({"n": {"gte": 100, "lt": 400}}), Where("none")]
)
def test_a_narrow_filter_is_searched_exactly(
    index: PictureIndex, features: np.ndarray, scanned: list[int], where: Where
) -> None:
    rows = np.arange(COUNT)
    passes = {"rare": rows % 100 == 7, "none": rows < 0}.get(
        where.label or "", (rows >= 100) & (rows < 400)
    )
    expected = nearest_by_numpy(features, features[9], index.binding.metric)
    expected[~passes] = np.inf
    best = np.argsort(expected, kind="stable")[: min(10, np.count_nonzero(passes))]
    near = index.search(features[9], 10, where=where)
    assert [one.id for one in near] == [f"p{i:05d}" for i in best]
    assert scanned == []


def test_a_search_that_nobody_waits_for_ends(index: PictureIndex, features: np.ndarray) -> None:
    def require_wanted() -> None:
        raise DeadlineExceeded("late")

    for how in ({}, {"exact": True}):
        with pytest.raises(DeadlineExceeded):
            index.search(features[0], 3, require_wanted=require_wanted, **how)


def test_more_are_chosen_where_more_are_asked_for_or_stored() -> None:
    assert candidates_of(10, 10_000) == 150
    assert candidates_of(10, 1_000_000) == 300
    assert candidates_of(10, 1_000_001) == 500
    assert candidates_of(50, 10_000) == 750


def test_pictures_that_come_and_go_are_found_and_not(tmp_path: Path, few: np.ndarray) -> None:
    with coded_index(tmp_path / "index.sqlite", units=UNITS) as index:
        store(index, few[:500])
        wait_for_codes(index)
        store(index, few[500:600], first=500)
        assert recall(index, few[:600]) >= 0.99
        assert index.search(few[550], 1)[0].id == "p00550"
        index.delete([f"p{i:05d}" for i in range(0, 600, 2)])
        assert index.search(few[550], 1)[0].id != "p00550"
        # Replaced by other bytes: the old features find it no more.
        index.upsert([replace(picture("p00551", few[1_000]), content_sha256="other")])
        assert index.search(few[1_000], 1)[0].id == "p00551"
        assert index.search(few[551], 1)[0].id != "p00551"


def test_codes_are_there_again_after_a_restart(
    tmp_path: Path, features: np.ndarray, scanned: list[int]
) -> None:
    path = tmp_path / "index.sqlite"
    with coded_index(path, units=UNITS) as index:
        store(index, features[:700])
        wait_for_codes(index)
        index.delete(["p00003"])
        told = index.describe()["coder"]
        found = [one.id for one in index.search(features[5], 20)]
    with coded_index(path, units=UNITS) as index:
        assert [one.id for one in index.search(features[5], 20)] == found
        assert index.describe()["coder"] == told == {"kind": "mean", "bytes": 32, "fitted_on": 700}
        assert scanned == [-1, -1]
        assert index._search._recoding._thread is None  # nothing was left to do


def test_small_indexes_have_no_codes(
    tmp_path: Path, features: np.ndarray, scanned: list[int]
) -> None:
    with coded_index(tmp_path / "index.sqlite", units=UNITS) as index:
        store(index, features[:299])
        assert recall(index, features[:299]) == 1
        assert index.describe()["coder"] is None
        assert index._search._recoding._thread is None
    assert scanned == []


def test_a_flipped_bit_in_what_is_found_is_told(tmp_path: Path, features: np.ndarray) -> None:
    with coded_index(tmp_path / "index.sqlite", units=UNITS) as index:
        store(index, features[:20])
        index._writer.write(
            lambda connection: connection.execute(
                "UPDATE features SET crc32 = crc32 + 1 WHERE picture = 4"
            )
        )
        with pytest.raises(StorageFailed, match="index check"):
            index.search(features[3], 1)


def test_learned_codes_are_kept_in_the_index(tmp_path: Path) -> None:
    path, codes = tmp_path / "index.sqlite", tmp_path / "codes.onnx"
    codes.write_bytes(graph())
    features = clustered(400, GRAPH_UNITS)
    with coded_index(path, units=GRAPH_UNITS, codes=codes) as index:
        store(index, features)
        wait_for_codes(index)
        assert index.describe()["coder"] == {"kind": "onnx", "bytes": 2, "fitted_on": 400}
        found = [one.id for one in index.search(features[5], 10)]
    codes.unlink()
    with coded_index(path, units=GRAPH_UNITS) as index:
        assert [one.id for one in index.search(features[5], 10)] == found
        assert index.describe()["coder"]["kind"] == "onnx"


def test_a_graph_of_something_else_is_refused(tmp_path: Path) -> None:
    codes = tmp_path / "codes.onnx"
    codes.write_bytes(graph(name="fc8"))
    with (
        pytest.raises(IndexMismatch, match="fc8"),
        coded_index(tmp_path / "index.sqlite", units=GRAPH_UNITS, codes=codes),
    ):
        pass


def test_memory_that_runs_out_leaves_searches_exact_and_codes_are_made_anew(
    tmp_path: Path, few: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    with coded_index(tmp_path / "index.sqlite", units=UNITS) as index:
        store(index, few[:400])
        wait_for_codes(index)
        before = index._search._stages.current
        assert before is not None

        def fails(keys: Any, codes: Any) -> None:
            raise MemoryError

        monkeypatch.setattr(before.blocks, "append", fails)
        store(index, few[400:401], first=400)  # stored, whatever becomes of its code
        assert index.search(few[400], 1)[0].id == "p00400"
        store(index, few[401:402], first=401)
        wait_for_codes(index)
        after = index._search._stages.current
        assert after is not None
        assert after.number > before.number
        assert recall(index, few[:402]) >= 0.99
