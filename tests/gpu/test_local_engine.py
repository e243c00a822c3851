"""The embedded engine on real GPUs: the processor's answers, and little that crosses."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from alexnet_export.deploy import Deployment, Layout, deploy
from alexnet_repository.repository import open_repository
from alexnet_server.engine import Inference
from alexnet_server.engine.local import LocalNetwork
from tests.photos import crops

pytestmark = pytest.mark.gpu

COUNT = 5
IMAGES = COUNT * 224 * 224 * 3
FEATURES, PROBABILITIES = COUNT * 4096 * 4, COUNT * 6 * 4
ENDS = {
    ("images", "cpu", "cuda:0"): IMAGES,
    ("features", "cuda:0", "cpu"): FEATURES,
    ("probabilities", "cuda:0", "cpu"): PROBABILITIES,
}
# What a tower tells the other one of a picture, in bytes of float32 (the paper's figure 2).
CONV2, CONV5, FC = 128 * 13 * 13 * 4, 128 * 6 * 6 * 4, 2048 * 4


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.ascontiguousarray(crops(COUNT, seed=21)[:, 16:240, 16:240])


@pytest.fixture(scope="module")
def on_processor(single_repository: Path, images: np.ndarray) -> Inference:
    return LocalNetwork(open_repository(single_repository)).run(images)


def engine_on(
    checkpoint: Path, folder: Path, layout: Layout, devices: tuple[str, ...]
) -> LocalNetwork:
    deploy(checkpoint, Deployment(folder / "repository", layout=layout, devices=devices))
    return LocalNetwork(open_repository(folder / "repository"))


def require_alike(found: Inference, expected: Inference) -> None:
    difference = np.abs(found.features - expected.features).max()
    assert difference <= 1e-4 * expected.features.max()
    assert np.array_equal(found.probabilities.argmax(1), expected.probabilities.argmax(1))


def crossed(engine: LocalNetwork, images: np.ndarray) -> dict[tuple[str, str, str], int]:
    before = engine.traffic.bytes()
    engine.run(images)
    return {key: count - before[key] for key, count in engine.traffic.bytes().items()}


def sessions(engine: LocalNetwork) -> list[object]:
    return [placed.session for wave in engine._waves for placed in wave]


def require_fp32(engine: LocalNetwork) -> None:
    for session in sessions(engine):
        assert session.get_provider_options()["CUDAExecutionProvider"]["use_tf32"] == "0"


def test_two_towers_on_two_gpus(
    gpus: int,
    checkpoint: Path,
    images: np.ndarray,
    on_processor: Inference,
    tmp_path: Path,
) -> None:
    if gpus < 2:
        pytest.skip("a second CUDA device is not here")
    one, other = "cuda:0", "cuda:1"
    engine = engine_on(checkpoint, tmp_path, "towers", (one, other))
    require_alike(engine.run(images), on_processor)
    require_fp32(engine)
    exchanged = {
        (f"{layer}_tower{tower}", source, target): COUNT * size
        for layer, size in (("conv2", CONV2), ("conv5", CONV5), ("fc6", FC))
        for tower, source, target in ((0, one, other), (1, other, one))
    }
    assert crossed(engine, images) == {
        **ENDS,
        ("images", "cpu", other): IMAGES,
        **exchanged,
        ("fc7_tower1", other, one): COUNT * FC,  # fc8 is on the first device
    }


@pytest.mark.parametrize("layout", ["towers", "single"])
@pytest.mark.usefixtures("gpus")
def test_one_gpu(
    checkpoint: Path,
    images: np.ndarray,
    on_processor: Inference,
    tmp_path: Path,
    layout: Layout,
) -> None:
    engine = engine_on(checkpoint, tmp_path, layout, ("cuda:0",))
    require_alike(engine.run(images), on_processor)
    require_fp32(engine)
    assert crossed(engine, images) == ENDS
    assert set(engine.describe()["steps"].values()) == {"cuda:0"}


@pytest.mark.usefixtures("gpus")
def test_many_threads_on_one_gpu_get_their_own_answers(
    checkpoint: Path, images: np.ndarray, on_processor: Inference, tmp_path: Path
) -> None:
    engine = engine_on(checkpoint, tmp_path, "towers", ("cuda:0",))
    found: dict[int, list[np.ndarray]] = {number: [] for number in range(COUNT)}

    def ask(number: int) -> None:
        for _ in range(10):
            found[number].append(engine.run(images[number : number + 1]).features[0])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(COUNT)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, answers in found.items():
        expected = on_processor.features[number]
        assert len(answers) == 10
        assert np.abs(np.stack(answers) - expected).max() <= 1e-4 * on_processor.features.max()
