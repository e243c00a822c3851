import hashlib
import json

import numpy as np
import pytest

from alexnet_client import Client, errors


@pytest.fixture
def client(scripted):
    with Client(scripted.url, max_retries=0) as client:
        yield client


def _stored(wire, request):
    """Answer PUT /images/{id} and POST /images with what came."""
    fields = {
        name: [v.decode() for v in request.values(name)] for name in ("id", "label", "metadata")
    }
    items = []
    for number, (_, filename, content) in enumerate(
        part for part in request.form if part[0] == "image"
    ):
        given = {name: values[number] if values else None for name, values in fields.items()}
        items.append(
            {
                "filename": filename,
                "id": given["id"] or hashlib.sha256(content).hexdigest(),
                "label": given["label"],
                "metadata": json.loads(given["metadata"] or "null"),
                "created": True,
            }
        )
    if request.method == "PUT":
        name = request.path.rpartition("/")[2]
        return wire.as_json({"model": wire.MODEL} | items[0] | {"id": name}, 201)
    return wire.as_json({"model": wire.MODEL, "results": items})


def test_add_puts_one_picture_with_label_and_metadata(client, scripted, wire):
    scripted.answer = lambda request: _stored(wire, request)
    added = client.add(b"pixels", id="cat-1", label="cat", metadata={"from": "é"})
    assert (added.id, added.label, added.metadata) == ("cat-1", "cat", {"from": "é"})
    assert (added.created, added.model.name) == (True, "alexnet")
    (request,) = scripted.requests
    assert (request.method, request.path) == ("PUT", "/images/cat-1")
    assert request.values("image") == [b"pixels"]
    assert request.values("label") == [b"cat"]


def test_the_id_of_a_picture_is_the_sha256_of_its_bytes(client, scripted, wire):
    scripted.answer = lambda request: _stored(wire, request)
    assert client.add(b"pixels").id == hashlib.sha256(b"pixels").hexdigest()
    assert scripted.requests[0].values("label") == []


def test_add_of_several_shares_label_and_metadata(client, scripted, wire):
    scripted.answer = lambda request: _stored(wire, request)
    added = client.add([b"a", b"b"], label="cat", metadata={"n": 1})
    assert [(a.label, a.metadata) for a in added] == [("cat", {"n": 1})] * 2
    with pytest.raises(ValueError, match="add_many"):
        client.add([b"a", b"b"], id="one")


def test_add_many_gives_every_picture_its_own_fields(client, scripted, wire):
    scripted.answer = lambda request: _stored(wire, request)
    added = client.add_many(
        [b"a", b"b", b"c"], ids=["1", "2", "3"], labels=["x", "y", "z"], metadata=[{"n": 1}] * 3
    )
    assert [(a.id, a.label) for a in added] == [("1", "x"), ("2", "y"), ("3", "z")]
    assert len(scripted.requests) == 1


def test_fields_stay_with_their_picture_where_some_have_none(client, scripted, wire, tmp_path):
    scripted.answer = lambda request: _stored(wire, request)
    pictures = [b"a", tmp_path / "gone.jpg", b"b", b"c", b"d"]
    added = client.add_many(pictures, labels=["x", "lost", "y", None, "z"])
    assert [a.label for a in added] == ["x", None, "y", None, "z"]
    assert [a.error is None for a in added] == [True, False, True, True, True]
    assert [r.values("label") for r in scripted.requests] == [[b"x", b"y"], [], [b"z"]]


def test_add_many_refuses_rows_of_another_length_before_sending(client, scripted):
    with pytest.raises(ValueError, match="2 labels for 3 pictures"):
        client.add_many([b"a", b"b", b"c"], labels=["x", "y"])
    with pytest.raises(ValueError, match="cannot be an id"):
        client.add_many([b"a", b"b"], ids=["fine", "not/fine"])
    assert scripted.requests == []


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "é", "a\n", "x" * 129, "%2e"])
def test_an_id_that_cannot_be_is_never_sent(client, scripted, name):
    for call in (client.get, client.delete, client.thumbnail, client.similar):
        with pytest.raises(ValueError, match="cannot be an id"):
            call(name)
    assert scripted.requests == []


def test_a_bad_picture_is_named_when_added(client, scripted, wire, tmp_path):
    path = tmp_path / "broken.jpg"
    path.write_bytes(b"bad")
    scripted.answer = lambda _: wire.problem(422, "undecodable_picture")
    with pytest.raises(errors.BadPicture, match=r"broken\.jpg"):
        client.add(path)


def test_search_sends_what_was_asked_for_and_no_more(client, scripted, wire):
    neighbor = {"id": "a", "distance": 0.5, "label": None, "metadata": {"path": "x"}}
    scripted.answer = lambda _: wire.as_json(
        {"model": wire.MODEL, "results": [{"neighbors": [neighbor]}]}
    )
    result = client.search(b"pixels", k=3, exact=True, label="cat", max_distance=9.5)
    assert (result.neighbors[0].id, result.neighbors[0].distance) == ("a", 0.5)
    client.search(b"pixels", views=10)
    client.search(b"pixels")
    queries = [request.query for request in scripted.requests]
    assert queries[0] == {
        "k": ["3"],
        "exact": ["true"],
        "label": ["cat"],
        "max_distance": ["9.5"],
    }
    assert queries[1] == {"k": ["10"], "exact": ["false"], "views": ["10"]}
    assert queries[2] == {"k": ["10"], "exact": ["false"]}


def test_search_features_sends_the_row_itself(client, scripted, wire):
    scripted.answer = lambda _: wire.as_json({"model": wire.MODEL, "results": [{"neighbors": []}]})
    row = np.arange(4096, dtype=np.float32) / 3
    assert client.search_features(row, k=2).neighbors == ()
    sent = json.loads(scripted.requests[0].body)
    assert np.array_equal(np.array(sent["features"], dtype=np.float32), row)
    for wrong in (np.full(4096, np.nan), np.zeros((2, 4096))):
        with pytest.raises(ValueError, match="finite"):
            client.search_features(wrong)


def test_list_follows_the_pages(client, scripted, wire):
    def page(request):
        first = int(request.query.get("cursor", ["0"])[0])
        images = [
            {"id": str(n), "label": "cat", "metadata": None, "created_at": "2026-11-22T06:00:00Z"}
            for n in range(first, min(first + 2, 5))
        ]
        following = str(first + 2) if first + 2 < 5 else None
        return wire.as_json({"images": images, "next_cursor": following, "count": 5})

    scripted.answer = page
    assert [picture.id for picture in client.list(label="cat", page_size=2)] == [*"01234"]
    assert [r.query.get("cursor") for r in scripted.requests] == [None, ["2"], ["4"]]
    assert scripted.requests[1].query == {"limit": ["2"], "label": ["cat"], "cursor": ["2"]}


def test_similar_get_thumbnail_delete_speak_of_one_id(client, scripted, wire):
    neighbor = {"id": "b", "distance": 1, "label": "cat", "metadata": None}
    stored = {"id": "a", "label": None, "metadata": None, "created_at": "2026-11-22T06:00:00Z"}
    answers = {
        "/images/a/similar": wire.as_json({"model": wire.MODEL, "neighbors": [neighbor]}),
        "/images/a/thumbnail": wire.Answer(200, b"\xff\xd8", "image/jpeg"),
        "/images/a": wire.as_json(stored),
    }
    scripted.answer = lambda request: answers[request.path]
    assert [n.id for n in client.similar("a", k=1)] == ["b"]
    assert client.thumbnail("a") == b"\xff\xd8"
    assert client.get("a").created_at == "2026-11-22T06:00:00Z"
    assert client.get("a").size_bytes is None  # an older server does not say
    answers["/images/a"] = wire.as_json(stored | {"bytes": 7})
    assert client.get("a").size_bytes == 7
    answers["/images/a"] = wire.Answer(204)
    assert client.delete("a") is None
    assert scripted.requests[-1].method == "DELETE"


def test_a_picture_that_is_not_there_is_not_found(client, scripted, wire):
    scripted.answer = lambda _: wire.problem(404, "picture_not_found")
    with pytest.raises(errors.NotFound) as caught:
        client.get("a")
    assert caught.value.code == "picture_not_found"


def test_delete_where_wants_ids_or_a_filter(client, scripted, wire):
    scripted.answer = lambda _: wire.as_json({"deleted": 2, "left": 0})
    cheap = {"price": {"lt": 5}}
    assert client.delete_where(label="cat") == 2
    assert client.delete_where(where=cheap) == 2
    assert client.delete_where(label="cat", where=cheap) == 2
    assert client.delete_where(ids=iter(["a", "b"])) == 2
    assert client.delete_where(ids=[]) == 0
    bodies = [json.loads(request.body) for request in scripted.requests]
    assert bodies == [
        {"label": "cat"},
        {"where": cheap},
        {"label": "cat", "where": cheap},
        {"ids": ["a", "b"]},
    ]
    for wrong in ({}, {"label": "cat", "ids": ["a"]}, {"where": cheap, "ids": ["a"]}):
        with pytest.raises(ValueError, match="either"):
            client.delete_where(**wrong)


def test_delete_where_goes_on_until_nothing_is_left(client, scripted, wire):
    steps = ((20_000, 4_000), (4_000, 0), (1, 5), (0, 5))
    scripted.in_turn(*(wire.as_json({"deleted": n, "left": left}) for n, left in steps))
    assert client.delete_where(label="cat") == 24_000
    assert client.delete_where(label="cat") == 1  # what others add meanwhile is not chased
    assert scripted.requests[0].body == scripted.requests[1].body


def test_more_ids_than_a_request_may_name(client, scripted, wire):
    def delete(request):
        ids = json.loads(request.body)["ids"]
        return wire.as_json({"deleted": len(ids), "left": 0})

    scripted.answer = delete
    assert client.delete_where(ids=[f"id-{n}" for n in range(10_001)]) == 10_001
    assert [len(json.loads(request.body)["ids"]) for request in scripted.requests] == [10_000, 1]


def test_count_asks_for_the_smallest_page(client, scripted, wire):
    scripted.answer = lambda _: wire.as_json({"images": [], "next_cursor": None, "count": 7})
    assert client.count(label="cat", where={"a": 1}) == 7
    assert scripted.requests[0].query == {"limit": ["1"], "label": ["cat"], "where": ['{"a":1}']}


def test_every_call_that_filters_sends_the_filter_as_json(client, scripted, wire):
    answers = {
        "/search": {"model": wire.MODEL, "results": [{"neighbors": []}]},
        "/images/a/similar": {"model": wire.MODEL, "neighbors": []},
        "/images": {"images": [], "next_cursor": None, "count": 0},
    }
    scripted.answer = lambda request: wire.as_json(answers[request.path])
    where = {"brand": "Æcme & co", "size": ["S", 1], "price": {"gte": 0.5}, "new": True}
    client.search(b"pixels", where=where)
    client.search_features(np.zeros(4), where=where)
    client.similar("a", where=where, label="cat", max_distance=2, exact=True)
    list(client.list(where=where))
    client.count(where=where)
    assert [json.loads(r.query["where"][0]) for r in scripted.requests] == [where] * 5
    assert scripted.requests[2].query.keys() == {"k", "exact", "label", "max_distance", "where"}
