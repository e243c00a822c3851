"""bvlc_alexnet.caffemodel in both forms: right to a plain network's numbers, or refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from alexnet_export.dialects import CAFFE
from alexnet_export.errors import SourceError
from alexnet_export.importing.caffemodel import read_caffemodel
from alexnet_export.importing.source import read
from tests.narrow_dialects import centres
from tests.plain_networks import caffe
from tests.unit.importing.agreement import CLASSES, assert_agrees
from tests.unit.importing.caffe_source import (
    Form,
    Layer,
    blob,
    bvlc_alexnet,
    caffemodel,
    number,
    text,
    varint,
)
from tests.unit.importing.random_weights import random_weights, thin_weights

MEAN_BGR = np.array([104.00698793, 116.66876762, 122.67891434], np.float32)[:, None, None]
FORMS: tuple[Form, ...] = ("layer", "layers")
Layers = dict[str, Layer]
Change = Callable[[Layers], object]


def answers(weights: dict[str, np.ndarray], planes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a plain network gives for BGR ``planes`` less their mean, float32 [n, 3, 227, 227]."""
    with torch.inference_mode():
        features, logits = caffe(weights).eval()(torch.from_numpy(planes))
    return features.numpy(), logits.softmax(dim=1).numpy()


def test_it_gives_what_a_plain_network_gives_with_the_mean_image(tmp_path: Path) -> None:
    weights = random_weights(seed=7)
    file, mean_file = tmp_path / "a name that says nothing", tmp_path / "mean"
    file.write_bytes(caffemodel(bvlc_alexnet(weights), "layer"))
    mean = np.random.default_rng(1).uniform(90, 130, (3, 256, 256)).astype(np.float32)
    mean_file.write_bytes(blob(mean, "layers"))
    checkpoint = read("caffe", file, verified=False, mean=mean_file, classes=CLASSES)
    assert checkpoint.dialect == CAFFE
    views = centres(CAFFE, 4)
    planes = views.transpose(0, 3, 1, 2)[:, ::-1].astype(np.float32)
    start = (256 - 227) // 2
    seen = planes - mean[:, start : start + 227, start : start + 227]
    assert_agrees(checkpoint, views, *answers(weights, seen))

    old = caffemodel(bvlc_alexnet(weights), "layers")
    dialect, tensors = read_caffemodel(old)
    assert dialect == CAFFE
    for name, tensor in tensors.items():
        assert (tensor == checkpoint.tensors[name]).all(), name
    del old
    pixel = read("caffe", file, verified=False, mean=None, classes=CLASSES)
    assert (pixel.tensors["mean"] == MEAN_BGR[::-1, 0, 0]).all()


def refusal(change: Change, form: Form) -> str:
    """Why a thin network with one change is refused."""
    layers = {layer.name: layer for layer in bvlc_alexnet(thin_weights())}
    change(layers)
    with pytest.raises(SourceError) as refused:
        read_caffemodel(caffemodel(layers.values(), form))
    return str(refused.value)


@pytest.mark.parametrize("form", FORMS)
def test_only_its_weights_are_wrong_with_the_thin_network(form: Form) -> None:
    """So what is refused below is refused for the change alone."""
    assert refusal(lambda _: None, form) == (
        "conv1's weight (conv1) is [2, 2, 11, 11], and bvlc_alexnet's [96, 3, 11, 11]"
    )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("layer", "place", "value", "reason"),
    [
        ("conv1", 3, 2, "conv1 (conv1) has padding (2, 2, 2, 2)"),
        ("conv1", 9, 1, "conv1 has parameters of its own for height and width"),
        ("conv1", 4, 7, "conv1 (conv1) has kernel 7"),
        ("conv1", 6, 2, "conv1 (conv1) has stride 2"),
        ("conv2", 5, 1, "conv2 (conv2) has group 1"),
        ("conv3", 5, 2, "conv3 (conv3) has group 2"),
        ("conv3", 18, 2, "conv3 has kernel 3, stride 1, dilation 2"),
        ("norm1", 1, 3, "conv1's norm (norm1) has size 3"),
        ("norm1", 2, 2e-4, "conv1's norm (norm1) has alpha"),
        ("norm2", 3, 0.5, "conv2's norm (norm2) has beta 0.5"),
        ("norm2", 4, 1, "norm2 norms within a map"),
        ("norm2", 5, 2.0, "conv2's norm (norm2) has k 2.0"),
        ("relu3", 1, 0.1, "relu3 is leaky"),
        ("pool1", 1, 1, "pool1 takes no maximum"),
        ("pool1", 12, 1, "pool1 takes no maximum"),
        ("pool2", 4, 1, "conv2's pool (pool2) has padding (1, 1"),
        ("pool5", 2, 2, "conv5's pool (pool5) has kernel 2"),
        ("pool5", 3, 2**40, "conv5's pool (pool5) has stride"),
        ("fc6", 6, 1, "fc6 has its weight transposed"),
        ("conv2", 4, 2**63, "conv2 has kernel"),
    ],
)
def test_another_setting_is_refused(
    form: Form, layer: str, place: int, value: float, reason: str
) -> None:
    assert reason in refusal(lambda layers: layers[layer].give(place, value), form)


def _without(name: str) -> Change:
    def drop(layers: Layers) -> None:
        dropped = layers.pop(name)
        for layer in layers.values():
            layer.bottoms = [
                dropped.bottoms[0] if bottom == dropped.tops[0] else bottom
                for bottom in layer.bottoms
            ]

    return drop


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_without("norm2"), "at conv2's norm there is max pool (pool2)"),
        (_without("fc7"), "at fc7 there is ReLU (relu7), and bvlc_alexnet has dense"),
        (_without("fc8"), "it ends before fc8"),
        (lambda layers: layers.pop("relu3"), "at conv3's ReLU there is convolution (conv4)"),
        (lambda layers: layers["conv4"].blobs.pop(), "conv4 has 1 blobs"),
        (lambda layers: layers["fc7"].bottoms.append("conv1"), "fc7 (InnerProduct) reads or"),
        (lambda layers: layers.clear(), "it has no layers"),
    ],
)
def test_another_network_is_refused(form: Form, change: Change, reason: str) -> None:
    assert reason in refusal(change, form)


THIN = caffemodel(bvlc_alexnet(thin_weights()), "layer")
ONE_LAYER = text(1, "conv1") + text(2, "Convolution") + text(3, "data") + text(4, "conv1")
PARAMETERS = text(106, number(1, 96) + number(4, 11) + number(6, 4))


def with_blob(content: bytes) -> bytes:
    """A network whose first layer has ``content`` as its weight."""
    bias = blob(np.zeros(96, np.float32), "layer")
    return text(100, ONE_LAYER + text(7, content) + text(7, bias) + PARAMETERS)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (THIN[:-10], "cut off or damaged"),
        (varint(100 * 8 + 2) + varint(2**60) + b"x", "has 1,152,921,504,606,846,976 bytes"),
        (varint(100 * 8 + 2) + b"\xff" * 12, "a number has no end"),
        (number(100, 1), "it has no layers"),
        (text(100, b"\x0b"), "field 1 is of kind 3"),
        (text(100, b"\x00\x00"), "a field has number 0"),
        # 2^40 numbers are said to be there: nothing may be reserved for them.
        (with_blob(text(7, text(1, varint(2**20) * 2)) + text(5, b"\0" * 8)), "has 2 numbers"),
        (with_blob(text(7, text(1, varint(2**62))) + text(5, b"\0" * 8)), "has the shape"),
        (with_blob(text(7, text(1, varint(1) * 99)) + text(5, b"\0" * 4)), "has the shape"),
        (with_blob(text(7, text(1, varint(2))) + text(5, b"\0" * 7)), "numbers of 4 bytes"),
        (with_blob(text(7, text(1, varint(2)))), "a blob has no numbers"),
        (with_blob(text(7, text(1, varint(0))) + text(5, b"")), "has the shape [0]"),
    ],
)
def test_a_message_that_was_made_to_hurt_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(SourceError) as refused:
        read_caffemodel(content)
    assert reason in str(refused.value)
