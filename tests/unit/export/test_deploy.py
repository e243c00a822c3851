from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as triton

from alexnet_export import deploy as deploying
from alexnet_export import proof
from alexnet_export.checkpoint import load_checkpoint
from alexnet_export.cli import main
from alexnet_export.deploy import Deployment, deploy
from alexnet_export.errors import (
    CheckpointError,
    DeployError,
    ExportError,
    ParityError,
    PicturesError,
)
from alexnet_export.graph import tower_graphs
from alexnet_export.parity import Answers, compare, require
from tests.photos import crops

PARTS = [
    "conv1",
    *(f"{stage}_tower{tower}" for stage in ("s1_conv12", "s2_conv345", "s3_fc6", "s4_fc7")
      for tower in (0, 1)),
    "s5_fc8",
]  # fmt: skip


def manifest(root: Path) -> dict:
    return json.loads((root / "alexnet" / "manifest.json").read_text())


def config(root: Path, model: str) -> triton.ModelConfig:
    text = (root / model / "config.pbtxt").read_text()
    return text_format.Parse(text, triton.ModelConfig())


def test_every_folder_is_a_model_and_names_sort_in_data_order(towers_repository: Path) -> None:
    assert sorted(path.name for path in towers_repository.iterdir()) == ["alexnet", *PARTS]
    for name in PARTS:
        assert (towers_repository / name / "1" / "model.onnx").is_file()
        assert config(towers_repository, name).name == name
        assert config(towers_repository, name).backend == "onnxruntime"


def test_ensemble_leads_from_images_to_answers(towers_repository: Path) -> None:
    ensemble = config(towers_repository, "alexnet")
    assert [(port.name, list(port.dims)) for port in ensemble.input] == [("images", [224, 224, 3])]
    assert {port.name: list(port.dims) for port in ensemble.output} == {
        "features": [4096],
        "probabilities": [6],
    }
    values = {"images"}
    for step in ensemble.ensemble_scheduling.step:
        part = config(towers_repository, step.model_name)
        assert step.model_version == 1
        assert set(step.input_map) == {port.name for port in part.input}
        assert set(step.output_map) == {port.name for port in part.output}
        assert set(step.input_map.values()) <= values
        values |= set(step.output_map.values())
    assert {"features", "probabilities"} <= values


def test_manifest_names_every_file_by_its_digest(towers_repository: Path) -> None:
    found = {
        path.relative_to(towers_repository).as_posix(): hashlib.sha256(
            path.read_bytes()
        ).hexdigest()
        for path in towers_repository.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }
    assert manifest(towers_repository)["files"] == found


@pytest.mark.parametrize("layout", ["towers", "single"])
def test_manifest_proves_the_split(layout: str, request: pytest.FixtureRequest) -> None:
    parity = manifest(request.getfixturevalue(f"{layout}_repository"))["parity"]
    assert parity["pictures"] == 12
    assert parity["features_difference"] <= 1e-5
    assert parity["top5_agreement"] == 1


def test_tower_on_its_device(narrow_checkpoint: Path, tmp_path: Path) -> None:
    root = tmp_path / "repository"
    deploy(narrow_checkpoint, Deployment(root, devices=("cuda:0", "cuda:1")))
    for name in PARTS:
        (group,) = config(root, name).instance_group
        assert group.kind == triton.ModelInstanceGroup.KIND_GPU
        assert list(group.gpus) == [1 if name.endswith("tower1") else 0]
    with pytest.raises(ExportError, match="'tpu' is not one of"):
        deploy(narrow_checkpoint, Deployment(tmp_path / "other", devices=("tpu",)))


def test_deploying_again_changes_nothing_until_something_changed(
    narrow_checkpoint: Path, tmp_path: Path
) -> None:
    root = tmp_path / "repository"
    root.mkdir()
    (root / "README.md").write_text("kept")
    assert deploy(narrow_checkpoint, Deployment(root, layout="single"))[1] is True
    assert deploy(narrow_checkpoint, Deployment(root, layout="single"))[1] is False
    _, is_new = deploy(narrow_checkpoint, Deployment(root, layout="towers"))
    assert is_new
    assert manifest(root)["model"]["version"] == "2"
    assert (root / "s1_conv12_tower0" / "2" / "model.onnx").is_file()
    assert not (root / "s1_single").exists()
    assert (root / "README.md").read_text() == "kept"
    (root / "s5_fc8" / "2" / "model.onnx").write_bytes(b"damaged")
    assert deploy(narrow_checkpoint, Deployment(root))[1] is True
    beside = sorted(path.name for path in tmp_path.iterdir())
    assert beside == ["narrow", "repository", "repository.kept", "repository.lock"]


def test_a_failed_deploy_leaves_the_old_model(
    narrow_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "repository"
    deploy(narrow_checkpoint, Deployment(root, layout="single"))
    before = manifest(root)

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(deploying, "_write_golden", full_disk)
    with pytest.raises(DeployError, match=r"stays as it was: .*No space"):
        deploy(narrow_checkpoint, Deployment(root, layout="towers"))
    assert manifest(root) == before
    assert not (tmp_path / "repository.staging").exists()


def test_a_linked_repository_stays_a_link(narrow_checkpoint: Path, tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    for layout in ("towers", "single"):
        deploy(narrow_checkpoint, Deployment(link, layout=layout))
        assert link.is_symlink()
        assert manifest(real)["layout"] == layout


def test_metrics_of_other_weights_are_left_out(narrow_checkpoint: Path, tmp_path: Path) -> None:
    _, digest = load_checkpoint(narrow_checkpoint)
    metrics = {"top1": 0.5, "top5": 0.75, "n": 4, "history": []}
    for name, of, expected in (
        ("own", digest, {"top1": 0.5, "top5": 0.75, "n": 4}),
        ("other", "0" * 64, {}),
    ):
        text = json.dumps(metrics | {"digest": of})
        (narrow_checkpoint / "metrics.json").write_text(text)
        found, _ = deploy(narrow_checkpoint, Deployment(tmp_path / name))
        assert found["metrics"] == expected
    (narrow_checkpoint / "metrics.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"metrics\.json cannot be read"):
        deploy(narrow_checkpoint, Deployment(tmp_path / "damaged"))


def test_golden_pictures_are_spread_over_the_classes(towers_repository: Path) -> None:
    golden = np.load(towers_repository / "alexnet" / "golden.npz", allow_pickle=False)
    given = crops(12)[:, 16:240, 16:240]
    places = [np.flatnonzero((given == one).all(axis=(1, 2, 3))).item() for one in golden["images"]]
    assert places == [0, 2, 3, 5, 6, 8, 9, 11]


def test_two_deploys_at_once(narrow_checkpoint: Path, tmp_path: Path) -> None:
    with (tmp_path / "repository.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(DeployError, match="another deploy"):
            deploy(narrow_checkpoint, Deployment(tmp_path / "repository"))


def test_swapped_towers_are_not_deployed(
    narrow_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def swapped(loaded):
        graphs = tower_graphs(loaded)
        first, second = graphs[2].model, graphs[3].model
        for name in ("conv5_weight", "conv5_bias"):
            one, other = (
                next(tensor for tensor in model.graph.initializer if tensor.name == name)
                for model in (first, second)
            )
            one.raw_data, other.raw_data = other.raw_data, one.raw_data
        return graphs

    monkeypatch.setattr(proof, "tower_graphs", swapped)
    with pytest.raises(ParityError, match="nothing was deployed"):
        deploy(narrow_checkpoint, Deployment(tmp_path / "repository"))
    assert not (tmp_path / "repository").exists()


def test_parity_counts_another_order_of_the_top5() -> None:
    features = np.ones((2, 4), np.float32)
    single = np.array([[0.4, 0.3, 0.2, 0.1], [0.25, 0.25, 0.25, 0.25]], np.float32)
    towers = np.array([[0.3, 0.4, 0.2, 0.1], [0.25, 0.25, 0.25, 0.25]], np.float32)
    parity = compare(Answers(features, towers), Answers(features, single))
    assert parity.top5_agreement == 0.5
    with pytest.raises(ParityError, match=r"50\.0%"):
        require(parity)


def test_pictures_of_a_folder_or_none(
    narrow_checkpoint: Path, tmp_path: Path, photos: Path
) -> None:
    alone = tmp_path / "weights.safetensors"
    shutil.copy(narrow_checkpoint / "weights.safetensors", alone)
    with pytest.raises(PicturesError, match="--pictures FOLDER"):
        deploy(alone, Deployment(tmp_path / "repository"))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(PicturesError, match="no readable"):
        deploy(alone, Deployment(tmp_path / "repository", pictures=empty))
    found, _ = deploy(alone, Deployment(tmp_path / "repository", pictures=photos))
    assert found["parity"]["pictures"] == 6


def test_command_line(
    narrow_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "repository"
    assert main(["show", "--repository", str(root)]) == 1
    assert "no model is deployed" in capsys.readouterr().err
    assert (
        main(["deploy", str(narrow_checkpoint), "--repository", str(root), "--layout", "single"])
        == 0
    )
    assert "split proven on 12 pictures" in capsys.readouterr().err
    assert main(["show", "--json", "--repository", str(root)]) == 0
    assert json.loads(capsys.readouterr().out)["manifest"]["layout"] == "single"
    assert main(["deploy", str(tmp_path / "nowhere"), "--repository", str(root)]) == 1
    assert "no checkpoint at" in capsys.readouterr().err
