"""Two servers that keep their pictures in one Milvus, over HTTP."""

from __future__ import annotations

import io
import json
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests.narrow_repository import deploy_narrow
from tests.photos import crops
from tests.running_server import running_server


def jpegs(count: int) -> list[bytes]:
    made = []
    for pixels in crops(count, seed=3):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
        made.append(buffer.getvalue())
    return made


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return deploy_narrow(tmp_path_factory.mktemp("narrow"))


def test_what_one_server_stores_the_other_finds(
    repository: Path, milvus_url: str, tmp_path: Path
) -> None:
    flags = ("--index", milvus_url)
    with (
        running_server(repository, tmp_path / "unused", *flags) as one,
        running_server(repository, tmp_path / "unused", *flags) as other,
        httpx.Client(base_url=one.url, timeout=30) as to_one,
        httpx.Client(base_url=other.url, timeout=30) as to_other,
    ):
        photos = jpegs(4)
        for number, photo in enumerate(photos):
            said = {"label": "even" if number % 2 == 0 else "odd"}
            said["metadata"] = json.dumps({"price": number})
            stored = to_one.put(f"/images/p{number}", files={"image": photo}, data=said)
            assert stored.status_code == 201, stored.text
        again = to_other.put("/images/p0", files={"image": photos[0]})
        assert again.status_code == 200, again.text

        found = to_other.post("/search", params={"k": 2}, files={"image": photos[2]}).json()
        nearest = found["results"][0]["neighbors"][0]
        assert (nearest["id"], nearest["label"]) == ("p2", "even")
        assert nearest["metadata"] == {"price": 2}
        assert nearest["distance"] <= 1e-3
        similar = to_other.get("/images/p2/similar", params={"where": '{"price": {"lt": 2}}'})
        assert {one["id"] for one in similar.json()["neighbors"]} == {"p0", "p1"}
        assert to_other.get("/images/p3/thumbnail").headers["Content-Type"] == "image/jpeg"
        refused = to_other.get("/images", params={"cursor": '" or id != "'})
        assert (refused.status_code, refused.json()["code"]) == (400, "bad_id")

        deleted = to_other.post("/images/delete", json={"label": "even"}).json()
        assert (deleted["deleted"], deleted["left"]) == (2, 0)
        listed = to_one.get("/images").json()
        assert [one["id"] for one in listed["images"]] == ["p1", "p3"]
        assert to_one.get("/model").json()["index"]["coder"] is None
    assert not (tmp_path / "unused").exists()
