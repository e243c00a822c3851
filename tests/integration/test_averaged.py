"""Several networks served as one: the mean of what each says, and the first one's features."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from alexnet_export.averaged import digest_of
from alexnet_export.checkpoint import load_checkpoint, save_checkpoint
from alexnet_export.cli import main
from alexnet_export.deploy import Deployment, Layout, deploy
from alexnet_export.dialects import CNN_STAR, DIALECTS
from alexnet_export.errors import CheckpointError
from alexnet_export.graph import single_graph
from alexnet_export.parity import run
from alexnet_export.verify import verify
from alexnet_repository.errors import RepositoryError
from alexnet_repository.repository import open_repository
from alexnet_server.engine.local import LocalNetwork
from tests.narrow_dialects import (
    NARROW_CAFFE,
    centres,
    narrowed,
    random_import,
    write_random_import,
)
from tests.random_checkpoint import NARROW

STAR = narrowed(CNN_STAR, {"conv6": 8, "conv1": 16, "conv2": 16, "conv5": 8}, "narrow")
MEMBERS = ((NARROW, 1), (STAR, 2), (NARROW, 3))


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    for dialect in (NARROW, STAR, NARROW_CAFFE):
        monkeypatch.setitem(DIALECTS, dialect.name, dialect)
    found = []
    for number, (dialect, seed) in enumerate(MEMBERS):
        found.append(tmp_path / f"run{number}")
        found[-1].mkdir()
        write_random_import(dialect, found[-1], seed)
    return found


@pytest.mark.parametrize("layout", ["towers", "single"])
def test_served_is_the_mean_of_all_and_the_features_of_the_first(
    places: list[Path], tmp_path: Path, layout: Layout
) -> None:
    root = tmp_path / "repository"
    manifest, is_new = deploy(places[0], Deployment(root, layout=layout), places[1:])
    assert is_new
    images = centres(NARROW, 5)
    each = [run([single_graph(random_import(*member))], images, "one") for member in MEMBERS]
    found = LocalNetwork(open_repository(root)).run(images)
    mean = np.mean([one.probabilities for one in each], axis=0)
    assert np.abs(mean - each[0].probabilities).max() > 0.01
    np.testing.assert_allclose(found.probabilities, mean, atol=1e-5)
    scale = each[0].features.max()
    np.testing.assert_allclose(found.features, each[0].features, atol=1e-4 * scale)
    digests = [load_checkpoint(place)[1] for place in places]
    assert [one["digest"] for one in manifest["members"]] == digests
    assert manifest["model"]["digest"] == digest_of(digests) != digest_of(digests[::-1])
    again, is_new = deploy(places[0], Deployment(root, layout=layout), places[1:])
    assert not is_new
    verify(root)
    assert deploy(places[0], Deployment(root, layout=layout), places[1:2])[1]
    assert again == manifest


def test_int8_members_are_calibrated_each(places: list[Path], tmp_path: Path) -> None:
    root = tmp_path / "repository"
    wanted = Deployment(root, precision="int8", max_top1_loss=100.0)
    deploy(places[0], wanted, places[2:])
    images = centres(NARROW, 4)
    found = LocalNetwork(open_repository(root)).run(images)
    each = [run([single_graph(random_import(*MEMBERS[n]))], images, "one") for n in (0, 2)]
    mean = np.mean([one.probabilities for one in each], axis=0)
    assert np.abs(found.probabilities - mean).max() < 0.1


def test_a_flipped_byte_in_a_member_is_found(places: list[Path], tmp_path: Path) -> None:
    root = tmp_path / "repository"
    deploy(places[0], Deployment(root), places[1:])
    graph = next(root.glob("net02_s3_*_tower1/1/model.onnx"))
    content = bytearray(graph.read_bytes())
    content[-1] ^= 1
    graph.write_bytes(content)
    with pytest.raises(RepositoryError, match="net02_s3_"):
        verify(root)


def test_networks_that_cannot_be_one_are_refused(places: list[Path], tmp_path: Path) -> None:
    wanted, other = Deployment(tmp_path / "repository"), tmp_path / "other"

    def refused(said: str, *others: Path) -> None:
        with pytest.raises(CheckpointError, match=said):
            deploy(places[0], wanted, others)
        assert not wanted.repository.exists()

    refused("are the same network", places[1], places[0])
    other.mkdir()
    write_random_import(NARROW_CAFFE, other)
    refused("sees 224 pixels a side and .* 227", other)
    checkpoint = random_import(NARROW, 9)
    turned = type(checkpoint)(
        checkpoint.dialect, checkpoint.classes[::-1], checkpoint.tensors, 1.0, "turned"
    )
    save_checkpoint(turned, other)
    refused("the same classes in the same order", other)


def test_show_draws_each_and_says_what_they_are(
    places: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = str(tmp_path / "repository")
    assert main(["deploy", *map(str, places), "--repository", root]) == 0
    capsys.readouterr()
    assert main(["show", "--repository", root]) == 0
    told = capsys.readouterr().out
    assert "the mean of 3 (narrow " in told
    for part in ("net01_s1_conv12_tower0", "net02_s2_conv3456_tower1", "net03_s5_fc8"):
        assert part in told
    assert main(["show", "--json", "--repository", root]) == 0
    assert len(json.loads(capsys.readouterr().out)["networks"]) == 3
    drawing = tmp_path / "drawing.svg"
    assert main(["show", "--svg", str(drawing), "--repository", root]) == 0
    assert "the first of 3 networks" in capsys.readouterr().err
    assert "net01_s1_conv12_tower0" in drawing.read_text()
