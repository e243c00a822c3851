"""Filters, near-duplicates and originals over HTTP, on an index of each metric."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from alexnet_client import Client, errors
from tests.narrow_repository import deploy_narrow
from tests.photos import crops
from tests.running_server import RunningServer, running_server

ABOUT = [
    {"brand": "acme", "price": 5, "size": "S", "new": True},
    {"brand": "acme", "price": 10.5, "size": "M", "new": False},
    {"brand": 'O\'Hara "&" <co>', "price": 20, "size": "M"},
    {"brand": "acme", "price": "20", "size": 1},
    {"brand": "çédille", "price": -1, "size": ["S"], "new": 1},
    {},
]
IDS = [f"p{number}" for number in range(len(ABOUT))]
WHERE = [
    ({"brand": "acme"}, "p0 p1 p3"),
    ({"brand": "ACME"}, ""),
    ({"brand": 'O\'Hara "&" <co>'}, "p2"),
    ({"brand": "çédille"}, "p4"),
    ({"price": 20}, "p2"),  # a number is not a text
    ({"price": "20"}, "p3"),
    ({"price": {"gte": 5, "lt": 20}}, "p0 p1"),
    ({"price": {"gt": 5, "lte": 20}}, "p1 p2"),
    ({"price": {"lt": 0}}, "p4"),
    ({"price": {"gte": "1"}}, "p3"),
    ({"size": ["S", 1]}, "p0 p3"),
    ({"new": True}, "p0"),
    ({"new": 1}, "p4"),
    ({"new": [True, False]}, "p0 p1"),
    ({"brand": "acme", "size": "M"}, "p1"),
    ({"none": "x"}, ""),
    ({"brand": "' OR '1'='1"}, ""),
    ({"brand": "\0"}, ""),
    ({"price": 1e300}, ""),
    ({"price": 10**30}, ""),
    ({}, "p0 p1 p2 p3 p4 p5"),
]


def jpeg(pixels: np.ndarray, quality: int = 90) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "jpeg", quality=quality)
    return out.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("filters")
    deploy_narrow(made)
    return made


@pytest.fixture(scope="module", params=["l2", "cosine"])
def server(folder: Path, request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    kept = folder / f"originals-{request.param}"
    flags = ("--metric", request.param, "--index-keys", "brand,price", "--originals", str(kept))
    with running_server(folder / "repository", folder / "index.sqlite", *flags) as started:
        yield started


@pytest.fixture(scope="module")
def http(server: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60) as made:
        yield made


@pytest.fixture
def metric(http: httpx.Client) -> str:
    return http.get("/model").json()["index"]["metric"]


@pytest.fixture
def client(server: RunningServer) -> Iterator[Client]:
    """Its index is empty before and after."""
    with Client(server.url, max_retries=0) as made:
        yield made
        made.delete_where(ids=[picture.id for picture in made.list()])


@pytest.fixture
def stored(client: Client) -> list[bytes]:
    pictures = [jpeg(pixels) for pixels in crops(len(ABOUT), seed=4)]
    add(client, pictures)
    return pictures


def add(client: Client, pictures: list[bytes]) -> None:
    client.add_many(pictures, ids=IDS, labels=["even", "odd"] * 3, metadata=ABOUT)


def test_a_filter_means_the_same_wherever_it_is_sent(client: Client, stored: list[bytes]) -> None:
    for number, (where, ids) in enumerate(WHERE):
        expected, exact = set(ids.split()), bool(number % 2)
        assert {picture.id for picture in client.list(where=where)} == expected, where
        assert client.count(where=where) == len(expected)
        near = client.similar("p1", k=50, where=where, exact=exact)
        assert {neighbor.id for neighbor in near} == expected - {"p1"}, where
        odd = {picture.id for picture in client.list(where=where, label="odd")}
        assert odd == {one for one in expected if int(one[1:]) % 2}, where
    for where, ids in WHERE[::4]:
        for exact in (False, True):
            found = client.search(stored[0], k=50, where=where, exact=exact).neighbors
            assert {neighbor.id for neighbor in found} == set(ids.split()), where


def test_what_a_filter_shows_is_what_it_deletes(client: Client, stored: list[bytes]) -> None:
    for where, ids in WHERE:
        if not where:
            continue
        add(client, stored)  # what is there is not computed again
        expected = set(ids.split())
        odd = {one for one in expected if int(one[1:]) % 2}
        assert client.delete_where(where=where, label="odd") == len(odd), where
        assert client.delete_where(where=where) == len(expected - odd), where
        assert {picture.id for picture in client.list()} == set(IDS) - expected, where
    with pytest.raises(errors.BadRequest, match="every picture"):
        client.delete_where(where={})


def test_filters_that_cannot_be_meant_are_refused(http: httpx.Client) -> None:
    bad = ["", "{", "[]", '{"a": null}', '{"a": {"lt": true}}', '{"a\\u0000": 1}', '{"a": 1e999}']
    bad += [json.dumps({"a": "x" * 257}), json.dumps({f"k{n}": 1 for n in range(9)})]
    bad += ['{"a": 1, "a": 2}', '{"a": "\\ud800"}', '{"a": "' + "é" * 2_100 + '"}']
    for where in bad:
        for path in ("images", "images/p0/similar"):
            answer = http.get(f"/{path}", params={"where": where})
            assert (answer.status_code, answer.json()["code"]) == (400, "bad_parameter"), where
        if "é" not in where:  # a body may be longer
            answer = http.post(
                "/images/delete",
                content=f'{{"where": {where or "null"}}}',
                headers={"Content-Type": "application/json"},
            )
            assert (answer.status_code, answer.json()["code"]) == (400, "bad_request"), where


def test_distances_are_of_the_indexs_metric(
    http: httpx.Client, client: Client, stored: list[bytes], metric: str
) -> None:
    features = features_of(http, stored)
    answer = http.get("/images/p0/similar", params={"k": 10}).json()
    assert answer["search"] == {"metric": metric, "exact": True}
    assert len(answer["neighbors"]) == len(IDS) - 1
    for neighbor in answer["neighbors"]:
        one, other = features[0], features[IDS.index(neighbor["id"])]
        euclidean = np.linalg.norm(one - other)
        cosine = 1 - one @ other / np.linalg.norm(one) / np.linalg.norm(other)
        expected = euclidean if metric == "l2" else cosine
        assert neighbor["distance"] == pytest.approx(expected, rel=1e-3, abs=1e-5)
    itself = client.search(stored[0], k=1).neighbors[0]
    assert itself.distance <= 1e-3


def test_duplicates_are_found_among_others_and_the_largest_is_to_be_kept(
    http: httpx.Client, client: Client, metric: str
) -> None:
    """40 photos, and of 5 of them a copy that was compressed again."""
    photos = tinted(crops(40, seed=9))
    pictures = {f"photo-{n:02}": jpeg(pixels, 95) for n, pixels in enumerate(photos)}
    pictures |= {f"again-{n:02}": jpeg(photos[n], 85) for n in range(0, 40, 8)}
    client.add_many(list(pictures.values()), ids=list(pictures))
    listed = http.get("/images?limit=1000").json()["images"]
    assert {one["id"]: one["bytes"] for one in listed} == {
        name: len(data) for name, data in pictures.items()
    }
    ids = list(pictures)
    distances = between(features_of(http, list(pictures.values())), metric)
    copies = {(f"photo-{n:02}", f"again-{n:02}") for n in range(0, 40, 8)}
    near = max(distances[ids.index(one), ids.index(other)] for one, other in copies)
    others = [
        distances[ids.index(one), ids.index(other)]
        for one, other in itertools.combinations(ids, 2)
        if (one, other) not in copies
    ]
    assert near < min(others)  # else there is no telling them apart
    groups = client.duplicates((near + min(others)) / 2)
    found = {(group.keep.id, *(one.id for one in group.others)) for group in groups}
    assert found == copies
    assert client.duplicates(0) == []
    assert len(told_in_pages(http, 1e9)) == 45 * 44 // 2  # each pair once
    assert told_in_pages(http, near * 1.001) == told_in_pages(http, near * 1.001, limit=7)


def tinted(photos: np.ndarray) -> np.ndarray:
    """Photos in light of different colours, uint8: a random network tells few things apart."""
    light = np.random.default_rng(7).uniform(0, 1, (len(photos), 2, 1, 3))
    fade = np.linspace(0, 1, photos.shape[1])[None, :, None, None]
    return (photos * (light[:, :1] * fade + light[:, 1:] * (1 - fade))).astype(np.uint8)


def features_of(http: httpx.Client, pictures: list[bytes]) -> np.ndarray:
    """float64 [n, units]."""
    answer = http.post("/features", files=[("image", one) for one in pictures]).json()
    return np.array([result["features"] for result in answer["results"]], np.float64)


def between(rows: np.ndarray, metric: str) -> np.ndarray:
    """Distances of every row from every other, float64 [n, n]."""
    if metric == "l2":
        return np.linalg.norm(rows[:, None] - rows[None], axis=-1)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return 1 - unit @ unit.T


def told_in_pages(http: httpx.Client, max_distance: float, limit: int = 1000) -> set:
    found, cursor, compared = [], None, 0
    while True:
        asked = {"max_distance": max_distance, "limit": limit}
        asked |= {"cursor": cursor} if cursor else {}
        page = http.get("/duplicates", params=asked).json()
        assert page["compared"] <= limit
        compared += page["compared"]
        found += [(pair["id"], pair["other"]) for pair in page["pairs"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert compared == page["count"]
    assert all(other < one for one, other in found)
    assert len(found) == len(set(found))
    return set(found)


def test_a_thumbnail_that_is_known_is_not_sent_again(
    http: httpx.Client, client: Client, stored: list[bytes]
) -> None:
    url = "/images/p0/thumbnail"
    first = http.get(url)
    again = http.get(url, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    client.add(stored[1], id="p0")
    replaced = http.get(url, headers={"If-None-Match": first.headers["ETag"]})
    assert replaced.status_code == 200
    assert replaced.headers["ETag"] != first.headers["ETag"]


def test_originals_come_and_go_with_their_pictures(
    folder: Path, client: Client, metric: str
) -> None:
    one, two, three = (jpeg(pixels) for pixels in crops(3, seed=6))

    def kept() -> set[bytes]:
        files = [path for path in (folder / f"originals-{metric}").rglob("*") if path.is_file()]
        for path in files:
            assert path.name == hashlib.sha256(path.read_bytes()).hexdigest()
        return {path.read_bytes() for path in files}

    client.add_many([one, two, b"no picture", one], ids=["a", "b", "c", "d"], labels="x")
    assert kept() == {one, two}
    client.delete("a")
    assert kept() == {one, two}  # it is d's as well
    client.delete("d")
    assert kept() == {two}
    client.add(three, id="b")
    assert kept() == {three}
    client.add_many([one, two], ids=["e", "e"])  # the later one wins
    assert kept() == {two, three}
    client.add(three, id="f", label="x", metadata={"n": 1})
    assert client.delete_where(label="x", where={"n": 1}) == 1
    assert kept() == {two, three}
    client.delete_where(ids=["b", "e", "none"])
    assert kept() == set()


def test_a_repeat_brings_an_original_that_was_not_kept(
    folder: Path, client: Client, metric: str
) -> None:
    (picture,) = (jpeg(pixels) for pixels in crops(1, seed=6))
    client.add(picture, id="a")
    (path,) = (path for path in (folder / f"originals-{metric}").rglob("*") if path.is_file())
    path.unlink()  # as if the server had been started without --originals
    assert client.add(picture, id="a").created is False
    assert path.read_bytes() == picture
