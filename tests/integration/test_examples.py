"""Every example, run as its README says, against a real server."""

from __future__ import annotations

import hashlib
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from PIL import Image

from alexnet_client import Client
from tests.photos import crops
from tests.running_server import clean_environment, command, running_server

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def lines() -> dict[str, str]:
    """The README's line of each example."""
    block = re.search(r"```sh\n(.+?)```", (EXAMPLES / "README.md").read_text(), re.DOTALL)
    assert block
    found = {
        name: line
        for line in block[1].splitlines()
        for name in re.findall(r"/(\w+\.\w+)\b", line)
        if (EXAMPLES / name).is_file()
    }
    assert found.keys() == {
        path.name for path in EXAMPLES.iterdir() if path.suffix in {".py", ".ipynb"}
    }
    return found


@pytest.fixture(scope="module")
def server(narrow_inside: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_server(narrow_inside, tmp_path_factory.mktemp("examples") / "index") as started:
        yield started.url


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes in two halves, and 17.jpg among the shoes, as in the README."""
    folder = tmp_path / "photos"
    for number, pixels in enumerate(crops(12, seed=3)):
        half, kind = ("train", "validation")[number % 2], ("shoes", "hats")[number // 2 % 2]
        (folder / half / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / half / kind / f"{number}.jpg", quality=95)
    (folder / "shoes").mkdir()
    shutil.copy(folder / "train" / "shoes" / "0.jpg", folder / "shoes" / "17.jpg")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a photo")
    return folder


def run(line: str, server: str, folder: Path, *more: str) -> str:
    """What the line prints, run in ``folder``, with this checkout's examples."""
    words = [word.replace("examples/", f"{EXAMPLES}/") for word in shlex.split(line)]
    settings = {}
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        settings[name] = value
    program = sys.executable if words[0].endswith("/python") else command(Path(words[0]).name)
    done = subprocess.run(
        [program, *words[1:], *more],
        cwd=folder,
        env=clean_environment() | {"ALEXNET_SERVER": server} | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_similar_products(lines: dict[str, str], server: str, photos: Path) -> None:
    told = run(lines["similar_products.py"], server, photos.parent)
    assert "left out: photos/broken.jpg: the picture" in told
    rows = re.findall(r"^ *(\d+\.\d\d)  (\w+) +(photos/\S+)$", told, re.MULTILINE)
    own = hashlib.sha256((photos / "shoes" / "17.jpg").read_bytes()).hexdigest()
    with Client(server) as client:
        nearest = client.search(photos / "shoes" / "17.jpg", k=7).neighbors
    assert (nearest[0].id, round(nearest[0].distance, 3)) == (own, 0)
    expected = nearest[1:]
    assert rows == [(f"{one.distance:.2f}", one.label, one.metadata["product"]) for one in expected]
    with Image.open(photos.parent / "similar.jpg") as sheet:
        assert sheet.size == (7 * 180, 180)


def test_duplicate_photos(lines: dict[str, str], server: str, photos: Path) -> None:
    small = photos / "train" / "hats" / "small.jpg"
    with Image.open(photos / "train" / "hats" / "2.jpg") as image:
        image.save(small, quality=80)
    told = run(lines["duplicate_photos.py"].partition(" --move-to")[0], server, photos.parent)
    assert "2 groups, 2 photos to spare, 0 moved" in told
    assert small.exists()
    told = run(lines["duplicate_photos.py"], server, photos.parent)
    assert "2 groups, 2 photos to spare, 2 moved" in told
    moved = sorted(path.name for path in (photos.parent / "photos-twice").rglob("*.jpg"))
    assert moved in (["17.jpg", "small.jpg"], ["0.jpg", "small.jpg"])
    assert len(list(photos.rglob("*.jpg"))) == 13


def test_duplicates_never_overwrite_a_photo(
    lines: dict[str, str], server: str, photos: Path
) -> None:
    kept = photos.parent / "photos-twice"
    for half in ("train/shoes/0.jpg", "shoes/17.jpg"):
        (kept / half).parent.mkdir(parents=True)
        (kept / half).write_bytes(b"moved here before")
    told = run(lines["duplicate_photos.py"], server, photos.parent)
    assert "is there already" in told
    assert "1 groups, 1 photos to spare, 0 moved" in told
    assert (kept / "shoes/17.jpg").read_bytes() == b"moved here before"
    assert (photos / "shoes" / "17.jpg").exists()
    assert (photos / "train" / "shoes" / "0.jpg").exists()


def test_knn_classifier(lines: dict[str, str], server: str, photos: Path) -> None:
    told = run(lines["knn_classifier.py"], server, photos.parent)
    assert "learned from 6 photos of 2 classes" in told
    assert re.search(r"^right: \d+\.\d% of 6; above", told, re.MULTILINE)
    alike = ["photos/train", "photos/train", "--k", "1"]
    program = lines["knn_classifier.py"].split(" photos/")[0]
    assert "right: 100.0% of 6" in run(
        shlex.join([*shlex.split(program), *alike]), server, photos.parent
    )


def test_figure_4(lines: dict[str, str], server: str, photos: Path) -> None:
    copied = shutil.copy(EXAMPLES / "figure4.ipynb", photos.parent / "figure4.ipynb")
    line = lines["figure4.ipynb"].replace("examples/figure4.ipynb", str(copied))
    run(line, server, photos.parent)
    made = nbformat.read(copied, as_version=4)
    outputs = [one for cell in made.cells for one in cell.get("outputs", [])]
    assert any("13 photos below photos, 1 cannot be read" in one.get("text", "") for one in outputs)
    drawn = [one for one in outputs if "image/png" in one.get("data", {})]
    assert len(drawn) == 2


def test_the_notebook_holds_nothing_that_was_run() -> None:
    kept = nbformat.read(EXAMPLES / "figure4.ipynb", as_version=4)
    nbformat.validate(kept)
    for cell in kept.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
