"""`make serve` as a newcomer runs it, and the README's own lines against what it starts."""

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

from tests.newcomer.make_serve import ROOT, Made, make_serve

README = (ROOT / "README.md").read_text()
CURL = re.compile(r"```sh\n(curl [^\n]+)\n```(?:\n+```json\n(.+?)\n```)?", re.DOTALL)


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    yield from make_serve(tmp_path_factory.mktemp("starter"))


def test_starter_model_is_good_and_says_what_it_knows(starter: Made) -> None:
    assert "training the starter model" in starter.messages
    assert "make serve DATA=path/to/folders" in starter.messages
    model = httpx.get(f"{starter.url}/model").json()
    assert model["about"].startswith("The starter model: it knows the handwritten digits")
    assert model["classes"] == list("0123456789")
    assert model["metrics"]["n"] == 355
    assert model["metrics"]["top1"] >= 0.96


def test_towers_and_single_agree_on_the_starter(starter: Made) -> None:
    manifest = json.loads((starter.folder / "repository/alexnet/manifest.json").read_text())
    assert manifest["parity"]["pictures"] == 200
    assert manifest["parity"]["features_difference"] <= 1e-5
    assert manifest["parity"]["top5_agreement"] == 1


@pytest.mark.parametrize("digit", range(10))
def test_held_out_digits_are_told_apart(starter: Made, digit: int) -> None:
    pictures = sorted((starter.folder / f"digits/validation/{digit}").iterdir())[:10]
    files = [("image", (path.name, path.read_bytes())) for path in pictures]
    results = httpx.post(f"{starter.url}/classify", files=files).json()["results"]
    right = [one["predictions"][0]["label"] == str(digit) for one in results]
    assert sum(right) >= 8


def shape(value: object) -> object:
    """JSON with every number and digest replaced, so that two runs can be compared."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    if isinstance(value, list):
        return [shape(one) for one in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return 0
    if isinstance(value, str):
        return re.sub(r"[0-9a-f]{64}|\d{4}-\d\d-\d\dT\S+", "*", value)
    return value


def test_the_readmes_curl_lines_answer_as_it_says(starter: Made, tmp_path: Path) -> None:
    lines = CURL.findall(README)
    assert [bool(promised) for _, promised in lines] == [True] * 4 + [False]
    for line, promised in lines:
        command = shlex.split(line.replace("localhost:8080", starter.url.removeprefix("http://")))
        command = [word.replace("data/digits", str(starter.folder / "digits")) for word in command]
        command += ["--silent", "--show-error", "--fail"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
        if promised:
            assert shape(json.loads(done.stdout)) == shape(json.loads(promised)), line
    features = np.load(tmp_path / "features.npy", allow_pickle=False)
    assert (features.shape, features.dtype) == ((1, 4096), np.float32)


def test_a_second_start_trains_nothing(starter: Made) -> None:
    for made in make_serve(starter.folder):
        assert "training the starter" not in made.messages
        assert "epoch" not in made.messages
        assert httpx.get(f"{made.url}/readyz").status_code == 200


def test_a_public_network_without_the_internet(starter: Made) -> None:
    """What is deployed is served instead, and the terminal says which file to put where."""
    downloads = starter.folder / "downloads"
    nobody = "http://127.0.0.1:9"
    closed = {"HTTPS_PROXY": nobody, "https_proxy": nobody, "NO_PROXY": "", "no_proxy": ""}
    words = ("MODEL=torchvision", f"DOWNLOADS={downloads}")
    for made in make_serve(starter.folder, *words, **closed):
        assert str(downloads / "alexnet-owt-7be5be79.pth") in made.messages
        assert "The network is closed: serving what is deployed instead of MODEL" in made.messages
        assert "training the starter" not in made.messages
        assert httpx.get(f"{made.url}/model").json()["classes"] == list("0123456789")
