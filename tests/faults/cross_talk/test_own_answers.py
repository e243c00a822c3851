"""64 clients at once, each picture another: every answer is its own picture's, on both engines."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alexnet_pixels.decode import decode
from alexnet_pixels.views import views
from alexnet_repository.repository import open_repository
from alexnet_server.engine.local import LocalNetwork
from tests.faults.backend.front import connected, expected, features, front
from tests.faults.size import sized
from tests.narrow_repository import deploy_narrow
from tests.photos import crops
from tests.running_server import RunningServer, running_server

CLIENTS = 64
REQUESTS = sized(8, 200)  # of each
FEWER = sized(8, 60)  # where nothing but the network is between them


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return deploy_narrow(tmp_path_factory.mktemp("narrow"))


@pytest.fixture(scope="module")
def pictures() -> list[bytes]:
    found = []
    for pixels in crops(CLIENTS, seed=21):
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "JPEG")
        found.append(out.getvalue())
    return found


@pytest.fixture
def local(repository: Path, tmp_path: Path) -> Iterator[RunningServer]:
    flags = ("--max-requests", str(CLIENTS), "--request-timeout-s", "60")
    with running_server(repository, tmp_path / "index.sqlite", *flags) as server:
        yield server


def found_by_all(
    server: RunningServer, pictures: list[bytes], requests: int
) -> list[tuple[int, np.ndarray]]:
    """Which picture was asked for, and the features [units] that came."""

    def ask(number: int) -> list[tuple[int, np.ndarray]]:
        with connected(server.url) as client:
            places = [(number + step) % len(pictures) for step in range(requests)]
            return [
                (place, features(client.post("/features", content=pictures[place])))
                for place in places
            ]

    with ThreadPoolExecutor(CLIENTS) as pool:
        return [one for found in pool.map(ask, range(CLIENTS)) for one in found]


def test_beside_a_triton(repository: Path, tmp_path: Path, pictures: list[bytes]) -> None:
    known = [expected(picture) for picture in pictures]
    with front(repository, tmp_path, timeout_s=60, max_requests=CLIENTS) as made:
        found = found_by_all(made.server, pictures, REQUESTS)
    assert len(found) == CLIENTS * REQUESTS
    assert [place for place, one in found if not np.array_equal(one, known[place])] == []


def test_in_shared_passes(repository: Path, local: RunningServer, pictures: list[bytes]) -> None:
    network = LocalNetwork(open_repository(repository))
    images = np.concatenate([views(decode(picture), 1) for picture in pictures])
    known = network.run(images).features  # [64, units]
    found = found_by_all(local, pictures, FEWER)
    assert len(found) == CLIENTS * FEWER
    nearest = [np.abs(known - one).max(axis=1).argmin() for _, one in found]
    assert nearest == [place for place, _ in found]
    # Sums are taken in another order in a larger pass: the same to some 6 digits.
    assert max(np.abs(known[place] - one).max() for place, one in found) <= 1e-4 * known.max()
