"""The pictures of an index: what is stored, listed, found and deleted, against NumPy."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from alexnet_server.errors import DeadlineExceeded, PictureNotFound, StorageFailed
from alexnet_server.index import Index
from alexnet_server.index.pictures import PictureIndex
from alexnet_server.index.records import Binding, NewPicture, Record, Repeat, StoredPicture
from alexnet_server.index.where import EVERYTHING, Where, parse_where
from tests.unit.server.index.given import BINDING, LATER, UNITS, fill, opened, picture

EVEN = Where("even")


def test_it_is_an_index(index: PictureIndex) -> None:
    assert isinstance(index, Index)


def test_search_equals_brute_force(index: PictureIndex, features: np.ndarray) -> None:
    fill(index, features)
    for query in features[:5] + np.float32(0.1):
        exact = np.sqrt(((features - query) ** 2).sum(axis=1))
        best = np.argsort(exact, kind="stable")[:20]
        found = index.search(query, 20)
        assert [neighbor.id for neighbor in found] == [f"p{i:04d}" for i in best]
        np.testing.assert_allclose([one.distance for one in found], exact[best], rtol=1e-5)


def test_search_takes_label_distance_and_self_into_account(
    index: PictureIndex, features: np.ndarray
) -> None:
    fill(index, features)
    odd = index.search(features[0], 1_300, where=Where("odd"))
    assert {neighbor.label for neighbor in odd} == {"odd"}
    assert len(odd) == 650
    itself = index.search(features[0], 1)[0]
    assert (itself.id, itself.distance) == ("p0000", 0.0)
    others = index.search(features[0], 1_300, excluding="p0000")
    assert len(others) == 1_299
    limit = others[9].distance
    assert len(index.search(features[0], 1_300, excluding="p0000", max_distance=limit)) == 10
    assert index.search(features[0], 5, where=Where("none")) == []


def test_a_search_that_nobody_waits_for_ends(index: PictureIndex, features: np.ndarray) -> None:
    fill(index, features)
    asked = []

    def require_wanted() -> None:
        asked.append(True)
        if len(asked) == 2:
            raise DeadlineExceeded("late")

    with pytest.raises(DeadlineExceeded):
        index.search(features[0], 5, require_wanted=require_wanted)
    assert len(index.search(features[0], 5)) == 5  # the reader is free again


def test_a_search_that_ended_early_does_not_hide_what_came_after(
    index: PictureIndex, features: np.ndarray
) -> None:
    """A statement left open would pin its reader, and the file's log, to the old view."""
    fill(index, features)

    def require_wanted() -> None:
        raise DeadlineExceeded("late")

    with pytest.raises(DeadlineExceeded) as kept:  # and with it the frames
        index.search(features[0], 5, require_wanted=require_wanted)
    index.upsert([picture("after", features[0])])
    assert index.get("after").id == "after"
    assert kept.value.__traceback__ is not None


def test_a_page_ends_once_its_metadata_is_4_mib(index: PictureIndex, features: np.ndarray) -> None:
    text = "\u00e9" * 500_000  # 1 MB of UTF-8
    names = [f"p{number}" for number in range(11)]
    index.upsert([NewPicture(one, "sha", None, {"t": text}, b"jpeg", features[0]) for one in names])
    seen, sizes, cursor = [], [], ""
    while cursor is not None:
        page = index.page(cursor, 1000)
        assert page.count == 11
        seen += [one.id for one in page.pictures]
        sizes.append(len(page.pictures))
        cursor = page.next_cursor
    assert seen == sorted(names)
    assert sizes == [5, 5, 1]


def test_a_page_is_never_empty_before_the_last(index: PictureIndex, features: np.ndarray) -> None:
    large = {"t": "x" * 5_000_000}
    index.upsert([NewPicture(one, "sha", None, large, b"jpeg", features[0]) for one in "ab"])
    first = index.page("", 1000)
    assert ([one.id for one in first.pictures], first.next_cursor) == (["a"], "a")
    second = index.page("a", 1000)
    assert ([one.id for one in second.pictures], second.next_cursor) == (["b"], None)
    assert index.page("b", 1000).pictures == ()


def test_upsert_replaces_and_repeat_redescribes(index: PictureIndex, features: np.ndarray) -> None:
    first, _ = index.upsert([picture("a", features[0], "old"), picture("b", features[1])])
    assert first.created
    other = NewPicture("a", "sha-other", None, {"path": "a.jpg"}, b"jpeg", features[1], 77)
    (second,) = index.upsert([other])
    assert not second.created
    assert (second.picture.label, second.picture.content_bytes) == (None, 77)
    assert np.array_equal(index.features("a"), features[1])
    (third,) = index.upsert([Repeat("a", "sha-other", "new", None)])
    assert (third.picture.label, third.picture.metadata) == ("new", {"path": "a.jpg"})
    assert third.picture == index.get("a")
    assert np.array_equal(index.features("a"), features[1])
    assert index.count() == 2
    equal = index.search(features[1], 2)  # what was replaced counts as stored later
    assert [one.id for one in equal] == ["b", "a"]


def test_the_same_bytes_again_keep_what_is_not_said(
    index: PictureIndex, features: np.ndarray
) -> None:
    said = picture("a", features[0], "cat")
    silent = NewPicture("a", "sha-a", None, None, b"jpeg", features[0])
    first, second = index.upsert([said, silent])
    assert (first.created, second.created) == (True, False)
    assert (second.picture.label, second.picture.metadata) == ("cat", {"path": "a.jpg"})
    with pytest.raises(PictureNotFound, match="replaced meanwhile"):
        index.upsert([Repeat("a", "sha-of-other-bytes", "dog", None)])
    assert index.get("a").label == "cat"


def test_one_list_may_replace_what_it_stores(index: PictureIndex, features: np.ndarray) -> None:
    twice = [
        NewPicture("a", f"sha-{i}", str(i), {}, b"jpeg", row) for i, row in enumerate(features[:3])
    ]
    assert [one.created for one in index.upsert(twice)] == [True, False, False]
    assert (index.count(), index.get("a").label) == (1, "2")
    assert [one.distance for one in index.search(features[2], 5)] == [0.0]


def test_a_failed_upsert_stores_nothing(index: PictureIndex, features: np.ndarray) -> None:
    with pytest.raises(PictureNotFound):
        index.upsert([picture("a", features[0]), Repeat("gone", "sha", "label", None)])
    assert index.count() == 0
    with pytest.raises(ValueError, match="features of shape"):
        index.upsert([picture("a", features[0]), picture("b", features[0, :5])])
    assert (index.count(), index.search(features[0], 5)) == (0, [])
    index.upsert([picture("a", features[0])])  # the writer is free again
    assert index.count() == 1


def test_pages_in_order_of_id(index: PictureIndex, features: np.ndarray) -> None:
    fill(index, features[:25])
    seen: list[str] = []
    cursor = ""
    while True:
        page = index.page(cursor, 7, EVEN)
        assert page.count == 13
        seen += [one.id for one in page.pictures]
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
    assert seen == [f"p{i:04d}" for i in range(0, 25, 2)]


def test_delete(index: PictureIndex, features: np.ndarray) -> None:
    fill(index, features[:10])
    assert index.delete(["p0001", "p0001", "unknown"]) == 1
    first = index.delete_where(EVEN, limit=2)
    assert (first.deleted, first.left, first.contents) == (2, 3, {"sha-p0000", "sha-p0002"})
    rest = index.delete_where(EVEN)
    assert (rest.deleted, rest.left) == (3, 0)
    assert index.count() == 4
    for ask in (index.get, index.thumbnail, index.features):
        with pytest.raises(PictureNotFound):
            ask("p0001")
    with pytest.raises(ValueError, match="everything"):
        index.delete_where(EVERYTHING)
    assert len(index.search(features[0], 10)) == 4


def test_known_are_those_that_are_there(index: PictureIndex, features: np.ndarray) -> None:
    fill(index, features[:3])
    asked = ["p0001", "p0001", "unknown", "p0002"]
    assert index.known(asked) == {"p0001": "sha-p0001", "p0002": "sha-p0002"}


def test_restored_pictures_are_as_they_were(
    index: PictureIndex, features: np.ndarray, tmp_path: Path
) -> None:
    fill(index, features[:9])
    other = opened(tmp_path / "other.sqlite")
    records = [*index.records("", 4), *index.records("p0003", 100)]
    assert [one.picture.id for one in records] == [f"p{i:04d}" for i in range(9)]
    assert other.restore(records) == 9
    assert other.restore(records) == 0
    old = StoredPicture("p0002", "sha-changed", "x", {"y": 1}, "2001-02-03T04:05:06+00:00", 8)
    assert other.restore([Record(old, b"small", features[7])]) == 1
    assert (other.get("p0002"), other.thumbnail("p0002")) == (old, b"small")
    assert [other.get(f"p{i:04d}") == index.get(f"p{i:04d}") for i in range(9)].count(False) == 1
    assert np.array_equal(other.features("p0008"), features[8])
    other.close()


def test_records_are_16_mib_at_most(index: PictureIndex, features: np.ndarray) -> None:
    large = [NewPicture(one, one, None, {}, b"j" * 9_000_000, features[0]) for one in "abc"]
    index.upsert(large)
    assert [one.picture.id for one in index.records("", 100)] == ["a", "b"]
    assert [one.picture.id for one in index.records("b", 100)] == ["c"]


def test_pairs_are_told_once(index: PictureIndex, features: np.ndarray) -> None:
    near = features[:40].copy()
    near[[5, 17, 30]] = near[2] + np.float32(0.001)
    near[39] = near[38]
    fill(index, near)
    limit = 0.5
    expected = {
        (f"p{b:04d}", f"p{a:04d}")
        for a, b in itertools.combinations(range(40), 2)
        if np.linalg.norm(near[a] - near[b]) <= limit
    }
    assert len(expected) == 7
    found, cursor = [], ""
    while cursor is not None:
        pairs, cursor = index.pairs(cursor, 7, limit)
        found += pairs
    assert {(one.id, one.other) for one in found} == expected
    assert len(found) == len(expected)


def test_pairs_go_on_past_the_first_neighbours(index: PictureIndex) -> None:
    fill(index, np.ones((150, UNITS), np.float32))
    pairs, _ = index.pairs("p0148", 1, 0.0)
    assert {one.other for one in pairs} == {f"p{i:04d}" for i in range(149)}


def test_reopened_file_holds_everything(tmp_path: Path, features: np.ndarray) -> None:
    path = tmp_path / "deep" / "folder" / "index.sqlite"
    first = opened(path)
    fill(first, features[:10])
    first.close()
    second = opened(path)
    assert second.count() == 10
    assert second.thumbnail("p0003") == b"jpeg"
    second.close()


def test_models_do_not_see_each_others_pictures(tmp_path: Path, features: np.ndarray) -> None:
    path = tmp_path / "index.sqlite"
    one = opened(path)
    fill(one, features[:10])
    two = opened(path, LATER)
    assert two.count() == 0
    assert two.search(features[0], 5) == []
    two.upsert([picture("p0000", features[3])])
    assert (one.count(), two.count()) == (10, 1)
    assert two.stored_contents(["sha-p0000", "sha-p0005", "sha-gone"]) == {"sha-p0000", "sha-p0005"}
    one.close()
    two.close()


def test_cosine_is_one_minus_the_cosine(tmp_path: Path, features: np.ndarray) -> None:
    index = opened(tmp_path / "index.sqlite", Binding("digest-one", UNITS, metric="cosine"))
    fill(index, features[:50])
    found = index.search(features[3] * np.float32(2.5), 50)
    assert (found[0].id, found[0].distance) == ("p0003", pytest.approx(0.0, abs=1e-6))
    unit = features[:50] / np.linalg.norm(features[:50], axis=1, keepdims=True)
    expected = np.sort(1 - unit @ unit[3])
    np.testing.assert_allclose([one.distance for one in found], expected, atol=1e-5)
    assert index.describe()["metric"] == "cosine"
    index.close()


def plan(index: PictureIndex, select: str, values: tuple[object, ...]) -> str:
    with index._database.reading() as connection:
        return str(list(connection.execute(f"EXPLAIN QUERY PLAN {select}", values)))


def test_counting_everything_reads_no_rows(index: PictureIndex, features: np.ndarray) -> None:
    fill(index, features[:10])
    asked = []
    with index._database.reading() as connection:  # the connection that is lent next
        connection.set_exec_trace(lambda _cursor, sql, _values: asked.append(sql) or True)
    assert index.count() == index.page("", 5).count == 10
    assert index.count(EVEN) == 5
    assert len([sql for sql in asked if "count(" in sql]) == 1


@pytest.mark.parametrize("where", [EVERYTHING, EVEN], ids=["all", "label"])
def test_pages_and_counts_read_an_index(index: PictureIndex, where: Where) -> None:
    from alexnet_server.index import conditions

    text, values = conditions.sql(where, 1)
    count = plan(index, f"SELECT count(*) FROM pictures WHERE {text}", values)
    assert "USING COVERING INDEX" in count
    page = plan(index, f"SELECT id FROM pictures WHERE {text} AND id > '' ORDER BY id", values)
    assert "SEARCH" in page
    assert "TEMP B-TREE" not in page


DAMAGE = {
    "metadata": "UPDATE pictures SET metadata = '{\"path\": 1}'",
    "label": "UPDATE pictures SET label = 'other'",
    "id": "UPDATE pictures SET id = 'p0000x'",
    "features": "UPDATE features SET features = zeroblob(256)",
    "short features": "UPDATE features SET features = x'00'",
    "no features": "DELETE FROM features",
    "thumbnail": "UPDATE thumbnails SET thumbnail = x'6a7065'",
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_row_is_said_and_never_served(
    index: PictureIndex, features: np.ndarray, what: str
) -> None:
    fill(index, features[:1])
    index._writer.write(lambda connection: connection.execute(DAMAGE[what]).fetchall())
    name = "p0000x" if what == "id" else "p0000"
    ask = {
        "features": lambda: index.features(name),
        "short features": lambda: index.features(name),
        "no features": lambda: index.features(name),
        "thumbnail": lambda: index.thumbnail(name),
    }.get(what, lambda: index.get(name))
    for asked in (ask, lambda: index.records("", 5)):
        with pytest.raises(StorageFailed, match="alexnet-server index check"):
            asked()


def test_a_filter_over_metadata(index: PictureIndex, features: np.ndarray) -> None:
    said = [{"size": i, "name": str(i), "is_odd": i % 2 == 1} for i in range(12)]
    index.upsert([picture(f"p{i:04d}", features[i], metadata=one) for i, one in enumerate(said)])
    where = parse_where({"size": {"gte": 3, "lt": 9.5}, "is_odd": True})
    wanted = [f"p{i:04d}" for i in (3, 5, 7, 9)]
    assert [one.id for one in index.page("", 100, where).pictures] == wanted
    assert index.count(where) == 4
    assert sorted(one.id for one in index.search(features[0], 9, where=where)) == wanted
    assert index.delete_where(where).deleted == 4
    assert index.count() == 8
    assert math.isclose(index.search(features[3], 1)[0].distance, _next(features, 3), rel_tol=1e-5)


def _next(features: np.ndarray, row: int) -> float:
    left = [i for i in range(12) if i not in (3, 5, 7, 9)]
    return float(np.linalg.norm(features[left] - features[row], axis=1).min())


def test_the_binding_stays(index: PictureIndex) -> None:
    assert index.binding == BINDING
    assert index.describe() == {
        "pictures": 0,
        "metric": "l2",
        "layer": "fc7",
        "views": 1,
        "coder": None,
        "state": "live",
    }
