from dataclasses import replace

import numpy as np
import pytest
import torch

from alexnet_export.checkpoint import load_checkpoint
from alexnet_export.dialects import DIALECTS
from alexnet_pixels.views import views
from alexnet_training.errors import UnknownClass, UnreadablePhoto
from alexnet_training.evaluation.answers import (
    Lens,
    accuracy,
    labelled_photos,
    network_of,
    predict,
)
from alexnet_training.fit import Order, fit
from alexnet_training.network.initialization import initial_tensors
from alexnet_training.network.two_towers import TwoTowers, load_tensors
from alexnet_training.presets import PRESETS
from tests.narrow_dialects import NARROW_CAFFE
from tests.random_checkpoint import NARROW

CPU = torch.device("cpu")


def evaluate(checkpoint, data, view_count=1, *, strict=False):
    """Accuracy on a folder, and the photos that were skipped."""
    network, lens = network_of(checkpoint, CPU, "fp32")
    with labelled_photos(data, checkpoint.classes, strict=strict) as photos:
        answers = predict(network, photos.pixels, lens, view_count)
    assert answers.features.shape == (len(photos.labels), checkpoint.dialect.feature_units)
    return accuracy(answers.probabilities, photos.labels), photos.skipped


@pytest.fixture
def trained(narrow, photos, tmp_path):
    recipe = replace(
        PRESETS["modern"],
        dialect=narrow.name,
        epochs=6,
        batch_size=5,
        learning_rate=5e-3,
        weight_decay=0.05,  # a run of few steps has nothing to forget
        precision="fp32",
    )
    metrics = fit(Order(photos, tmp_path / "run", recipe, (CPU,), is_drawn=False))
    return load_checkpoint(tmp_path / "run")[0], metrics


@pytest.mark.parametrize("view_count", [1, 10])
def test_a_checkpoint_scores_as_its_training_said(trained, photos, view_count):
    checkpoint, metrics = trained
    found, skipped = evaluate(checkpoint, photos, view_count)
    assert (found.top1, found.top5, found.n) == (metrics["top1"], metrics["top5"], 8)
    assert skipped == ()


def test_a_network_of_another_side_is_trained_and_scored_on_its_own_views(
    photos, tmp_path, monkeypatch
):
    monkeypatch.setitem(DIALECTS, NARROW_CAFFE.name, NARROW_CAFFE)
    recipe = replace(
        PRESETS["modern"], dialect=NARROW_CAFFE.name, epochs=1, batch_size=8, precision="fp32"
    )
    metrics = fit(Order(photos, tmp_path / "run", recipe, (CPU,), is_drawn=False))
    checkpoint, _ = load_checkpoint(tmp_path / "run")
    assert checkpoint.mean.shape == (227, 227, 3)
    found, _ = evaluate(checkpoint, photos)
    assert (found.top1, found.top5, found.n) == (metrics["top1"], metrics["top5"], 8)


def test_swapped_folders_score_nothing(trained, photos):
    validation = photos / "validation"
    (validation / "sky").rename(validation / "x")
    (validation / "brick").rename(validation / "sky")
    (validation / "x").rename(validation / "brick")
    found, _ = evaluate(trained[0], photos)
    assert found.top1 == 0.0
    assert found.top5 == 1.0


def test_unknown_classes_and_unreadable_photos(trained, photos):
    (photos / "validation" / "sky" / "000.png").write_bytes(b"no picture")
    found, skipped = evaluate(trained[0], photos)
    assert found.n == 7
    assert len(skipped) == 1
    with pytest.raises(UnreadablePhoto):
        evaluate(trained[0], photos, strict=True)
    (photos / "validation" / "sky").rename(photos / "validation" / "fog")
    with pytest.raises(UnknownClass, match="fog"):
        evaluate(trained[0], photos)


@pytest.mark.parametrize("dialect", [NARROW, NARROW_CAFFE], ids=["224", "227"])
def test_probabilities_are_the_mean_over_the_views(dialect):
    network = TwoTowers(dialect, 4)
    load_tensors(network, initial_tensors(dialect, 4, "he", seed=2))
    network.fc8.weight.data.mul_(100)
    pixels = np.random.default_rng(1).integers(0, 256, (9, 256, 256, 3), dtype=np.uint8)
    side = dialect.image_side
    lens = Lens(torch.full((side, side, 3), 100.0), 0.02, CPU, "fp32")
    found = predict(network, pixels, lens, 10).probabilities
    assert found.shape == (9, 4)
    with torch.inference_mode():
        seen = torch.from_numpy(views(pixels[7], 10, side)).permute(0, 3, 1, 2)
        expected = network.eval()((seen - 100.0) * 0.02).logits.softmax(1).mean(0)
    np.testing.assert_allclose(found[7], expected, atol=1e-5)
    assert np.ptp(found, axis=0).max() > 1e-3


def test_accuracy_counts_first_and_first_five():
    probabilities = np.zeros((4, 7), dtype=np.float32)
    probabilities[:] = [0.30, 0.20, 0.15, 0.12, 0.10, 0.08, 0.05]
    found = accuracy(probabilities, np.array([0, 4, 5, 0]))
    assert (found.top1, found.top5, found.n) == (0.5, 0.75, 4)
