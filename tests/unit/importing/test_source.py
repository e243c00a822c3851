"""Which reader a file gets, by its bytes; and what is refused before any reader sees it."""

from __future__ import annotations

import builtins
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

from alexnet_export.errors import SourceError
from alexnet_export.importing import source as source_module
from alexnet_export.importing.imagenet_names import imagenet_names
from alexnet_export.importing.source import Source, read


def refused(content: bytes, folder: Path, source: Source = "caffe", **given: Any) -> str:
    """Why a file with these bytes is refused."""
    path = folder / "file"
    path.write_bytes(content)
    settings = {"verified": False, "mean": None, "classes": imagenet_names()} | given
    with pytest.raises(SourceError) as caught:
        read(source, path, **settings)
    assert str(path) in str(caught.value) or given
    return str(caught.value)


def zoo(*nodes: onnx.NodeProto) -> bytes:
    picture = onnx.helper.make_tensor_value_info("data_0", 1, [1, 3, 224, 224])
    answer = onnx.helper.make_tensor_value_info("prob_1", 1, [1, 1000])
    graph = onnx.helper.make_graph(nodes, "net", [picture], [answer])
    return onnx.helper.make_model(graph).SerializeToString()


def saved(value: object) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


RELU = onnx.helper.make_node("Relu", ["data_0"], ["r"])
SOFTMAX = onnx.helper.make_node("Softmax", ["r"], ["prob_1"])
CAFFE = b"\x0a\x07AlexNet\x12\x0e\x12\x01d\x1a\x01c\x22\x04conv\x28\x04"


@pytest.mark.parametrize(
    ("content", "source", "reason"),
    [
        (zoo(RELU, SOFTMAX), "caffe", "at conv1 there is ReLU"),
        (CAFFE, "caffe", "conv has kernel 0"),
        (saved({"features.0.weight": torch.zeros(1)}), "torchvision", "not torchvision's alexnet"),
        (zoo(RELU, SOFTMAX), "torchvision", "is a file of ONNX"),
        (saved({}), "caffe", "is a file of PyTorch"),
        (b"<!DOCTYPE html><html>Sign in</html>", "caffe", "no file of PyTorch, ONNX or Caffe"),
        (b"", "torchvision", "no file of PyTorch, ONNX or Caffe"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:6b0d", "caffe", "Git LFS"),
    ],
)
def test_the_bytes_say_which_file_it_is(
    content: bytes, source: Source, reason: str, tmp_path: Path
) -> None:
    assert reason in refused(content, tmp_path, source)


@pytest.mark.parametrize(
    ("content", "source", "digest"),
    [
        (zoo(RELU, SOFTMAX), "caffe", "6b0da9510f27"),
        (CAFFE, "caffe", "9116a64c0fbe"),
        (saved({}), "torchvision", "7be5be79"),
    ],
)
def test_only_the_published_file_is_read_unless_another_is_meant(
    content: bytes, source: Source, digest: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for reader in ("read_zoo_file", "read_caffemodel", "read_torchvision"):
        monkeypatch.setattr(source_module, reader, unread)
    said = refused(content, tmp_path, source, verified=True)
    assert digest in said
    assert "--unverified" in said


def unread(content: bytes) -> None:
    raise AssertionError("a file was read that is not the published one")


def test_what_cannot_be_a_file_of_these(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        read("caffe", tmp_path, verified=False, mean=None, classes=imagenet_names())
    assert "999 names" in refused(CAFFE, tmp_path, classes=imagenet_names()[1:])
    assert "mean pixel" in refused(saved({}), tmp_path, "torchvision", mean=tmp_path / "mean")
    monkeypatch.setattr(source_module, "_MAX_BYTES", 100)
    assert "more than 100 bytes" in refused(bytes(101), tmp_path)


class Code:
    """What pickle runs when it is read: it leaves a file behind."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def test_code_in_a_pickle_is_refused_and_never_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    for content in (saved({"features.0.weight": Code(mark)}), pickle.dumps(Code(mark), 2)):
        said = refused(content, tmp_path, "torchvision")
        assert "has code in it, which was not run" in said
        assert "torch.load" not in said
        assert not mark.exists()
    pickle.loads(pickle.dumps(Code(mark)))  # the code does what it is there for
    assert mark.exists()


def test_an_archive_that_grows_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(2**26))
    assert "unpacks to 67,108,864 bytes" in refused(stream.getvalue(), tmp_path, "torchvision")
    whole = saved({"features.0.weight": torch.zeros(1000)})
    assert "damaged or cut off" in refused(whole[:-30], tmp_path, "torchvision")


def test_without_pytorch_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    importing = builtins.__import__

    def without_torch(name: str, *rest: Any) -> Any:
        if name == "torch":
            raise ImportError("No module named 'torch'")
        return importing(name, *rest)

    content = saved({})
    monkeypatch.setattr(builtins, "__import__", without_torch)
    assert "install torch" in refused(content, tmp_path, "torchvision")


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    weights = {
        "features.0": (64, 3, 11, 11),
        "features.3": (192, 64, 5, 5),
        "features.6": (384, 192, 3, 3),
        "features.8": (256, 384, 3, 3),
        "features.10": (256, 256, 3, 3),
        "classifier.1": (4096, 9216),
        "classifier.4": (4096, 4096),
        "classifier.6": (1000, 4096),
    }
    state = {}
    for name, shape in weights.items():  # one number each in the file
        state[f"{name}.weight"] = torch.zeros(1).expand(shape)
        state[f"{name}.bias"] = torch.zeros(1).expand(shape[:1])
    state["features.3.bias"] = torch.full((1,), torch.nan).expand(192)
    assert "conv2.bias has values that are not finite" in refused(
        saved(state), tmp_path, "torchvision"
    )
