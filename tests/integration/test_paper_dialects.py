"""The paper's other networks, and the paper's without a part of it: every way is one network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alexnet_export.deploy import Deployment, Layout, deploy
from alexnet_export.dialects import (
    CNN_STAR,
    DIALECTS,
    LAYERS145,
    NO_EXCHANGE,
    NO_NORM,
    NO_OVERLAP,
    ONETOWER,
    TANH,
)
from alexnet_export.graph import single_graph, tower_graphs
from alexnet_export.layers import Dialect
from alexnet_export.parity import Answers, run
from alexnet_repository.repository import open_repository
from alexnet_server.engine.local import LocalNetwork
from tests.integration.test_public_dialects import (
    answers,
    built_of_towers,
    difference,
    one_device,
    seen,
)
from tests.narrow_dialects import centres, narrowed, random_import, write_random_import
from tests.plain_networks import onetower

LIMIT = 1e-5  # of the largest feature
_CHANNELS = {"conv1": 16, "conv2": 16, "conv3": 12, "conv4": 12, "conv5": 8, "conv6": 8}
PAPERS = [
    narrowed(dialect, _CHANNELS, "narrow")
    for dialect in (ONETOWER, CNN_STAR, NO_NORM, NO_OVERLAP, NO_EXCHANGE, TANH, LAYERS145)
]
every_dialect = pytest.mark.parametrize("dialect", PAPERS, ids=lambda dialect: dialect.name)


@every_dialect
def test_every_way_gives_the_same(dialect: Dialect) -> None:
    checkpoint, images = random_import(dialect), centres(dialect, 4)
    if dialect.activation == "tanh":  # unscaled pixels would drive every unit to its ends
        checkpoint = replace(checkpoint, scale=1 / 58)
    expected = answers(one_device(checkpoint), seen(checkpoint, images) * checkpoint.scale)
    assert (np.abs(expected.features) > 1e-3).mean() > 0.2  # nothing hides in zeros
    assert expected.probabilities.max() < 0.99
    ways = {
        "single": run([single_graph(checkpoint)], images, "single"),
        "towers": run(tower_graphs(checkpoint), images, "towers"),
        "TwoTowers": answers(
            built_of_towers(checkpoint), seen(checkpoint, images) * checkpoint.scale
        ),
    }
    for name, found in ways.items():
        assert difference(found, expected) <= LIMIT, name
        assert np.abs(found.probabilities - expected.probabilities).max() <= LIMIT, name


def test_one_tower_is_the_network_that_is_written_without_any() -> None:
    dialect = PAPERS[0]
    checkpoint, images = random_import(dialect), centres(dialect, 3)
    expected = answers(onetower(checkpoint.tensors).eval(), seen(checkpoint, images))
    assert difference(run([single_graph(checkpoint)], images, "single"), expected) <= LIMIT


def test_without_exchange_a_tower_knows_nothing_of_the_other() -> None:
    dialect = PAPERS[4]
    checkpoint, images = random_import(dialect), centres(dialect, 3)
    other = random_import(dialect)
    for name in ("conv1", "conv4", "fc6"):
        rows = len(other.tensors[f"{name}.weight"]) // 2
        other.tensors[f"{name}.weight"][rows:] *= 1.5  # tower 1's alone
    found = [run(tower_graphs(each), images, "towers").features for each in (checkpoint, other)]
    half = found[0].shape[1] // 2
    np.testing.assert_array_equal(found[0][:, :half], found[1][:, :half])
    assert np.abs(found[0][:, half:] - found[1][:, half:]).max() > 1


def test_tanh_features_lie_on_both_sides_of_zero() -> None:
    checkpoint, images = random_import(PAPERS[5]), centres(PAPERS[5], 3)
    features = run([single_graph(checkpoint)], images, "single").features
    assert features.min() < -0.5
    assert 0.5 < features.max() <= 1


@every_dialect
@pytest.mark.parametrize("layout", ["towers", "single"])
def test_it_is_deployed_and_served(
    dialect: Dialect, layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DIALECTS, dialect.name, dialect)
    place, root = tmp_path / "run", tmp_path / "repository"
    place.mkdir()
    write_random_import(dialect, place)
    deploy(place, Deployment(root, layout=layout))
    images = centres(dialect, 3)
    found = LocalNetwork(open_repository(root)).run(images)
    expected = run([single_graph(random_import(dialect))], images, "single")
    served = Answers(found.features, found.probabilities)
    assert difference(served, expected) <= LIMIT


@pytest.mark.parametrize("dialect", PAPERS[4:], ids=lambda dialect: dialect.name)
def test_in_int8_it_answers_much_the_same(
    dialect: Dialect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DIALECTS, dialect.name, dialect)
    place, root = tmp_path / "run", tmp_path / "repository"
    place.mkdir()
    write_random_import(dialect, place)
    deploy(place, Deployment(root, precision="int8", max_top1_loss=100.0))
    images = centres(dialect, 3)
    found = LocalNetwork(open_repository(root)).run(images).features
    expected = run([single_graph(random_import(dialect))], images, "single").features
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    # A picture brighter than the six that the ranges are from is cut off: the mean is looked at.
    assert ((found * expected).sum(axis=1) / lengths).mean() > 0.98
