"""Deploys in fp16 and int8: what they write, what they measure, and what they refuse."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from google.protobuf import text_format
from onnx import TensorProto
from PIL import Image
from tritonclient.grpc import model_config_pb2 as triton

from alexnet_export.checkpoint import load_checkpoint, save_checkpoint
from alexnet_export.cli import main
from alexnet_export.deploy import Deployment, deploy
from alexnet_export.errors import PicturesError, PrecisionError
from alexnet_export.graph import single_graph, tower_graphs
from alexnet_export.parity import Answers, run
from alexnet_export.precision import Loss, measure, require, require_device
from alexnet_repository.golden import cosines
from tests.photos import crops


def answers(probabilities: list[list[float]]) -> Answers:
    found = np.array(probabilities, np.float32)
    return Answers(np.ones((len(found), 4), np.float32), found)


FP32 = answers([[0.6, 0.3, 0.1], [0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.2, 0.3, 0.5]])
# The first picture's likeliest class is another, and the class that it is of.
OTHER = answers([[0.3, 0.6, 0.1], [0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.2, 0.3, 0.5]])


def save_photos(folder: Path, pixels: np.ndarray) -> Path:
    folder.mkdir(parents=True)
    for number, one in enumerate(pixels):
        Image.fromarray(one).save(folder / f"{number}.png")
    return folder


def test_loss_of_pictures_whose_classes_are_known() -> None:
    loss = measure(OTHER, FP32, np.array([0, 0, 1, 0]))
    assert (loss.pictures, loss.top1_fp32, loss.top1, loss.top5) == (4, 0.75, 0.5, 1.0)
    assert (loss.top1_agreement, loss.top1_loss, loss.features_cosine) == (0.75, 25, 1)
    assert measure(OTHER, FP32, np.array([1, 0, 1, 2])).top1_loss == 0 - 25  # better than fp32


def test_loss_of_pictures_whose_classes_are_not_known() -> None:
    loss = measure(OTHER, FP32, None)
    assert (loss.top1, loss.top5_fp32, loss.top1_loss) == (None, None, 25)


def test_a_number_past_the_largest_is_a_whole_loss() -> None:
    broken = replace(OTHER, features=np.full((4, 4), np.inf, np.float32))
    assert measure(broken, FP32, np.array([1, 0, 1, 2])).top1_loss == 100


def test_the_limit_is_what_may_be_lost() -> None:
    loss = Loss(400, 0.75, 0.745, 0.9, 0.9, 0.99, 0.5, 0.999)
    require(loss, "int8", 0.5)
    with pytest.raises(PrecisionError, match=r"74\.5% instead of fp32's 75\.0% of 400 pictures"):
        require(loss, "int8", 0.4)
    unknown = measure(OTHER, FP32, None)
    with pytest.raises(PrecisionError, match=r"another likeliest class .* for 25\.0% of 4 pict"):
        require(unknown, "fp16", 20)


def test_int8_is_for_the_cpu(narrow_checkpoint: Path, tmp_path: Path) -> None:
    wanted = Deployment(tmp_path / "root", devices=("cpu", "cuda:1"), precision="int8")
    with pytest.raises(PrecisionError, match="int8 runs on cpu, not on cuda:1"):
        deploy(narrow_checkpoint, wanted)
    require_device("fp16", ("cpu",))
    require_device("fp16", ("cuda:0", "cuda:1"))


@pytest.mark.parametrize("precision", ["fp16", "int8"])
@pytest.mark.parametrize("layout", ["towers", "single"])
def test_manifest_notes_what_a_precision_costs(
    narrow_checkpoint: Path, tmp_path: Path, precision: str, layout: str
) -> None:
    root = tmp_path / "root"
    wanted = Deployment(root, layout=layout, precision=precision, max_top1_loss=100)
    manifest, _ = deploy(narrow_checkpoint, wanted)
    assert manifest["precision"] == precision
    loss = manifest["precision_loss"]
    assert loss["features_cosine"] > 0.99
    assert 0 <= loss["top1"] <= 1
    assert loss["top1_loss"] == pytest.approx(100 * (loss["top1_fp32"] - loss["top1"]), abs=1e-4)
    # Half of the 12 kept pictures calibrate int8 and are not measured on.
    assert loss["pictures"] == {"fp16": 12, "int8": 6}[precision]
    assert (manifest["calibration"] is not None) == (precision == "int8")
    assert manifest["parity"]["pictures"] == 12
    assert json.loads((root / "alexnet" / "manifest.json").read_text()) == manifest


def test_fp16_crosses_between_the_towers_and_answers_are_whole(
    narrow_checkpoint: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    deploy(narrow_checkpoint, Deployment(root, precision="fp16", max_top1_loss=100))
    dtypes = {}
    for path in root.glob("s*/config.pbtxt"):
        config = text_format.Parse(path.read_text(), triton.ModelConfig())
        dtypes |= {port.name: port.data_type for port in (*config.input, *config.output)}
    assert dtypes.pop("images") == triton.TYPE_UINT8
    assert dtypes.pop("features") == dtypes.pop("probabilities") == triton.TYPE_FP32
    assert len(dtypes) == 8
    assert set(dtypes.values()) == {triton.TYPE_FP16}
    weights = onnx.load(root / "s3_fc6_tower1" / "1" / "model.onnx").graph.initializer
    assert {tensor.data_type for tensor in weights} == {TensorProto.FLOAT16}


def test_fp16_norm_of_pixels_that_are_not_scaled(narrow_checkpoint: Path) -> None:
    """Maps of a thousand and more: their squares pass float16's largest number, 65504."""
    loaded, _ = load_checkpoint(narrow_checkpoint)
    tensors = loaded.tensors | {"conv1.weight": loaded.tensors["conv1.weight"] * 4}
    unscaled = replace(loaded, scale=1.0, tensors=tensors)
    images = np.ascontiguousarray(crops(4)[:, 16:240, 16:240])
    whole = run([single_graph(unscaled)], images, "fp32")
    for graphs in ([single_graph(unscaled, half=True)], tower_graphs(unscaled, half=True)):
        half = run(graphs, images, "fp16")
        assert cosines(half.features, whole.features).min() > 0.9999


def test_a_precision_that_loses_is_not_deployed(narrow_checkpoint: Path, tmp_path: Path) -> None:
    """float16 ends at 65504: a weight beyond it is infinite there, and so are the answers."""
    loaded, _ = load_checkpoint(narrow_checkpoint)
    weight = loaded.tensors["fc7.weight"].copy()
    weight[0] = 1e5
    run_folder = tmp_path / "overflowing"
    run_folder.mkdir()
    tensors = loaded.tensors | {"fc7.weight": weight}
    save_checkpoint(replace(loaded, tensors=tensors), run_folder)
    (run_folder / "pictures.npz").write_bytes((narrow_checkpoint / "pictures.npz").read_bytes())
    with pytest.raises(PrecisionError, match=r"100\.00 points lost, at most 0\.5 are allowed"):
        deploy(run_folder, Deployment(tmp_path / "root", precision="fp16"))
    assert not (tmp_path / "root").exists()


def test_a_picture_calibrated_on_is_not_measured_on(
    narrow_checkpoint: Path, tmp_path: Path
) -> None:
    pixels = crops(6, seed=8)
    photos = save_photos(tmp_path / "photos" / "someone's", pixels)
    some = save_photos(tmp_path / "some", pixels[:2])
    wanted = Deployment(
        tmp_path / "root", precision="int8", pictures=photos, calibration=some, max_top1_loss=100
    )
    manifest, _ = deploy(narrow_checkpoint, wanted)
    assert manifest["calibration"]["pictures"] == 2
    assert manifest["precision_loss"]["pictures"] == 4
    assert manifest["precision_loss"]["top1"] is None  # no class is called so
    with pytest.raises(PicturesError, match="none is left that was not calibrated on"):
        deploy(narrow_checkpoint, replace(wanted, calibration=photos))


def test_folders_named_after_classes_make_it_a_loss_of_top1(
    narrow_checkpoint: Path, tmp_path: Path, photos: Path
) -> None:
    wanted = Deployment(
        tmp_path / "root", precision="fp16", pictures=photos, max_top1_loss=100, layout="single"
    )
    loss = deploy(narrow_checkpoint, wanted)[0]["precision_loss"]
    assert loss["pictures"] == 6
    assert loss["top1"] is not None


def test_precision_is_part_of_what_is_deployed(narrow_checkpoint: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    fp32 = Deployment(root, layout="single")
    int8 = replace(fp32, precision="int8", max_top1_loss=100)
    some = save_photos(tmp_path / "some", crops(3, seed=8))
    assert deploy(narrow_checkpoint, fp32)[1]
    assert deploy(narrow_checkpoint, int8)[1]
    assert not deploy(narrow_checkpoint, int8)[1]
    assert deploy(narrow_checkpoint, replace(int8, calibration=some))[1]
    assert not deploy(narrow_checkpoint, replace(int8, calibration=some))[1]
    manifest, is_new = deploy(narrow_checkpoint, fp32)
    assert is_new
    assert (manifest["precision"], manifest["precision_loss"]) == ("fp32", None)


def test_command_line(
    narrow_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["deploy", str(narrow_checkpoint), "--repository", str(tmp_path / "root")]
    assert main([*given, "--precision", "fp16", "--max-top1-loss", "100"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "fp16 on cpu computes in fp32" in said.err
    assert "fp16 measured on 12 pictures: top-1 " in said.err
    assert main([*given, "--calibration", str(tmp_path)]) == 1
    assert "--calibration is for --precision int8 alone" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*given, "--max-top1-loss", "-1"])
    assert "'-1' is not a number of points" in capsys.readouterr().err
