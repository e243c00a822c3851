"""The server before a real Triton answers as the embedded engine does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from deploy.local_triton.running import RunningTriton

from alexnet_repository.golden import cosines
from tests.conftest import Serving

# The same tests, with the fixture ``serving`` of this file: the engines are interchangeable.
from tests.integration.test_classify_and_features import *  # noqa: F403
from tests.integration.test_classify_and_features import engine, picture  # noqa: F401
from tests.random_checkpoint import CLASSES
from tests.running_server import running_server
from tests.triton.front import PNGS, features, known
from tests.waiting import WAIT_S


@pytest.fixture(scope="module")
def serving(
    inside_triton: RunningTriton, narrow_inside: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Serving]:
    index = tmp_path_factory.mktemp("front") / "index.sqlite"
    flags = ("--engine", f"triton://{inside_triton.grpc}", "--request-timeout-s", "60")
    with running_server(narrow_inside, index, *flags) as server:
        yield Serving(server.url, CLASSES)


def test_features_and_labels_are_those_of_the_embedded_engine(
    serving: Serving, narrow_inside: Path
) -> None:
    files = [("image", data) for data in PNGS]
    expected = known(narrow_inside)
    found = features(httpx.post(f"{serving.url}/features", files=files, timeout=WAIT_S))
    assert cosines(found, expected.features).min() >= 0.99999
    results = httpx.post(f"{serving.url}/classify", files=files, timeout=WAIT_S).json()["results"]
    labels = [one["predictions"][0]["class_id"] for one in results]
    assert labels == expected.probabilities.argmax(axis=1).tolist()


def test_64_pictures_in_one_request(serving: Serving) -> None:
    files = [("image", PNGS[number % len(PNGS)]) for number in range(64)]
    found = features(httpx.post(f"{serving.url}/features", files=files, timeout=WAIT_S))
    assert found.shape == (64, 4096)
    np.testing.assert_allclose(found[: len(PNGS)], found[len(PNGS) : 2 * len(PNGS)], atol=1e-3)
