"""A fresh clone and `make serve`, as a newcomer has them, and the README's own lines against it."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.newcomer.make_serve import PATIENCE_S, ROOT, Made, fresh_serve, make_serve

README = (ROOT / "README.md").read_text()
CURL = re.compile(r"```sh\n(curl [^\n]+)\n```(?:\n+```json\n(.+?)\n```)?", re.DOTALL)
MAX_BYTES = 600_000_000


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    yield from fresh_serve(tmp_path_factory.mktemp("newcomer") / "clone")


def test_what_serves_is_small_and_has_no_pytorch(starter: Made) -> None:
    installed = starter.folder / ".venv"
    assert list(installed.glob("lib/python*/site-packages/openvino"))
    assert not list(installed.glob("lib/python*/site-packages/torch*"))
    sizes = [path.lstat().st_size for path in installed.rglob("*") if path.is_file()]
    assert sum(sizes) < MAX_BYTES


def test_starter_model_says_what_it_knows(starter: Made) -> None:
    assert "deploying the starter model" in starter.messages
    assert "make serve DATA=path/to/folders" in starter.messages
    model = httpx.get(f"{starter.url}/model").json()
    assert model["about"].startswith("The starter model: it knows ten kinds of clothing")
    assert (model["dialect"], model["precision"]) == ("alexnet2012", "int8")
    card = (ROOT / "starter" / "README.md").read_text()
    assert model["digest"] in card
    assert f"{model['metrics']['top1']:.1%}".replace("%", " %") in card
    assert all(label in card for label in model["classes"])


def test_it_takes_the_pages_samples_for_what_they_are(starter: Made) -> None:
    page = starter.folder / "server/alexnet_server/page"
    shown = re.findall(
        r'data-label="(\S+)"><img src="page/(\S+)"', (page / "index.html").read_text()
    )
    files = [("image", (path, (page / path).read_bytes())) for _, path in shown]
    answer = httpx.post(f"{starter.url}/classify", files=files, timeout=PATIENCE_S)
    results = answer.json()["results"]
    said = [one["predictions"][0]["label"] for one in results]
    assert said == [label for label, _ in shown]
    assert len(said) == 10


def shape(value: object) -> object:
    """JSON with every number and digest replaced, so that two runs can be compared."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    if isinstance(value, list):
        return [shape(one) for one in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return 0
    if isinstance(value, str):
        return re.sub(r"\d{4}-\d\d-\d\dT\S+", "*", value)
    return value


def test_the_readmes_curl_lines_answer_as_it_says(starter: Made) -> None:
    lines = CURL.findall(README)
    assert [bool(promised) for _, promised in lines] == [True] * 4 + [False]
    for line, promised in lines:
        command = shlex.split(line.replace("localhost:8080", starter.url.removeprefix("http://")))
        command += ["--silent", "--show-error", "--fail"]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, cwd=starter.folder
        )
        if promised:
            assert shape(json.loads(done.stdout)) == shape(json.loads(promised)), line
    features = np.load(starter.folder / "features.npy", allow_pickle=False)
    assert (features.shape, features.dtype) == ((1, 4096), np.float32)


@pytest.fixture
def elsewhere(starter: Made, tmp_path: Path) -> Path:
    """A folder with the starter deployed, for this checkout's own environment."""
    (tmp_path / "repository").symlink_to(starter.folder / "model_repository")
    return tmp_path


def test_a_second_start_deploys_nothing(elsewhere: Path) -> None:
    for made in make_serve(elsewhere):
        assert "deploying" not in made.messages
        assert "deployed" not in made.messages
        assert httpx.get(f"{made.url}/readyz").status_code == 200


def test_a_public_network_without_the_internet(elsewhere: Path) -> None:
    """What is deployed is served instead, and the terminal says which file to put where."""
    downloads = elsewhere / "downloads"
    nobody = "http://127.0.0.1:9"
    closed = {"HTTPS_PROXY": nobody, "https_proxy": nobody, "NO_PROXY": "", "no_proxy": ""}
    words = ("MODEL=torchvision", f"DOWNLOADS={downloads}")
    for made in make_serve(elsewhere, *words, **closed):
        assert str(downloads / "alexnet-owt-7be5be79.pth") in made.messages
        assert "The network is closed: serving what is deployed instead of MODEL" in made.messages
        assert httpx.get(f"{made.url}/model").json()["dialect"] == "alexnet2012"


def test_a_checkpoint_is_served_as_it_is(starter: Made, tmp_path: Path) -> None:
    digest = httpx.get(f"{starter.url}/model").json()["digest"]
    for made in make_serve(tmp_path, f"CHECKPOINT={starter.folder / 'starter/clothing.alexnet'}"):
        assert "deployed: version 1" in made.messages
        assert httpx.get(f"{made.url}/model").json()["digest"] == digest
