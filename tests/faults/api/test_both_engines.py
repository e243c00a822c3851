"""What HTTP promises holds with either engine: views, arrays, an error for each picture."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from alexnet_pixels.decode import decode
from alexnet_pixels.views import views
from alexnet_repository.repository import open_repository
from alexnet_server.engine import Images, Inference
from alexnet_server.engine.local import LocalNetwork
from tests.fakes.triton_v2 import answers
from tests.faults.api.answers import code_of, strict
from tests.faults.api.heard import listening
from tests.faults.api.narrow_document import UNITS
from tests.photos import crops
from tests.random_checkpoint import CLASSES
from tests.running_server import running_server
from tests.waiting import WAIT_S, wait_until

NPY = {"Accept": "application/x-npy"}
BROKEN = b"\xff\xd8\xff\xe0 no photo"


@dataclass
class Served:
    """A server with one of the engines, and what that engine makes of views."""

    client: httpx.Client
    infer: Callable[[Images], Inference]

    def seen(self, picture: bytes, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Features and probabilities of a picture, averaged over ``count`` views."""
        found = self.infer(views(decode(picture), count))
        return found.features.mean(axis=0), found.probabilities.mean(axis=0)


@pytest.fixture(scope="module")
def photos() -> list[bytes]:
    found = []
    for pixels in crops(2, seed=3):
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "JPEG")
        found.append(out.getvalue())
    return found


@pytest.fixture(scope="module", params=["local", "triton"])
def served(
    request: pytest.FixtureRequest, repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    index = tmp_path_factory.mktemp(request.param) / "index.sqlite"
    with ExitStack() as stack:
        engine, infer = "local", LocalNetwork(open_repository(repository)).run
        if request.param == "triton":
            ear = stack.enter_context(listening(repository))
            engine, infer = f"triton://127.0.0.1:{ear.port}", of_fake
        server = stack.enter_context(running_server(repository, index, "--engine", engine))
        client = stack.enter_context(httpx.Client(base_url=server.url, timeout=WAIT_S))
        wait_until(lambda: client.get("/readyz").status_code == 200)
        yield Served(client, infer)


def of_fake(images: Images) -> Inference:
    features, probabilities = zip(
        *(answers(one, UNITS, len(CLASSES)) for one in images), strict=True
    )
    return Inference(np.stack(features), np.stack(probabilities))


def form(*pictures: bytes) -> list[tuple[str, tuple[str, bytes]]]:
    return [("image", (f"{place}.jpg", one)) for place, one in enumerate(pictures)]


@pytest.mark.parametrize("count", [1, 10])
def test_answers_are_the_mean_over_the_views(
    served: Served, photos: list[bytes], count: int
) -> None:
    query = {"views": count}
    features, probabilities = served.seen(photos[0], count)
    answer = served.client.post("/classify", params=query, content=photos[0])
    (result,) = strict(answer)["results"]
    found = {one["label"]: one["probability"] for one in result["predictions"]}
    best = np.argsort(-probabilities, kind="stable")[:5]
    assert list(found) == [CLASSES[place] for place in best]
    np.testing.assert_allclose(list(found.values()), probabilities[best], rtol=1e-4, atol=1e-6)
    answer = served.client.post("/features", params=query, content=photos[0])
    (result,) = strict(answer)["results"]
    np.testing.assert_allclose(result["features"], features, rtol=1e-4, atol=1e-5)


def test_arrays_hold_a_row_for_each_picture(served: Served, photos: list[bytes]) -> None:
    for count in (1, 10):
        answer = served.client.post(
            "/features", params={"views": count}, files=form(*photos), headers=NPY
        )
        assert answer.headers["Content-Type"] == "application/x-npy"
        array = np.load(io.BytesIO(answer.content), allow_pickle=False)
        assert array.dtype == "<f4"
        rows = [served.seen(photo, count)[0] for photo in photos]
        np.testing.assert_allclose(array, rows, rtol=1e-4, atol=1e-5)
    refused = served.client.post("/features", files=form(*photos, BROKEN), headers=NPY)
    assert (refused.status_code, code_of(refused)) == (422, "undecodable_picture")


@pytest.mark.parametrize("path", ["/classify", "/features", "/search", "/images"])
def test_each_bad_picture_has_its_own_error(served: Served, photos: list[bytes], path: str) -> None:
    files = form(BROKEN, photos[0], b"", b"GIF89a", photos[1])
    answer = served.client.post(path, files=files)
    assert answer.status_code == 200
    results = strict(answer)["results"]
    assert [one["filename"] for one in results] == [f"{place}.jpg" for place in range(5)]
    assert [one.get("error", {}).get("code") for one in results] == [
        "undecodable_picture",
        None,
        "empty_picture",
        "unsupported_format",
        None,
    ]
    alone = served.client.post(path, files=form(photos[1]))
    made = {"created", "created_at"}
    assert {k: v for k, v in results[4].items() if k not in {"filename", *made}} == {
        k: v for k, v in strict(alone)["results"][0].items() if k not in {"filename", *made}
    }


def test_search_compares_the_views_that_were_asked_for(served: Served, photos: list[bytes]) -> None:
    served.client.put("/images/first", content=photos[0]).raise_for_status()
    stored, _ = served.seen(photos[0], 1)
    for count in (1, 10):
        answer = served.client.post("/search", params={"views": count}, content=photos[0])
        (result,) = strict(answer)["results"]
        found = {one["id"]: one["distance"] for one in result["neighbors"]}
        wanted = np.linalg.norm(served.seen(photos[0], count)[0] - stored)
        assert found["first"] == pytest.approx(wanted, rel=1e-3, abs=1e-3)


def test_64_views_and_no_more(served: Served, photos: list[bytes]) -> None:
    for path in ("/classify", "/features", "/search"):
        asked = {"params": {"views": 10}, "files": form(*[photos[0]] * 7)}
        refused = served.client.post(path, **asked)
        assert (refused.status_code, code_of(refused)) == (413, "too_many_pictures")
        asked["files"] = form(*[photos[0]] * 6)
        assert served.client.post(path, **asked).status_code == 200


def test_embeddings_are_the_features(served: Served, photos: list[bytes]) -> None:
    urls = [f"data:image/jpeg;base64,{base64.b64encode(one).decode()}" for one in photos]
    rows = [served.seen(photo, 1)[0] for photo in photos]
    for given, wanted in ((urls, rows), (urls[1], rows[1:])):
        body = strict(served.client.post("/v1/embeddings", json={"input": given, "model": "any"}))
        assert (body["object"], body["model"]) == ("list", "alexnet")
        assert [one["index"] for one in body["data"]] == list(range(len(wanted)))
        found = [one["embedding"] for one in body["data"]]
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
