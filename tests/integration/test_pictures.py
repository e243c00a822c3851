"""Pictures stored, found, listed and deleted over HTTP; each test on an index of its own."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from PIL import Image

from alexnet_export.deploy import Deployment, deploy
from tests.running_server import running_server


@pytest.fixture(scope="module")
def url(narrow_inside: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    index = tmp_path_factory.mktemp("index") / "index.sqlite"
    with running_server(narrow_inside, index) as server:
        yield server.url


@pytest.fixture(autouse=True)
def empty_index(url: str) -> Iterator[None]:
    yield
    stored = httpx.get(f"{url}/images").json()["images"]
    httpx.post(f"{url}/images/delete", json={"ids": [one["id"] for one in stored]})


def picture_files(photos: Path) -> list[Path]:
    return sorted(path for path in photos.glob("*/*.jpg") if path.stem != "broken")


def add_all(url: str, photos: Path) -> list[dict]:
    paths = picture_files(photos)
    answer = httpx.post(
        f"{url}/images",
        files=[("image", (path.name, path.read_bytes())) for path in paths],
        data={
            "id": [path.stem for path in paths],
            "label": [path.parent.name for path in paths],
            "metadata": [f'{{"path": "{path.name}"}}' for path in paths],
        },
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


def test_added_pictures_are_found_nearest_to_themselves(url: str, photos: Path) -> None:
    assert [one["created"] for one in add_all(url, photos)] == [True] * 6
    for path in picture_files(photos):
        answer = httpx.post(f"{url}/search?k=3", files={"image": path.read_bytes()}).json()
        neighbors = answer["results"][0]["neighbors"]
        assert neighbors[0] == {
            "id": path.stem,
            "distance": pytest.approx(0, abs=1e-3),
            "label": path.parent.name,
            "metadata": {"path": path.name},
        }
        distances = [one["distance"] for one in neighbors]
        assert len(distances) == 3
        assert distances == sorted(distances)


def test_search_by_features_equals_search_by_picture(url: str, photos: Path) -> None:
    add_all(url, photos)
    picture = (photos / "flower" / "1.jpg").read_bytes()
    features = httpx.post(f"{url}/features", content=picture).json()["results"][0]["features"]
    by_features = httpx.post(f"{url}/search", json={"features": features}).json()
    by_picture = httpx.post(f"{url}/search", content=picture).json()
    assert by_features == by_picture


@pytest.mark.parametrize(
    "body",
    [
        '{"features": [1, 2]}',
        '{"features": "x"}',
        "[]",
        "{",
        "",
        '{"features": [NaN]}',
        "null",
        "[" * 100_000,
    ],
)
def test_bad_features_are_refused(url: str, body: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = httpx.post(f"{url}/search", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


def test_a_json_body_of_2_mib_and_no_more(url: str) -> None:
    headers = {"Content-Type": "application/json"}
    for length, status, code in (
        (2 * 1024 * 1024, 400, "bad_request"),
        (2 * 1024 * 1024 + 1, 413, "request_too_large"),
    ):
        body = b"[" + b"0" * (length - 2) + b"]"
        answer = httpx.post(f"{url}/search", content=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("value", ["NaN", "3e38", "1e39", "true", '"1"', "null", "1" + "0" * 400])
def test_bad_numbers_among_features_are_refused(url: str, value: str) -> None:
    body = '{"features": [' + ",".join(["0.5"] * 4095 + [value]) + "]}"
    headers = {"Content-Type": "application/json"}
    answer = httpx.post(f"{url}/search", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


def test_filters(url: str, photos: Path) -> None:
    add_all(url, photos)
    picture = (photos / "flower" / "1.jpg").read_bytes()
    labelled = httpx.post(f"{url}/search?label=building", content=picture).json()
    assert {one["label"] for one in labelled["results"][0]["neighbors"]} == {"building"}
    near = httpx.post(f"{url}/search?max_distance=0.001&exact=true", content=picture).json()
    assert [one["id"] for one in near["results"][0]["neighbors"]] == ["1"]
    similar = httpx.get(f"{url}/images/1/similar?k=2").json()["neighbors"]
    assert len(similar) == 2
    assert "1" not in {one["id"] for one in similar}


def test_an_answer_holds_no_more_than_1000_neighbours(url: str) -> None:
    files = [("image", b"x")] * 11
    answer = httpx.post(f"{url}/search?k=100", files=files)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_many_pictures")
    for said in ("11 pictures", "k=100", "1,000", "k=90 or less", "at most 10 pictures"):
        assert said in answer.json()["detail"]
    for k, count in ((100, 10), (90, 11)):
        answer = httpx.post(f"{url}/search?k={k}", files=files[:count])
        assert [one["error"]["code"] for one in answer.json()["results"]] == [
            "unsupported_format"
        ] * count


def test_a_repeat_is_known_by_its_bytes(url: str, photos: Path) -> None:
    picture = (photos / "flower" / "1.jpg").read_bytes()
    first = httpx.post(f"{url}/images", files={"image": picture}, data={"label": "one"}).json()
    again = httpx.post(f"{url}/images", content=picture).json()
    named = httpx.post(f"{url}/images", files={"image": picture}, data={"label": "two"}).json()
    (one,), (two,), (three,) = (answer["results"] for answer in (first, again, named))
    assert one["id"] == hashlib.sha256(picture).hexdigest() == two["id"]
    assert (one["created"], two["created"]) == (True, False)
    assert (one["label"], two["label"], three["label"]) == ("one", "one", "two")
    assert httpx.get(f"{url}/images").json()["count"] == 1


def test_the_same_picture_twice_in_one_request(url: str, photos: Path) -> None:
    picture = (photos / "flower" / "1.jpg").read_bytes()
    files = [("image", picture), ("image", picture)]
    answer = httpx.post(f"{url}/images", files=files, data={"label": ["cat", ""]}).json()
    assert [one["created"] for one in answer["results"]] == [True, False]
    assert [one["label"] for one in answer["results"]] == ["cat", "cat"]


def test_put_get_delete(url: str, photos: Path) -> None:
    one, other = ((photos / name).read_bytes() for name in ("flower/1.jpg", "building/0.jpg"))
    put = httpx.put(f"{url}/images/mine", files={"image": one}, data={"metadata": '{"a": [1]}'})
    assert (put.status_code, put.json()["created"]) == (201, True)
    stored = httpx.get(f"{url}/images/mine").json()
    assert (stored["id"], stored["metadata"]) == ("mine", {"a": [1]})
    replaced = httpx.put(f"{url}/images/mine", content=other)
    assert (replaced.status_code, replaced.json()["metadata"]) == (200, {})
    nearest = httpx.post(f"{url}/search?k=1", content=other).json()["results"][0]["neighbors"]
    assert nearest[0]["distance"] <= 1e-3
    thumbnail = httpx.get(f"{url}/images/mine/thumbnail")
    assert thumbnail.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(thumbnail.content)).size == (192, 192)
    assert httpx.delete(f"{url}/images/mine").status_code == 204
    for path in ("", "/thumbnail", "/similar"):
        gone = httpx.get(f"{url}/images/mine{path}")
        assert (gone.status_code, gone.json()["code"]) == (404, "picture_not_found")
    assert httpx.delete(f"{url}/images/mine").status_code == 404


def test_pages_and_delete_by_filter(url: str, photos: Path) -> None:
    add_all(url, photos)
    first = httpx.get(f"{url}/images?limit=4").json()
    second = httpx.get(f"{url}/images", params={"cursor": first["next_cursor"]}).json()
    assert [one["id"] for one in first["images"] + second["images"]] == list("012345")
    assert (first["count"], second["next_cursor"]) == (6, None)
    assert httpx.get(f"{url}/images?label=flower").json()["count"] == 3
    for body in (
        {},
        {"label": "flower", "ids": []},
        {"label": 1},
        {"ids": ["../x"]},
    ):
        assert httpx.post(f"{url}/images/delete", json=body).status_code == 400
    half_a_pair = httpx.post(
        f"{url}/images/delete",
        content=rb'{"label": "\ud800"}',
        headers={"Content-Type": "application/json"},
    )
    assert half_a_pair.json()["code"] == "bad_metadata"
    deleted = httpx.post(f"{url}/images/delete", json={"label": "flower"}).json()
    assert deleted == {"deleted": 3, "left": 0}
    assert httpx.get(f"{url}/images").json()["count"] == 3


def test_a_bad_picture_among_stored_ones(url: str, photos: Path) -> None:
    good = (photos / "flower" / "1.jpg").read_bytes()
    broken = (photos / "flower" / "broken.jpg").read_bytes()
    files = [("image", ("a.jpg", broken)), ("image", ("b.jpg", good))]
    first, second = httpx.post(f"{url}/images", files=files).json()["results"]
    assert first["error"]["code"] == "undecodable_picture"
    assert second["created"] is True
    assert httpx.get(f"{url}/images").json()["count"] == 1


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"id": "a/b"}, "bad_id"),
        ({"metadata": "[]"}, "bad_metadata"),
        ({"label": "x" * 257}, "bad_metadata"),
        ({"id": ["a", "b"]}, "bad_request"),
        ({"title": "x"}, "bad_request"),
    ],
)
def test_bad_fields(url: str, photos: Path, data: dict[str, str], code: str) -> None:
    picture = (photos / "flower" / "1.jpg").read_bytes()
    answer = httpx.post(f"{url}/images", files={"image": picture}, data=data)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


@pytest.mark.parametrize("name", ["..", "%2e%2e%2fx", "a%00b", "x" * 129, "a%20b"])
def test_bad_ids_never_reach_the_disk(url: str, photos: Path, name: str) -> None:
    picture = (photos / "flower" / "1.jpg").read_bytes()
    assert httpx.put(f"{url}/images/{name}", content=picture).status_code in (400, 404, 405)
    assert httpx.get(f"{url}/images").json()["count"] == 0


def test_pictures_outlive_the_server(narrow_inside: Path, photos: Path, tmp_path: Path) -> None:
    index = tmp_path / "index.sqlite"
    with running_server(narrow_inside, index) as server:
        add_all(server.url, photos)
        server.process.kill()
        server.process.wait()
    with running_server(narrow_inside, index) as server:
        assert httpx.get(f"{server.url}/images").json()["count"] == 6


def test_an_unusable_index_stops_only_what_needs_it(
    narrow_inside: Path, photos: Path, tmp_path: Path
) -> None:
    index = tmp_path / "index.sqlite"
    index.write_text("someone else's file " * 1_000)
    picture = (photos / "flower" / "1.jpg").read_bytes()
    with running_server(narrow_inside, index) as server:
        assert httpx.post(f"{server.url}/classify", content=picture).status_code == 200
        for path in ("search", "images"):
            answer = httpx.post(f"{server.url}/{path}", content=picture)
            assert (answer.status_code, answer.json()["code"]) == (409, "index_mismatch")
        assert httpx.get(f"{server.url}/model").json()["index"]["error"] == "index_mismatch"
        process = psutil.Process(server.process.pid)
        padded = picture + bytes(5 * 1024 * 1024)
        grown = []
        for _ in range(3):
            for _ in range(8):
                httpx.post(f"{server.url}/images", content=padded)
            grown.append(process.memory_info().rss)
        assert grown[2] - grown[1] < 20e6  # 8 requests of 5 MB
    assert index.read_text().startswith("someone else's file")


def test_another_model_begins_with_an_empty_generation(
    narrow_inside: Path, narrow_checkpoint: Path, photos: Path, tmp_path: Path
) -> None:
    index = tmp_path / "index.sqlite"
    with running_server(narrow_inside, index) as server:
        add_all(server.url, photos)
    narrow = tmp_path / "repository"
    deploy(narrow_checkpoint, Deployment(narrow))
    with running_server(narrow, index) as server:
        assert httpx.get(f"{server.url}/images").json()["count"] == 0
        assert "empty for this model" in "".join(server.messages)
    with running_server(narrow_inside, index) as server:
        assert httpx.get(f"{server.url}/images").json()["count"] == 6
