"""A network that takes views of 227 pixels a side, and one of 224 in its place: both engines."""

from __future__ import annotations

import io
import os
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image

from alexnet_export.checkpoint import load_checkpoint
from alexnet_export.deploy import Deployment, deploy
from alexnet_export.dialects import DIALECTS
from alexnet_export.graph import single_graph
from alexnet_export.layers import Dialect
from alexnet_export.parity import Answers, run
from alexnet_pixels.views import views
from alexnet_repository.repository import open_repository
from alexnet_server.cli import main
from alexnet_server.deployed import EngineOf
from alexnet_server.engine.channel import Triton
from alexnet_server.engine.triton import triton_engine
from alexnet_server.first_layer import FirstLayer
from tests.fakes.running_triton import RunningFake
from tests.fakes.triton_v2 import answers
from tests.faults.promises.app_in_process import application
from tests.local_engine import local_engine
from tests.narrow_dialects import NARROW_CAFFE, write_random_import
from tests.photos import crops
from tests.random_checkpoint import CLASSES, NARROW, write_random_checkpoint
from tests.waiting import WAIT_S, wait_until

PIXELS = crops(6, seed=17)
UNITS = 32
THREADS = 3
ENOUGH = 8  # answers of each kind and version


def png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=1)
    return out.getvalue()


PNGS = [png(one) for one in PIXELS]


@dataclass(frozen=True)
class Made:
    """A dialect's run folder, and a repository that it is deployed in."""

    dialect: Dialect
    run: Path
    root: Path

    def by_hand(self, count: int) -> Answers:
        """What the single graph says of PIXELS, the mean over ``count`` views of each."""
        images = np.concatenate([views(one, count, self.dialect.image_side) for one in PIXELS])
        checkpoint, _ = load_checkpoint(self.run)
        found = run([single_graph(checkpoint)], images, "single")
        both = (found.features, found.probabilities)
        return Answers(*(one.reshape(len(PIXELS), count, -1).mean(axis=1) for one in both))

    def of_fake(self) -> np.ndarray:
        """The features that the fake Triton makes of PIXELS, [n, units]."""
        seen = [views(one, 1, self.dialect.image_side)[0] for one in PIXELS]
        return np.stack([answers(one, UNITS, len(CLASSES))[0] for one in seen])

    def strongest(self) -> list[list[int]]:
        """Of each picture, the kernel that answers most in each tower."""
        layer = FirstLayer(open_repository(self.root))
        seen = [views(one, 1, self.dialect.image_side)[0] for one in PIXELS]
        towers = [layer.strongest(layer.maps(one), 1) for one in seen]
        return [[tower["maps"][0]["kernel"] for tower in both] for both in towers]


@pytest.fixture(scope="module", autouse=True)
def _dialects() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for dialect in (NARROW, NARROW_CAFFE):
            patch.setitem(DIALECTS, dialect.name, dialect)
        yield


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("paper")
    write_random_checkpoint(NARROW, folder)
    deploy(folder, Deployment(folder / "root"))
    return Made(NARROW, folder, folder / "root")


@pytest.fixture(scope="module")
def caffe(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("caffe")
    write_random_import(NARROW_CAFFE, folder)
    deploy(folder, Deployment(folder / "root"))
    return Made(NARROW_CAFFE, folder, folder / "root")


@pytest.fixture
def root(paper: Made, tmp_path: Path) -> Path:
    """The paper's views are served here first."""
    shutil.copytree(paper.root, tmp_path / "root", copy_function=os.link)
    return tmp_path / "root"


@pytest.mark.parametrize("count", [1, 10])
def test_answers_are_those_of_the_single_graph_on_the_views_it_takes(
    caffe: Made, tmp_path: Path, count: int
) -> None:
    expected = caffe.by_hand(count)
    with application(caffe.root, tmp_path / "index.sqlite") as (client, _):
        assert client.get("/model").get_json()["view_side"] == 227
        for number, picture in enumerate(PNGS):
            path = f"/classify?views={count}&top_k={len(CLASSES)}&features=base64"
            (found,) = client.post(path, data=picture).get_json()["results"]
            told = {one["class_id"]: one["probability"] for one in found["predictions"]}
            shares = [told[class_id] for class_id in range(len(CLASSES))]
            np.testing.assert_allclose(shares, expected.probabilities[number], atol=1e-4)
            (found,) = client.post(f"/features?views={count}", data=picture).get_json()["results"]
            difference = np.abs(found["features"] - expected.features[number]).max()
            assert difference <= 1e-4 * expected.features.max()


def test_known_pictures_are_the_centres_of_those_beside_the_checkpoint(caffe: Made) -> None:
    golden, pictures = open_repository(caffe.root).golden(), crops(12)
    assert golden.images.shape[1:] == (227, 227, 3)
    assert np.array_equal(golden.images[0], pictures[0, 14:241, 14:241])


@pytest.fixture(params=["local", "triton"])
def engine(request: pytest.FixtureRequest, root: Path) -> Iterator[tuple[EngineOf, RunningFake]]:
    """What makes engines, and the Triton that has to be told of a reload; none for ``local``."""
    fake = RunningFake(root)
    if request.param == "local":
        yield local_engine, fake
        return
    fake.start()
    triton = Triton(f"127.0.0.1:{fake.port}", WAIT_S)
    yield partial(triton_engine, triton), fake
    triton.close()
    fake.kill()


def test_a_reload_to_another_side_under_load_gives_no_wrong_answer(
    engine: tuple[EngineOf, RunningFake], root: Path, paper: Made, caffe: Made, tmp_path: Path
) -> None:
    engine_of, fake = engine
    is_local = fake.process is None
    features, kernels = {}, {}
    for version, made in (("1", paper), ("2", caffe), ("3", paper)):
        features[version] = made.by_hand(1).features if is_local else made.of_fake()
        kernels[version] = made.strongest()
    seen: Counter[str] = Counter()
    wrong: list[object] = []
    is_over = threading.Event()

    def ask(client: FlaskClient, number: int) -> None:
        while not is_over.is_set():
            number = (number + 1) % len(PNGS)
            for path in ("/features", "/towers?maps=1"):
                answer = client.post(path, data=PNGS[number])
                told = answer.get_json()
                version = told.get("model", {}).get("version", "none")
                seen[f"{path} {version}"] += 1
                if not is_right(path, number, told.get("results"), version):
                    wrong.append((path, number, told))

    def is_right(path: str, number: int, results: list[dict] | None, version: str) -> bool:
        if not results or version not in features:
            return False
        if path == "/features":
            known = features[version]
            difference = np.abs(results[0]["features"] - known[number]).max()
            return bool(difference <= 1e-4 * known.max())
        found = [tower["maps"][0]["kernel"] for tower in results[0]["towers"]]
        return found == kernels[version][number]

    def is_enough(version: str) -> bool:
        counts = [seen[f"{path} {version}"] for path in ("/features", "/towers?maps=1")]
        return bool(wrong) or min(counts) >= ENOUGH

    with application(root, tmp_path / "index.sqlite", engine_of) as (client, deploys):
        deploys.look()  # a Triton proves its model
        deploys.start()
        clients = [client.application.test_client() for _ in range(THREADS)]
        threads = [
            threading.Thread(target=ask, args=(one, number)) for number, one in enumerate(clients)
        ]
        for thread in threads:
            thread.start()
        try:
            wait_until(lambda: is_enough("1"))
            for version, made in (("2", caffe), ("3", paper)):
                deploy(made.run, Deployment(root))
                if not is_local:
                    fake.switch(reload=True)
                wait_until(lambda version=version: is_enough(version))
        finally:
            is_over.set()
            for thread in threads:
                thread.join()
    assert wrong == []


def test_the_first_layer_outlives_the_folder_it_came_from(
    root: Path, paper: Made, caffe: Made, tmp_path: Path
) -> None:
    """Who asks for it first when the next deploy lies there, and is not served yet."""
    with (
        application(root, tmp_path / "index.sqlite") as (_, deploys),
        deploys.hold() as old,
    ):
        deploy(caffe.run, Deployment(root))
        maps = old.first_layer.maps(views(PIXELS[0], 1, old.engine.view_side)[0])
        shown = old.first_layer.strongest(maps, 1)
    assert [tower["maps"][0]["kernel"] for tower in shown] == paper.strongest()[0]


def test_reindex_gives_stored_pictures_the_features_of_the_other_views(
    paper: Made, caffe: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index, folder = tmp_path / "index.sqlite", tmp_path / "pictures"
    folder.mkdir()
    with application(paper.root, index) as (client, _):
        for number, picture in enumerate(PNGS):
            (folder / f"{number}.png").write_bytes(picture)
            assert client.put(f"/images/{number}", data=picture).status_code == 201
    flags = ("--index", f"sqlite:///{index}", "--repository", str(caffe.root))
    assert main(["index", "reindex", *flags, "--folder", str(folder)]) == 0, capsys.readouterr().err
    with application(caffe.root, index) as (client, _):
        for number, wanted in enumerate(caffe.by_hand(1).features):
            asked = {"features": wanted.tolist()}
            (result,) = client.post("/search?k=1", json=asked).get_json()["results"]
            (nearest,) = result["neighbors"]
            assert nearest["id"] == str(number)
            assert nearest["distance"] <= 1e-3 * np.linalg.norm(wanted)
