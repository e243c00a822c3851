from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from alexnet_repository.repository import Repository, open_repository
from alexnet_server.errors import NoFirstLayer
from alexnet_server.first_layer import FirstLayer
from tests.narrow_repository import deploy_narrow
from tests.photos import crops


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    yield open_repository(deploy_narrow(tmp_path_factory.mktemp("narrow")))


def test_the_strongest_of_each_tower_come_first(repository: Repository) -> None:
    layer = FirstLayer(repository)
    maps = layer.maps(crops(1)[0][:224, :224])
    half = len(maps) // 2
    means = maps.mean(axis=(1, 2))
    assert maps.min() >= 0
    for number, tower in enumerate(layer.strongest(maps, 2)):
        assert tower["name"] == f"tower{number}"
        own = range(number * half, (number + 1) * half)
        best = sorted(own, key=lambda kernel: -means[kernel])[:2]
        assert [one["kernel"] for one in tower["maps"]] == best
        assert [one["strength"] for one in tower["maps"]] == pytest.approx(means[best].tolist())


def test_a_deploy_without_the_graph_says_so(repository: Repository) -> None:
    files = repository.manifest["files"]
    left = {name: entry for name, entry in files.items() if not name.startswith("conv1/")}
    assert len(left) < len(files)
    without = replace(repository, manifest={**repository.manifest, "files": left})
    with pytest.raises(NoFirstLayer, match="deploy again"):
        FirstLayer(without).maps(np.zeros((224, 224, 3), np.uint8))
