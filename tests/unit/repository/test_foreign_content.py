"""What no deploy writes is refused, though the manifest lists it with its digest."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from alexnet_repository.errors import ForeignContent
from alexnet_repository.repository import open_repository
from tests.unit.repository.relisted import relist

CUDA = 'optimization { execution_accelerators { gpu_execution_accelerator { name: "cuda" } } }'


@pytest.mark.parametrize(
    "name",
    [
        "conv1/1/model.py",
        "conv1/1/other.onnx",
        "conv1/model.onnx",
        "conv1/latest/model.onnx",
        "conv1/1/.keep",
        "conv1/labels.txt",
        "alexnet/1/model.onnx",
        "alexnet/warmup",
        "evil/1/libtriton_evil.so",
    ],
)
def test_a_file_of_another_name_is_named(narrow_repository: Path, name: str) -> None:
    path = narrow_repository / name
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(narrow_repository / "conv1" / "config.pbtxt", path)
    relist(narrow_repository, name)
    with pytest.raises(ForeignContent, match=f"{name} is no file that a deploy writes"):
        open_repository(narrow_repository)


@pytest.mark.parametrize(
    ("model", "added", "said"),
    [
        ("conv1", 'backend: "python"', "names the backend 'python'"),
        ("conv1", 'platform: "tensorrt_plan"', "names the platform 'tensorrt_plan'"),
        ("conv1", 'runtime: "libevil.so"', "sets runtime"),
        ("conv1", 'default_model_filename: "a.onnx"', "sets default_model_filename"),
        ("conv1", 'cc_model_filenames { key: "8.0" value: "a" }', "sets cc_model_filenames"),
        ("conv1", 'parameters { key: "a" value { string_value: "b" } }', "sets parameters"),
        ("conv1", 'model_operations { op_library_filename: "a.so" }', "sets model_operations"),
        ("conv1", CUDA.replace("cuda", "tensorrt"), "names an execution accelerator"),
        ("conv1", CUDA.replace("gpu", "cpu"), "names an execution accelerator"),
        ("conv1", "optimization { cuda { graphs: true } }", "sets more of optimization"),
        ("alexnet", 'backend: "onnxruntime"', "sets backend"),
        ("alexnet", 'platform: "onnxruntime_onnx"', "names the platform 'onnxruntime_onnx'"),
        ("alexnet", "response_cache { enable: true }", "sets response_cache"),
    ],
)
def test_a_setting_of_someone_else_is_named(
    narrow_repository: Path, model: str, added: str, said: str
) -> None:
    write(narrow_repository, model, added)
    with pytest.raises(ForeignContent, match=f"{model}/config.pbtxt {said}"):
        open_repository(narrow_repository)


@pytest.mark.parametrize("added", ['platform: "onnxruntime_onnx"', CUDA])
def test_what_a_deploy_may_set(narrow_repository: Path, added: str) -> None:
    write(narrow_repository, "conv1", added)
    open_repository(narrow_repository)


def write(root: Path, model: str, added: str) -> None:
    """Set ``added``, and no longer what its field was set to."""
    config = root / model / "config.pbtxt"
    field = added.partition(":")[0] + ":"
    kept = [line for line in config.read_text().splitlines() if not line.startswith(field)]
    config.write_text("\n".join([*kept, added, ""]))
    relist(root, f"{model}/config.pbtxt")
