"""The digits, as the README trains them, but a few of them: from photos to answers."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.newcomer.make_serve import PATIENCE_S, ROOT, Made, make_serve
from tests.running_server import command

LINES = re.search(
    r"\n(\S+alexnet-train digits \S+)\n(make serve DATA=.+)\n```",
    (ROOT / "README.md").read_text(),
)
# Photos of each digit that are kept: all of them take minutes beside other tests.
OF_EACH = {"train": 50, "validation": 12}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    assert LINES, "the README does not train the digits"
    folder = tmp_path_factory.mktemp("digits")
    written = str(folder / "digits")
    draw = [word.replace("data/digits", written) for word in shlex.split(LINES[1])]
    subprocess.run([command("alexnet-train"), *draw[1:]], check=True)
    for part, kept in OF_EACH.items():
        for digit in (folder / "digits" / part).iterdir():
            for path in sorted(digit.iterdir())[kept:]:
                path.unlink()
    serve = [word.replace("data/digits", written) for word in shlex.split(LINES[2])]
    assert serve[:2] == ["make", "serve"]
    yield from make_serve(folder, *serve[2:])


def test_held_out_digits_are_right(digits: Made) -> None:
    model = httpx.get(f"{digits.url}/model").json()
    assert model["classes"] == list("0123456789")
    assert model["metrics"]["n"] == 10 * OF_EACH["validation"]
    assert model["metrics"]["top1"] >= 0.6


def test_towers_and_single_agree(digits: Made) -> None:
    manifest = json.loads((digits.folder / "repository/alexnet/manifest.json").read_text())
    assert manifest["parity"]["pictures"] == 10 * OF_EACH["validation"]
    assert manifest["parity"]["features_difference"] <= 1e-5
    assert manifest["parity"]["top5_agreement"] == 1


def test_they_are_told_apart(digits: Made) -> None:
    paths = [path for digit in range(10) for path in held_out(digits, digit)]
    files = [("image", (path.name, path.read_bytes())) for path in paths]
    answer = httpx.post(f"{digits.url}/classify", files=files, timeout=PATIENCE_S)
    results = answer.json()["results"]
    right = [
        one["predictions"][0]["label"] == path.parent.name
        for one, path in zip(results, paths, strict=True)
    ]
    assert sum(right) >= 0.6 * len(right)


def held_out(digits: Made, digit: int) -> list[Path]:
    return sorted((digits.folder / f"digits/validation/{digit}").iterdir())[:6]
