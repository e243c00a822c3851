from __future__ import annotations

import base64
import io
from pathlib import Path

import httpx
import numpy as np
import pytest

from alexnet_pixels.decode import decode
from alexnet_pixels.views import views
from alexnet_repository.repository import open_repository
from alexnet_server.engine.local import LocalNetwork
from tests.conftest import Serving
from tests.random_checkpoint import NARROW_INSIDE


@pytest.fixture(scope="module")
def picture(photos: Path) -> bytes:
    return (photos / "building" / "0.jpg").read_bytes()


@pytest.fixture(scope="module")
def engine(narrow_inside: Path) -> LocalNetwork:
    return LocalNetwork(open_repository(narrow_inside))


@pytest.mark.parametrize("count", [1, 10])
def test_answers_are_the_networks(
    serving: Serving, engine: LocalNetwork, picture: bytes, count: int
) -> None:
    expected = engine.run(views(decode(picture), count))
    probabilities = expected.probabilities.mean(axis=0)
    answer = httpx.post(
        f"{serving.url}/classify?top_k=6&views={count}", files={"image": ("a.jpg", picture)}
    ).json()
    (result,) = answer["results"]
    assert result["filename"] == "a.jpg"
    found = [one["class_id"] for one in result["predictions"]]
    assert found == np.argsort(-probabilities, kind="stable").tolist()
    for one in result["predictions"]:
        assert one["label"] == serving.classes[one["class_id"]]
        assert one["probability"] == pytest.approx(probabilities[one["class_id"]], abs=1e-5)
    features = httpx.post(f"{serving.url}/features?views={count}", content=picture).json()
    np.testing.assert_allclose(
        features["results"][0]["features"], expected.features.mean(axis=0), rtol=1e-4, atol=1e-5
    )


def test_labels_and_features_of_one_pass(serving: Serving, picture: bytes) -> None:
    files = [("image", picture), ("image", b"no picture"), ("image", picture)]
    url = f"{serving.url}/classify?top_k=1"
    first, bad, last = httpx.post(f"{url}&features=base64", files=files).json()["results"]
    assert bad["error"]["code"] == "unsupported_format"
    labels = httpx.post(url, files=files[:1]).json()["results"][0]
    assert "features" not in labels
    assert first["predictions"][0]["class_id"] == labels["predictions"][0]["class_id"]
    expected = httpx.post(f"{serving.url}/features", content=picture).json()["results"][0]
    for one in (first, last):
        vector = np.frombuffer(base64.b64decode(one["features"], validate=True), "<f4")
        np.testing.assert_allclose(vector, expected["features"], rtol=1e-4, atol=1e-5)
    refused = httpx.post(f"{serving.url}/classify?features=json", content=picture)
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_parameter")


def test_a_raw_body_of_any_type_is_a_picture(serving: Serving, picture: bytes) -> None:
    for kind in ("application/x-www-form-urlencoded", "image/jpeg", "text/plain", None):
        headers = {"Content-Type": kind} if kind else {}
        answer = httpx.post(f"{serving.url}/classify", content=picture, headers=headers)
        assert answer.status_code == 200, kind
        assert answer.json()["results"][0]["filename"] is None


def test_npy(serving: Serving, picture: bytes) -> None:
    files = [("image", picture), ("image", picture)]
    headers = {"Accept": "application/x-npy"}
    answer = httpx.post(f"{serving.url}/features", files=files, headers=headers)
    assert answer.headers["content-type"] == "application/x-npy"
    array = np.load(io.BytesIO(answer.content), allow_pickle=False)
    assert (array.shape, array.dtype) == ((2, 4096), np.float32)
    json = httpx.post(f"{serving.url}/features", files=files).json()
    np.testing.assert_allclose(array, [one["features"] for one in json["results"]], rtol=1e-6)
    files.append(("image", b"no picture"))
    refused = httpx.post(f"{serving.url}/features", files=files, headers=headers)
    assert refused.status_code == 415


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/classify?topk=3", 400, "bad_parameter"),
        ("/classify?top_k=0", 400, "bad_parameter"),
        ("/classify?views=5", 400, "bad_parameter"),
        ("/search?k=101", 400, "bad_parameter"),
        ("/nowhere", 404, "not_found"),
        ("/livez", 405, "method_not_allowed"),
    ],
)
def test_what_is_asked_wrongly(
    serving: Serving, picture: bytes, path: str, status: int, code: str
) -> None:
    answer = httpx.post(f"{serving.url}{path}", content=picture)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_no_picture_at_all(serving: Serving, picture: bytes) -> None:
    wrong_field = httpx.post(f"{serving.url}/classify", files={"photo": picture})
    assert "name it 'image'" in wrong_field.json()["detail"]
    inside_json = httpx.post(f"{serving.url}/classify", json={"url": "http://127.0.0.1/"})
    assert (inside_json.status_code, inside_json.json()["code"]) == (400, "missing_picture")
    only_text = httpx.post(f"{serving.url}/classify", files={"image": (None, "text")})
    assert only_text.json()["code"] == "missing_picture"


def test_a_part_without_a_name_is_refused(serving: Serving) -> None:
    body = b"--b\r\nContent-Disposition: form-data; filename=a\r\n\r\nx\r\n--b--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    for path in ("classify", "search", "images"):
        answer = httpx.post(f"{serving.url}/{path}", content=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


def test_page_files_and_nothing_else(serving: Serving) -> None:
    url = f"{serving.url}/page"
    assert httpx.get(f"{url}/page.js").headers["content-type"].startswith("text/javascript")
    for name in ("__init__.py", "..%2fserve.py", "none.css"):
        assert httpx.get(f"{url}/{name}").json()["code"] == "not_found"
    far = {"If-Modified-Since": "Mon, 01 Jan 99999999999 00:00:00 GMT"}
    for path in ("", "/page/page.css"):
        assert httpx.get(f"{serving.url}{path}", headers=far).status_code == 400


def test_no_redirect_names_the_host_that_was_sent(serving: Serving) -> None:
    url = f"{serving.url}/images//evil.example"
    for headers, expected in (({"Host": "evil.example"}, 403), ({"Host": "localhost"}, 404)):
        answer = httpx.get(url, headers=headers)
        assert (answer.status_code, answer.headers.get("Location")) == (expected, None)


def test_request_ids_are_echoed_or_made(serving: Serving) -> None:
    url = f"{serving.url}/livez"
    assert httpx.get(url, headers={"X-Request-Id": "abc-1"}).headers["x-request-id"] == "abc-1"
    made = httpx.get(url, headers={"X-Request-Id": "no spaces allowed"}).headers["x-request-id"]
    assert len(made) == 32


def test_model_says_what_it_is(serving: Serving) -> None:
    model = httpx.get(f"{serving.url}/model").json()
    assert model["classes"] == list(serving.classes)
    assert model["dialect"] == NARROW_INSIDE.name
    assert model["about"].startswith("Random weights")
