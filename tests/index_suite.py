"""What every Index does, whatever keeps the pictures; over the fixtures ``index`` and ``opened``.

``opened(digest, metric)`` opens the index of a model in the same place as ``index``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from alexnet_server.errors import DeadlineExceeded, PictureNotFound
from alexnet_server.index import Index
from alexnet_server.index.records import NewPicture, Pair, Record, Repeat, StoredPicture
from alexnet_server.index.where import Where, parse_where

UNITS = 32
COUNT = 60
OTHER = "cd" * 32
Opened = Callable[..., Index]
FEATURES = np.random.default_rng(6).gamma(0.5, 2, (COUNT, UNITS)).astype(np.float32)
ODD_TEXTS = ['"', "'", "\\", '\\" or id != "', "a\nb\tc\r", "{x} %s", "\x00", "ünïcode 💡", ""]


def content(name: str) -> str:
    return f"sha.{name}"


def picture(number: int, **said: Any) -> NewPicture:
    name = f"p{number:03}"
    metadata = {"price": number, "brand": f"b{number % 3}", "new": number % 2 == 0}
    made = NewPicture(
        name,
        content(name),
        "even" if number % 2 == 0 else "odd",
        metadata,
        f"jpeg {number}".encode(),
        FEATURES[number],
        1_000 + number,
    )
    return replace(made, **said)


def names(numbers: Any) -> list[str]:
    return [f"p{number:03}" for number in numbers]


def fill(index: Index, count: int = COUNT) -> None:
    index.upsert([picture(number) for number in range(count)])


def passing(index: Index, where: Where) -> list[str]:
    return [one.id for one in index.page("", 1_000, where).pictures]


def same(one: Record, other: Record) -> bool:
    return (
        one.picture == other.picture
        and one.thumbnail == other.thumbnail
        and one.features.dtype == other.features.dtype == np.float32
        and one.features.tobytes() == other.features.tobytes()
    )


def test_it_is_an_index(index: Index) -> None:
    assert isinstance(index, Index)
    assert index.binding.units == UNITS


def test_an_empty_one_answers(index: Index) -> None:
    assert index.count() == 0
    assert index.page("", 10).pictures == ()
    assert index.page("", 10).next_cursor is None
    assert index.records("", 10) == []
    assert index.known(["p000"]) == {}
    assert index.search(FEATURES[0], 5) == []
    assert index.pairs("", 10, 1.0) == ([], None)
    assert index.delete(["p000"]) == 0


def test_what_is_stored_comes_back_as_it_was(index: Index) -> None:
    (done,) = index.upsert([picture(7)])
    assert done.created
    assert index.get("p007") == done.picture
    assert done.picture == StoredPicture(
        "p007",
        content("p007"),
        "odd",
        {"price": 7, "brand": "b1", "new": False},
        done.picture.created_at,
        1_007,
    )
    assert index.thumbnail("p007") == b"jpeg 7"
    assert index.features("p007").tobytes() == FEATURES[7].tobytes()
    assert index.features("p007").dtype == np.float32


def test_nothing_said_stays_nothing(index: Index) -> None:
    index.upsert([picture(0, label=None, metadata=None, content_bytes=None)])
    stored = index.get("p000")
    assert (stored.label, stored.metadata, stored.content_bytes) == (None, {}, None)


def test_metadata_comes_back_as_it_was(index: Index) -> None:
    metadata = {
        "large": 2**70,
        "small": 5e-324,
        "whole": 2**53 + 1,
        "nested": {"a": [1, None, {"b": "ü"}]},
        "any key 💡": True,
        "text": ODD_TEXTS,
        "long": "x" * 15_000,
    }
    index.upsert([picture(0, metadata=metadata)])
    assert index.get("p000").metadata == metadata


def test_the_same_list_again_changes_nothing(index: Index) -> None:
    entries = [picture(number) for number in range(5)]
    first = index.upsert(entries)
    again = [index.upsert(entries) for _ in range(2)]
    assert [one.created for one in first] == [True] * 5
    for done in again:
        assert [one.created for one in done] == [False] * 5
        assert [one.picture for one in done] == [one.picture for one in first]
    assert index.count() == 5


def test_other_bytes_replace_a_picture(index: Index) -> None:
    index.upsert([picture(0)])
    other = picture(0, content_sha256="other", thumbnail=b"new", features=FEATURES[9], label=None)
    (done,) = index.upsert([other])
    assert not done.created
    assert index.count() == 1
    assert (index.get("p000").content_sha256, index.get("p000").label) == ("other", None)
    assert index.thumbnail("p000") == b"new"
    assert index.search(FEATURES[9], 1)[0].distance == 0


def test_a_repeat_replaces_what_it_says_alone(index: Index) -> None:
    (first,) = index.upsert([picture(3)])
    (labelled,) = index.upsert([Repeat("p003", content("p003"), "new", None)])
    assert labelled.picture == replace(first.picture, label="new")
    (described,) = index.upsert([Repeat("p003", content("p003"), None, {"a": 1})])
    assert described.picture == replace(first.picture, label="new", metadata={"a": 1})
    assert index.get("p003") == described.picture
    assert index.thumbnail("p003") == b"jpeg 3"
    assert index.features("p003").tobytes() == FEATURES[3].tobytes()


def test_a_repeat_of_what_is_gone_stores_nothing_of_its_list(index: Index) -> None:
    index.upsert([picture(0)])
    for gone in (
        Repeat("p001", content("p001"), None, None),
        Repeat("p000", "replaced", None, None),
    ):
        with pytest.raises(PictureNotFound):
            index.upsert([picture(2), Repeat("p000", content("p000"), "new", None), gone])
    assert passing(index, Where()) == ["p000"]
    assert index.get("p000").label == "even"


def test_one_id_twice_in_a_list_is_stored_as_one_after_the_other(index: Index) -> None:
    later = picture(0, content_sha256="later", features=FEATURES[5])
    done = index.upsert([picture(0), later, Repeat("p000", "later", "last", None)])
    assert [one.created for one in done] == [True, False, False]
    assert index.count() == 1
    assert (index.get("p000").content_sha256, index.get("p000").label) == ("later", "last")
    assert index.features("p000").tobytes() == FEATURES[5].tobytes()


def test_who_is_not_there_is_not_found(index: Index) -> None:
    index.upsert([picture(0)])
    for read in (index.get, index.thumbnail, index.features):
        with pytest.raises(PictureNotFound):
            read("p001")


def test_known_tells_the_bytes_of_those_there(index: Index) -> None:
    fill(index, 3)
    asked = ["p001", "p002", "nobody", "p001"]
    assert index.known(asked) == {"p001": content("p001"), "p002": content("p002")}
    assert index.known([]) == {}


def test_contents_are_those_of_every_model(index: Index, opened: Opened) -> None:
    fill(index, 3)
    other = opened(OTHER)
    other.upsert([picture(4)])
    asked = [content(name) for name in names([1, 4, 5])]
    assert index.stored_contents(asked) == {content("p001"), content("p004")}
    assert other.stored_contents(asked) == {content("p001"), content("p004")}


def test_models_do_not_see_each_other(index: Index, opened: Opened) -> None:
    fill(index, 3)
    other = opened(OTHER)
    assert other.count() == 0
    assert other.search(FEATURES[0], 5) == []
    other.upsert([picture(0, label="other")])
    assert index.get("p000").label == "even"
    assert index.delete(["p001"]) == 1
    assert other.count() == 1


def test_delete_counts_those_that_were_there(index: Index) -> None:
    fill(index)
    assert index.delete(["p001", "p002", "nobody", "p001"]) == 2
    assert index.delete(["p001"]) == 0
    assert index.count() == COUNT - 2
    assert not {"p001", "p002"} & {one.id for one in index.search(FEATURES[1], COUNT)}
    assert index.delete(names(range(COUNT))) == COUNT - 2
    assert index.count() == 0


def test_delete_where_takes_the_first_and_tells_what_is_left(index: Index) -> None:
    fill(index)
    deleted = index.delete_where(Where("odd"), limit=20)
    assert (deleted.deleted, deleted.left) == (20, 10)
    assert deleted.contents == {content(name) for name in names(range(1, 41, 2))}
    deleted = index.delete_where(Where("odd"))
    assert (deleted.deleted, deleted.left) == (10, 0)
    assert passing(index, Where()) == names(range(0, COUNT, 2))
    deleted = index.delete_where(parse_where({"price": {"lt": 10}}, "even"))
    assert (deleted.deleted, deleted.left) == (5, 0)
    assert index.delete_where(Where("odd")).deleted == 0


def test_everything_is_never_deleted_by_a_filter(index: Index) -> None:
    fill(index, 2)
    with pytest.raises(ValueError, match="everything"):
        index.delete_where(Where())
    assert index.count() == 2


def test_pages_are_in_order_of_id_and_end(index: Index) -> None:
    index.upsert([picture(number) for number in reversed(range(COUNT))])
    seen, cursor, sizes = [], "", []
    while cursor is not None:
        page = index.page(cursor, 25)
        assert page.count == COUNT
        seen += [one.id for one in page.pictures]
        sizes.append(len(page.pictures))
        cursor = page.next_cursor
    assert seen == names(range(COUNT))
    assert sizes == [25, 25, 10]
    assert index.page("", COUNT).next_cursor is None
    assert index.page(seen[-1], 5).pictures == ()


def test_ids_stand_in_the_order_of_their_characters(index: Index) -> None:
    mixed = ["a", "B", "a-", "a.", "a_", "0", "aa", "A"]
    index.upsert([picture(number, id=name) for number, name in enumerate(mixed)])
    assert passing(index, Where()) == sorted(mixed)
    assert [one.picture.id for one in index.records("a", 10)] == ["a-", "a.", "a_", "aa"]


def test_a_page_ends_once_its_metadata_is_4_mib(index: Index) -> None:
    text = "\u00e9" * 8_000  # 16 kB of UTF-8
    index.upsert(
        [
            picture(0, id=name, content_sha256=content(name), metadata={"t": text})
            for name in names(range(300))
        ]
    )
    first = index.page("", 1_000)
    assert 256 < len(first.pictures) < 300
    rest = index.page(first.next_cursor, 1_000)
    assert [one.id for one in first.pictures + rest.pictures] == names(range(300))
    assert rest.next_cursor is None


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"brand": "b1"}, range(1, 60, 3)),
        ({"brand": ["b1", "b2"]}, [n for n in range(60) if n % 3]),
        ({"brand": "B1"}, []),
        ({"price": 7}, [7]),
        ({"price": 7.0}, [7]),
        ({"price": [7, 8.0, 99]}, [7, 8]),
        ({"price": {"gte": 57}}, [57, 58, 59]),
        ({"price": {"gt": 57, "lt": 59}}, [58]),
        ({"price": {"lte": 0.5}}, [0]),
        ({"price": {"gt": -1e300, "lt": 1}}, [0]),
        ({"brand": {"gte": "b2"}}, range(2, 60, 3)),
        ({"brand": {"lt": "b1"}}, range(0, 60, 3)),
        ({"new": True, "price": {"lt": 4}}, [0, 2]),
        ({"new": [False], "price": {"lt": 4}}, [1, 3]),
        ({"price": ["x", True, 3, "b1"]}, [3]),  # each type by itself
        ({"nobody": 1}, []),
        ({"nobody": {"lt": 1}}, []),
    ],
)
def test_filters(full: Index, given: dict[str, Any], wanted: Any) -> None:
    where = parse_where(given)
    assert passing(full, where) == names(wanted)
    assert full.count(where) == len(names(wanted))
    found = full.search(FEATURES[0], COUNT, where=where)
    assert sorted(one.id for one in found) == names(wanted)


def test_a_label_and_conditions_must_all_hold(full: Index) -> None:
    where = parse_where({"brand": "b0", "price": {"lt": 10}}, "odd")
    assert passing(full, where) == ["p003", "p009"]
    assert full.page("p003", 10, where).count == 2
    assert passing(full, Where("nobody")) == []


def test_types_never_mix(index: Index) -> None:
    values = ["1", 1, 1.5, True, None, [1], {"a": 1}, "true", "", 0, False]
    index.upsert([picture(number, metadata={"v": value}) for number, value in enumerate(values)])
    for given, wanted in (
        ("1", [0]),
        (1, [1]),
        (True, [3]),
        (False, [10]),
        (0, [9]),
        ("", [8]),
        ("true", [7]),
        ({"gte": 1}, [1, 2]),
        ({"gte": ""}, [0, 7, 8]),
        ({"lt": 2}, [1, 2, 9]),
    ):
        assert passing(index, parse_where({"v": given})) == names(wanted), given


def test_large_numbers_are_compared(index: Index) -> None:
    values = [2**53 + 1, 2**53 + 2, -(2**62), 2**70, 1e300, -1e300]
    index.upsert([picture(number, metadata={"v": value}) for number, value in enumerate(values)])
    for given, wanted in (
        (2**53 + 1, [0]),
        (2**70, [3]),
        ({"gt": 2**63}, [3, 4]),
        ({"lt": -(2**61)}, [2, 5]),
        ({"lt": -(2**80)}, [5]),
    ):
        assert passing(index, parse_where({"v": given})) == names(wanted), given


def test_odd_texts_are_found_and_change_no_filter(index: Index) -> None:
    index.upsert(
        [
            picture(number, label=text, metadata={"v": text, "other": "x"})
            for number, text in enumerate(ODD_TEXTS)
        ]
    )
    for number, text in enumerate(ODD_TEXTS):
        assert passing(index, Where(text)) == names([number])
        assert passing(index, parse_where({"v": text})) == names([number])
        assert passing(index, parse_where({"v": [text]}, text)) == names([number])
        assert index.get(f"p{number:03}").label == text


def test_texts_are_ordered_by_their_code_points(index: Index) -> None:
    texts = ["Z", "a", "a" * 300, "a" * 300 + "b", "z", "é", "ﬁ", "💡"]
    index.upsert([picture(number, metadata={"v": text}) for number, text in enumerate(texts)])
    for text in texts:
        if len(text) == 1:
            expected = [n for n, other in enumerate(texts) if other > text]
            assert passing(index, parse_where({"v": {"gt": text}})) == names(expected)
    assert passing(index, parse_where({"v": {"gt": "a" * 256}})) == names([2, 3, 4, 5, 6, 7])


@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_search_equals_numpy(opened: Opened, metric: str) -> None:
    index = opened(metric=metric)
    fill(index)
    for query in FEATURES[:5] + np.float32(0.1):
        exact = np.sqrt(((FEATURES - query) ** 2).sum(axis=1))
        if metric == "cosine":
            lengths = np.linalg.norm(FEATURES, axis=1) * np.linalg.norm(query)
            exact = 1 - FEATURES @ query / lengths
        best = np.argsort(exact)
        for is_exact in (False, True):
            found = index.search(query, 20, exact=is_exact)
            assert [one.id for one in found] == names(best[:20])
            np.testing.assert_allclose(
                [one.distance for one in found], exact[best[:20]], rtol=1e-4, atol=1e-5
            )
    assert len(index.search(FEATURES[0], 1_000)) == COUNT


@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_a_picture_is_at_no_distance_from_itself(opened: Opened, metric: str) -> None:
    index = opened(metric=metric)
    fill(index)
    for number in range(COUNT):
        nearest = index.search(FEATURES[number], 1)[0]
        assert nearest.id == f"p{number:03}"
        assert nearest.distance == 0
        assert (nearest.label, nearest.metadata["price"]) == (index.get(nearest.id).label, number)


def test_what_has_no_direction_is_at_cosine_distance_one(opened: Opened) -> None:
    index = opened(metric="cosine")
    index.upsert([picture(0, features=np.zeros(UNITS, np.float32)), picture(1)])
    assert [one.distance for one in index.search(FEATURES[1], 2)] == [0, 1]
    assert [one.distance for one in index.search(np.zeros(UNITS, np.float32), 2)] == [1, 1]


def test_search_leaves_out_itself_and_what_is_too_far(full: Index) -> None:
    others = full.search(FEATURES[0], COUNT, excluding="p000")
    assert len(others) == COUNT - 1
    assert "p000" not in {one.id for one in others}
    limit = others[9].distance
    near = full.search(FEATURES[0], COUNT, excluding="p000", max_distance=limit)
    assert near == others[:10]
    odd = full.search(FEATURES[0], 3, where=Where("odd"), excluding="p000")
    assert odd == [one for one in others if one.label == "odd"][:3]


def test_a_search_that_nobody_waits_for_ends(full: Index) -> None:
    def require_wanted() -> None:
        raise DeadlineExceeded("late")

    with pytest.raises(DeadlineExceeded):
        full.search(FEATURES[0], 5, require_wanted=require_wanted)
    with pytest.raises(DeadlineExceeded):
        full.pairs("", 10, 1.0, require_wanted=require_wanted)
    assert len(full.search(FEATURES[0], 5)) == 5


def test_pairs_are_told_once_page_by_page(index: Index) -> None:
    near = FEATURES[:30] + np.float32(0.001)
    index.upsert([picture(number) for number in range(30)])
    index.upsert(
        [
            picture(30 + number, features=features)
            for number, features in enumerate(near)
            if number < 20
        ]
    )
    index.upsert([picture(59, features=FEATURES[0])])  # and a third of one kind
    found: list[Pair] = []
    cursor: str | None = ""
    while cursor is not None:
        some, cursor = index.pairs(cursor, 7, 0.01)
        found += some
    told = sorted((one.id, one.other) for one in found)
    wanted = [(f"p{30 + n:03}", f"p{n:03}") for n in range(20)]
    assert told == sorted([*wanted, ("p059", "p000"), ("p059", "p030")])
    assert all(0 <= one.distance <= 0.01 for one in found)


def test_more_pictures_than_are_asked_for_at_first_may_be_one(index: Index) -> None:
    index.upsert([picture(number, features=FEATURES[0]) for number in range(COUNT)])
    found, cursor = index.pairs("p058", 5, 0.0)
    assert [one.other for one in found if one.id == "p059"] == names(range(COUNT - 1))
    assert cursor is None


def test_records_are_whole_and_restore_makes_the_same(index: Index, opened: Opened) -> None:
    fill(index)
    index.upsert([picture(0, label=None, metadata={"v": ODD_TEXTS}, content_sha256="x")])
    taken: list[Record] = []
    while some := index.records(taken[-1].picture.id if taken else "", 25):
        assert len(some) <= 25
        taken += some
    assert [one.picture.id for one in taken] == names(range(COUNT))
    old = [replace(one, picture=replace(one.picture, created_at="2001-02-03")) for one in taken]
    other = opened(OTHER)
    assert other.restore(old) == COUNT
    assert other.restore(old) == 0
    assert all(map(same, other.records("", COUNT), old))
    changed = replace(old[3], picture=replace(old[3].picture, content_sha256="changed"))
    assert other.restore([*old[:3], changed]) == 1
    assert other.known(["p003"]) == {"p003": "changed"}
    assert other.count() == COUNT


def test_what_was_stored_is_there_when_it_is_opened_again(index: Index, opened: Opened) -> None:
    fill(index, 9)
    before = index.records("", 9)
    index.close()
    again = opened()
    assert all(map(same, again.records("", 9), before))
    assert [one.id for one in again.search(FEATURES[4], 1)] == ["p004"]


def test_describe_tells_what_it_is(full: Index) -> None:
    told = full.describe()
    assert {key: told[key] for key in ("pictures", "metric", "layer", "views", "state")} == {
        "pictures": COUNT,
        "metric": "l2",
        "layer": "fc7",
        "views": 1,
        "state": "live",
    }
    assert told["coder"] is None
