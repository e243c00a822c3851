"""A compressed network is deployed with nothing beside it, int8 too, and answers as it should."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from alexnet_export.checkpoint import Compression, compressed_bytes, load_checkpoint
from alexnet_export.cli import main
from alexnet_export.graph import single_graph
from alexnet_export.parity import run
from alexnet_export.precision import measure
from alexnet_export.quantization import calibrate, quantized
from alexnet_repository.files import read_manifest
from tests.compressed_network import some_shared
from tests.photos import crops

Deployed = Callable[..., dict]


@pytest.fixture
def compressed(narrow_checkpoint: Path, tmp_path: Path) -> Path:
    """A file of a network half of whose fc6 is gone, with its own ranges and their loss."""
    whole, digest = load_checkpoint(narrow_checkpoint)
    shape = whole.tensors["fc6.weight"].shape
    given = some_shared(shape, 0.5, 16)
    shared = {"fc6.weight": replace(given, codebook=given.codebook / np.float32(20))}
    small = replace(whole, tensors={**whole.tensors, "fc6.weight": shared["fc6.weight"].dense()})
    views = crops(12)[:, 16:240, 16:240]
    graph = single_graph(small)
    calibration = calibrate(graph, small.dialect, views)
    fp32 = run([graph], views, "fp32")
    int8 = run([quantized(graph, small.dialect, calibration)], views, "int8")
    loss = measure(int8, fp32, fp32.probabilities.argmax(axis=1))
    metrics = {"top1": 0.75, "top5": 1.0, "n": 12}
    known = Compression({"sha256": digest}, metrics, calibration, loss)
    place = tmp_path / "alone" / "small.alexnet"
    place.parent.mkdir()
    place.write_bytes(compressed_bytes(replace(small, compression=known), shared))
    return place


@pytest.fixture
def deployed(compressed: Path, tmp_path: Path) -> Deployed:
    def deploy(*flags: str) -> dict:
        repository = tmp_path / "serving" / "model_repository"
        repository.parent.mkdir(exist_ok=True)
        where = ["--repository", str(repository)]
        assert main(["deploy", str(compressed), *where, *flags]) == 0
        assert main(["verify", *where]) == 0
        return read_manifest(repository)

    return deploy


def test_it_is_deployed_in_int8_without_a_photo(deployed: Deployed, compressed: Path) -> None:
    manifest = deployed("--precision", "int8", "--layout", "single", "--max-top1-loss", "100")
    found, digest = load_checkpoint(compressed)
    assert found.compression is not None
    assert manifest["model"]["digest"] == digest
    assert manifest["metrics"] == {"top1": 0.75, "top5": 1.0, "n": 12}
    assert manifest["calibration"] == found.compression.calibration.as_json()
    assert manifest["precision_loss"] == found.compression.loss.as_json()
    again = deployed("--precision", "int8", "--layout", "single", "--max-top1-loss", "100")
    assert again["model"]["version"] == manifest["model"]["version"]


@pytest.mark.parametrize(
    ("flags", "precision"),
    [
        (("--max-top1-loss", "100"), "int8"),
        (("--max-top1-loss", "100", "--devices", "cuda:0"), "fp32"),
        (("--max-top1-loss", "100", "--precision", "fp32"), "fp32"),
        (("--max-top1-loss", "0"), "fp32"),
    ],
)
def test_unasked_it_takes_the_best_precision_for_the_device(
    deployed: Deployed, flags: tuple[str, ...], precision: str
) -> None:
    """int8 where the file holds its ranges, its loss is allowed, and a CPU runs it."""
    assert deployed(*flags)["precision"] == precision


def test_its_int8_graph_is_that_of_its_ranges(
    deployed: Deployed, compressed: Path, tmp_path: Path
) -> None:
    deployed("--precision", "int8", "--layout", "single", "--max-top1-loss", "100")
    found, _ = load_checkpoint(compressed)
    assert found.compression is not None
    wanted = quantized(single_graph(found), found.dialect, found.compression.calibration)
    graph = tmp_path / "serving" / "model_repository" / wanted.name / "1" / "model.onnx"
    views = crops(5, seed=9)[:, 16:240, 16:240]
    given = run([replace(wanted, model=onnx.load(graph))], views, "deployed")
    np.testing.assert_array_equal(given.features, run([wanted], views, "own").features)


def test_what_int8_loses_is_told_by_the_file(
    deployed: Deployed, compressed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, _ = load_checkpoint(compressed)
    assert found.compression is not None
    told = replace(found.compression, loss=replace(found.compression.loss, top1_loss=1.5))
    compressed.write_bytes(compressed_bytes(replace(found, compression=told), {}))
    where = ["--repository", str(tmp_path / "model_repository")]
    assert main(["deploy", str(compressed), *where, "--precision", "int8"]) == 1
    assert "1.50 points lost, at most 0.5 are allowed" in capsys.readouterr().err
    manifest = deployed("--precision", "fp32", "--layout", "towers")
    assert manifest["precision_loss"] is None


def test_photos_that_are_named_are_measured_on(
    deployed: Deployed, narrow_checkpoint: Path, tmp_path: Path
) -> None:
    from PIL import Image

    photos = tmp_path / "photos"
    photos.mkdir()
    for number, pixels in enumerate(crops(6)):
        Image.fromarray(pixels).save(photos / f"{number}.png")
    flags = ("--precision", "int8", "--pictures", str(photos), "--max-top1-loss", "100")
    manifest = deployed(*flags)
    assert manifest["calibration"]["pictures"] == 3
    assert manifest["precision_loss"]["pictures"] == 3
