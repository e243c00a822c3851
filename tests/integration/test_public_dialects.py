"""The public networks' dialects: every way to run one gives what the plain network gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch

from alexnet_export.checkpoint import Checkpoint
from alexnet_export.graph import conv1_graph, single_graph, tower_graphs
from alexnet_export.layers import Dialect, shapes
from alexnet_export.parity import Answers, run
from alexnet_training.network import grouped, two_towers
from tests.narrow_dialects import (
    NARROW_CAFFE,
    NARROW_CAFFE224,
    NARROW_TORCHVISION,
    centres,
    random_import,
)
from tests.plain_networks import Plain, caffe, gradients, torchvision

LIMIT = 1e-4  # of the largest feature
PUBLIC = [(NARROW_CAFFE, caffe), (NARROW_CAFFE224, caffe), (NARROW_TORCHVISION, torchvision)]
IDS = [dialect.name for dialect, _ in PUBLIC]
Answering = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


def seen(checkpoint: Checkpoint, images: np.ndarray) -> torch.Tensor:
    """What a network reads, float32 [n, 3, side, side]."""
    return torch.from_numpy(images - checkpoint.mean).permute(0, 3, 1, 2).contiguous()


def answers(model: Answering, images: torch.Tensor) -> Answers:
    with torch.inference_mode():
        features, logits = model(images)
    return Answers(features.numpy(), logits.softmax(dim=1).numpy())


def built_of_towers(checkpoint: Checkpoint) -> two_towers.TwoTowers:
    built = two_towers.TwoTowers(checkpoint.dialect, len(checkpoint.classes), dropout=0.0)
    two_towers.load_tensors(built, as_torch(checkpoint))
    return built.eval()


def one_device(checkpoint: Checkpoint) -> grouped.Grouped:
    built = grouped.Grouped(checkpoint.dialect, len(checkpoint.classes))
    grouped.load_tensors(built, as_torch(checkpoint))
    return built.eval()


def as_torch(checkpoint: Checkpoint) -> two_towers.Tensors:
    return {name: torch.from_numpy(value) for name, value in checkpoint.tensors.items()}


def difference(found: Answers, expected: Answers) -> float:
    """The largest of all features, as a share of the largest feature."""
    return np.abs(found.features - expected.features).max() / expected.features.max()


@pytest.mark.parametrize(("dialect", "plain"), PUBLIC, ids=IDS)
def test_every_way_gives_what_the_plain_network_gives(dialect: Dialect, plain: Plain) -> None:
    checkpoint, images = random_import(dialect), centres(dialect, 4)
    expected = answers(plain(checkpoint.tensors).eval(), seen(checkpoint, images))
    assert (expected.features > 0).mean() > 0.2  # nothing hides in zeros
    assert expected.probabilities.max() < 0.99
    ways = {
        "single": run([single_graph(checkpoint)], images, "single"),
        "towers": run(tower_graphs(checkpoint), images, "towers"),
        "TwoTowers": answers(built_of_towers(checkpoint), seen(checkpoint, images)),
        "Grouped": answers(one_device(checkpoint), seen(checkpoint, images)),
    }
    for name, found in ways.items():
        assert difference(found, expected) <= LIMIT, name
        assert np.abs(found.probabilities - expected.probabilities).max() <= LIMIT, name


@pytest.mark.parametrize(("dialect", "plain"), PUBLIC, ids=IDS)
def test_first_maps_are_those_of_the_plain_network(dialect: Dialect, plain: Plain) -> None:
    checkpoint, images = random_import(dialect), centres(dialect, 2)
    with torch.inference_mode():
        expected = plain(checkpoint.tensors).layers[:2](seen(checkpoint, images)).numpy()
    graph = conv1_graph(checkpoint).model.SerializeToString()
    (maps,) = onnxruntime.InferenceSession(graph).run(["conv1"], {"images": images})
    assert maps.shape == (2, *shapes(dialect, 6)[0].activation)
    assert np.abs(maps - expected).max() <= LIMIT * expected.max()


def test_a_norm_that_ends_at_the_border_is_told_apart() -> None:
    """The limit above means something: the two networks differ by far more."""
    checkpoint, images = random_import(NARROW_CAFFE), centres(NARROW_CAFFE, 2)
    expected = run([single_graph(checkpoint)], images, "single")
    for number in (0, 1):
        layers = list(NARROW_CAFFE.convolutions)
        layers[number] = replace(layers[number], norm=replace(layers[number].norm, reach="tower"))
        other = replace(checkpoint, dialect=replace(NARROW_CAFFE, convolutions=tuple(layers)))
        found = run([single_graph(other)], images, "single")
        assert difference(found, expected) > 30 * LIMIT, layers[number].name


@pytest.mark.parametrize(("dialect", "plain"), PUBLIC, ids=IDS)
def test_training_learns_what_the_plain_network_learns(dialect: Dialect, plain: Plain) -> None:
    checkpoint, images = random_import(dialect), centres(dialect, 3)
    trained, reference = built_of_towers(checkpoint), plain(checkpoint.tensors)
    labels = torch.tensor([0, 3, 5])
    for model in (trained, reference):
        _, logits = model(seen(checkpoint, images))
        torch.nn.functional.cross_entropy(logits, labels).backward()
    found = {name: part.grad for name, part in trained.named_parameters()}
    for name, expected in gradients(reference).items():
        own = [found[f"tower{tower}.{name}"] for tower in (0, 1) if f"tower0.{name}" in found]
        gradient = torch.cat(own) if own else found[name]
        assert expected.abs().max() > 0, name
        assert (gradient - expected).abs().max() <= LIMIT * expected.abs().max(), name
