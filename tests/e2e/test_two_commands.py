"""`make serve` as a newcomer runs it, and the README's own lines against what it starts."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.running_server import clean_environment

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
START_LIMIT_S = 900
CURL = re.compile(r"```sh\n(curl [^\n]+)\n```(?:\n+```json\n(.+?)\n```)?", re.DOTALL)


@dataclass(frozen=True)
class Made:
    url: str
    messages: str
    folder: Path


def make_serve(folder: Path, *words: str) -> Iterator[Made]:
    """Run `make serve` with everything it writes below ``folder``, until it listens."""
    places = (f"{name.upper()}={folder / name}" for name in ("repository", "runs", "digits"))
    process = subprocess.Popen(
        ["make", "serve", "PORT=0", f"INDEX={folder / 'index.sqlite'}", *places, *words],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        env={**clean_environment(), "MAKEFLAGS": ""},
        start_new_session=True,
    )
    messages: list[str] = []
    listening = threading.Event()

    def listen() -> None:
        for line in process.stderr:
            messages.append(line)
            if line.startswith("serving"):
                listening.set()
        listening.set()

    reader = threading.Thread(target=listen)
    reader.start()
    try:
        listening.wait(START_LIMIT_S)
        text = "".join(messages)
        found = re.search(r"^serving +(http://\S+)", text, re.MULTILINE)
        assert found, text
        yield Made(found[1], text, folder)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)
        reader.join()
        process.stderr.close()


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
    assert model["metrics"]["top1"] >= 0.97


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


def test_own_folders_and_own_checkpoint(photos: Path, tmp_path: Path) -> None:
    """DATA= trains on class folders, CHECKPOINT= serves what came of it elsewhere."""
    for made in make_serve(tmp_path, f"DATA={photos}", "FIT=--epochs 1 --batch-size 2"):
        assert "broken.jpg" in made.messages
        model = httpx.get(f"{made.url}/model").json()
        assert model["classes"] == ["building", "flower"]
    other = tmp_path / "other"
    for made in make_serve(other, f"CHECKPOINT={tmp_path / 'runs' / photos.name}"):
        assert httpx.get(f"{made.url}/model").json()["digest"] == model["digest"]
