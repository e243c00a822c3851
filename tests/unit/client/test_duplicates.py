import json
import random

import pytest

from alexnet_client import Client, cli
from alexnet_client.duplicates import DuplicateGroup, Groups
from alexnet_client.results import StoredPicture


def picture(name, size=None, created="2026-11-22T06:00:00+00:00"):
    return StoredPicture(name, None, {}, created, size)


@pytest.mark.parametrize(
    ("pictures", "keep"),
    [
        ([picture("a", 5), picture("b", 7), picture("c", 6)], "b"),
        ([picture("b", 7, "2026-11-22T06:00:01+00:00"), picture("c", 7)], "c"),
        ([picture("b", 7), picture("a", 7)], "a"),
        ([picture("a"), picture("b", 1)], "b"),  # one whose size is not known comes last
    ],
)
def test_the_picture_to_keep_is_the_largest_then_the_earliest(pictures, keep):
    for given in (pictures, pictures[::-1]):
        group = DuplicateGroup.of(given)
        assert group.keep.id == keep
        assert {one.id for one in group.others} == {one.id for one in pictures} - {keep}


def test_pairs_become_groups_as_a_search_of_the_graph_finds_them():
    draw = random.Random(3)
    pairs = [(str(draw.randrange(300)), str(draw.randrange(300))) for _ in range(160)]
    pairs = [(one, other) for one, other in pairs if one != other]
    groups = Groups()
    for pair in pairs:
        groups.join(*pair)
    beside = {}
    for one, other in pairs:
        beside.setdefault(one, set()).add(other)
        beside.setdefault(other, set()).add(one)
    expected, left = set(), set(beside)
    while left:
        found, waiting = set(), {left.pop()}
        while waiting:
            found |= waiting
            waiting = {to for one in waiting for to in beside[one]} - found
        expected.add(frozenset(found))
        left -= found
    assert {frozenset(ids) for ids in groups.several()} == expected
    assert max(map(len, expected)) > 2


@pytest.fixture
def stored(scripted, wire):
    """Five pictures, three of them alike and two, told on two pages; ``gone`` is deleted."""
    sizes = {"a": 5, "b": 9, "c": 7, "x": 3, "y": 3}
    pairs = [("b", "a"), ("c", "b"), ("gone", "a")], [("y", "x")]
    scripted.deleted = []

    def answer(request):
        if request.path == "/duplicates":
            page = int(request.query.get("cursor", ["0"])[0])
            told = [{"id": one, "other": other, "distance": 0.5} for one, other in pairs[page]]
            following = ["1", None][page]
            body = {"pairs": told, "compared": 3, "next_cursor": following, "count": 6}
            return wire.as_json({"model": wire.MODEL} | body)
        if request.path == "/images/delete":
            scripted.deleted += json.loads(request.body)["ids"]
            return wire.as_json({"deleted": len(scripted.deleted), "left": 0})
        name = request.path.rpartition("/")[2]
        if name not in sizes:
            return wire.problem(404, "picture_not_found")
        created = "2026-11-22T06:00:00+00:00"
        about = {"label": None, "metadata": {"path": f"{name}.jpg"}, "created_at": created}
        return wire.as_json({"id": name, **about, "bytes": sizes[name]})

    scripted.answer = answer
    return scripted


def test_duplicates_come_in_groups(stored):
    told = []
    with Client(stored.url, max_retries=0) as client:
        groups = client.duplicates(2.5, on_page=lambda *page: told.append(page))
    assert [(group.keep.id, [one.id for one in group.others]) for group in groups] == [
        ("b", ["c", "a"]),
        ("x", ["y"]),
    ]
    assert told == [(3, 6), (6, 6)]
    assert stored.requests[0].query == {"max_distance": ["2.5"], "limit": ["1000"]}
    assert stored.requests[1].query["cursor"] == ["1"]


def test_the_command_shows_them_and_deletes_when_told(stored, capsys):
    command = ["duplicates", "--max-distance", "2.5", "--server", stored.url]
    assert cli.main(command) == 0
    shown = capsys.readouterr().out
    assert "  keep    9 B  -  b  b.jpg\n  delete  7 B  -  c  c.jpg\n" in shown
    assert "2 groups, 3 pictures besides the ones to keep" in shown
    assert stored.deleted == []
    assert cli.main([*command, "--delete", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["deleted"] == 3
    assert document["groups"][1]["keep"]["bytes"] == 3
    assert sorted(stored.deleted) == ["a", "c", "y"]
