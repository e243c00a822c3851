"""Pruning, shared values and what is learned in between; then the whole command."""

import json
import re
import shutil
import struct
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from alexnet_export.checkpoint import load_checkpoint
from alexnet_export.dialects import DIALECTS
from alexnet_training.cli import main
from alexnet_training.compressing.codebooks import shared
from alexnet_training.compressing.compress import RECIPE
from alexnet_training.compressing.distillation import Student
from alexnet_training.compressing.pruning import densities, density_at, masks
from alexnet_training.compressing.sharing import Together
from alexnet_training.evaluation.answers import Lens
from alexnet_training.photos.batches import Epoch
from alexnet_training.photos.cache import Decoded
from tests.random_checkpoint import NARROW
from tests.unit.training.conftest import trained_run, two_classes

RANDOM = np.random.default_rng(5)
CPU = torch.device("cpu")


def test_the_largest_weights_stay():
    weight = RANDOM.standard_normal((20, 50)).astype(np.float32)
    (mask,) = masks({"fc6.weight": weight}, {"fc6": 0.1}).values()
    assert mask.sum() == 100
    assert np.abs(weight[mask]).min() >= np.abs(weight[~mask]).max()
    (whole,) = masks({"fc6.weight": weight}, {"fc6": 1.0}).values()
    assert whole.all()


def test_ties_are_as_many_as_are_asked_for():
    weight = np.ones((20, 50), np.float32)
    assert masks({"fc6.weight": weight}, {"fc6": 0.1})["fc6"].sum() == 100


def test_densities_of_the_paper_network():
    found = densities(DIALECTS["alexnet2012"], 0.08)
    assert found == {
        **dict.fromkeys(("conv1", "conv2", "conv3", "conv4", "conv5"), 0.8),
        "fc6": 0.08,
        "fc7": pytest.approx(0.12),
        "fc8": 0.8,
    }
    assert max(densities(DIALECTS["alexnet2012"], 0.5).values()) == 1


def test_most_is_pruned_at_first_and_all_at_the_end():
    steps = [density_at(0.1, step, 4) for step in range(5)]
    assert (steps[0], steps[-1]) == (1.0, 0.1)
    falls = -np.diff(steps)
    assert (falls > 0).all()
    assert (np.diff(falls) < 0).all()


def test_a_codebook_is_where_k_means_ends():
    values = RANDOM.standard_normal((60, 70)).astype(np.float32)
    mask = np.abs(values) > 0.8
    found = shared(values, mask, 16)
    kept = values[mask]
    codebook, indices = found.codebook, found.indices
    assert np.count_nonzero(found.dense()) == mask.sum()
    for index in range(len(codebook)):
        if (indices == index).any():
            assert codebook[index] == pytest.approx(kept[indices == index].mean(), rel=1e-5)
    nearest = np.abs(kept[:, None] - codebook).argmin(axis=1)
    assert (nearest == indices).mean() > 0.99
    even = np.linspace(kept.min(), kept.max(), 16)
    error = np.abs(kept[:, None] - even).min(axis=1)
    assert ((found.dense()[mask] - kept) ** 2).sum() < 0.8 * (error**2).sum()


def test_few_values_are_kept_as_they_are():
    values = np.array([[-2.5, 0.0, 7.0], [7.0, -2.5, 3.125]], np.float32)
    np.testing.assert_array_equal(shared(values, None, 16).dense(), values)
    np.testing.assert_array_equal(shared(values * 0, None, 16).dense(), values * 0)


@pytest.mark.parametrize("density", [1.0, 0.3])
def test_shared_weights_get_the_gradient_of_their_value(density):
    """Against a network whose weights are read out of a codebook, which autograd goes through."""
    values = RANDOM.standard_normal((6, 5, 3, 3)).astype(np.float32)
    given = shared(values, RANDOM.random(values.shape) < density, 4)
    codebook = torch.tensor(given.codebook, requires_grad=True)
    places = slice(None) if given.places is None else torch.from_numpy(given.places)
    indices = torch.from_numpy(given.indices.astype(np.int64))
    whole = torch.zeros(values.size).index_put(
        (torch.arange(values.size)[places],), codebook[indices]
    )
    whole = whole.view(values.shape)
    images = torch.from_numpy(RANDOM.standard_normal((2, 10, 8, 8)).astype(np.float32))

    def loss(upper, lower):
        halves = zip(images.chunk(2, dim=1), (upper, lower), strict=True)
        return sum(nn.functional.conv2d(own, weight).square().sum() for own, weight in halves)

    loss(*whole.chunk(2)).backward()
    count = np.bincount(given.indices, minlength=len(given.codebook))
    towers = [
        nn.Parameter(rows.clone().to(memory_format=torch.channels_last))
        for rows in torch.from_numpy(given.dense()).chunk(2)
    ]
    loss(*towers).backward()
    Together.of(given, towers).average_gradients()
    found = torch.cat([tower.grad for tower in towers]).flatten()
    torch.testing.assert_close(
        found[places], (codebook.grad / torch.from_numpy(count))[indices].float()
    )
    assert torch.count_nonzero(found) <= len(given.indices)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return trained_run(tmp_path_factory.mktemp("trained"), "--epochs=4", "--no-report")


@pytest.fixture
def run(narrow, trained, tmp_path):
    return shutil.copytree(trained / "run", tmp_path / "run")


def compressed(run, *flags):
    return main(["compress", str(run), "--epochs=4", "--device=cpu", *flags])


def smaller(run, tmp_path, capsys):
    """Bytes in which some of the weights fit: what is too little says how many are the least."""
    assert compressed(run, "--max-bytes=1000", f"--out={tmp_path / 'none'}") == 1
    least = int(re.search(r"still has ([\d,]+) bytes", capsys.readouterr().err)[1].replace(",", ""))
    return least + 8_000


def test_a_run_becomes_one_small_file(run, trained, tmp_path, capsys):
    budget = smaller(run, tmp_path, capsys)
    assert compressed(run, f"--max-bytes={budget}") == 0
    told = json.loads(capsys.readouterr().out)
    place = run / "compressed.alexnet"
    content = place.read_bytes()
    assert told["bytes"] == len(content) <= budget
    found, digest = load_checkpoint(place)
    original, former = load_checkpoint(run)
    assert told["sha256"] == digest
    assert found.compression.original["sha256"] == former
    assert found.compression.loss.pictures == 8
    for layer in NARROW.layer_names:
        weight = found.tensors[f"{layer}.weight"]
        assert len(np.unique(weight)) <= 1 + (16 if layer in {"fc6", "fc7"} else 64)
    before, after = (one.tensors["fc6.weight"] for one in (original, found))
    assert np.count_nonzero(after) < np.count_nonzero(before) == before.size
    noted = json.loads((run / "compressed.alexnet.json").read_bytes())
    assert [step["epoch"] for step in noted["steps"]] == [0, 1, 2, 3, 4]
    assert noted["steps"][0]["features_cosine"] == pytest.approx(1)
    shares = [step["density"] for step in noted["steps"]]
    assert sorted(shares, reverse=True) == shares
    head = (run / "compressed.alexnet.png").read_bytes()[:24]
    assert min(struct.unpack(">II", head[16:])) > 200

    assert main(["evaluate", str(place), str(trained / "photos")]) == 0
    line = json.loads(capsys.readouterr().out)
    assert (line["top1"], line["n"]) == (told["top1"], 8)
    assert line["mean_average_precision"]["l2"] == pytest.approx(told["map_l2"])

    again = tmp_path / "again.alexnet"
    about = ("--about", "Bricks and the sky.")
    assert compressed(run, f"--max-bytes={budget}", f"--out={again}", *about) == 0
    other, _ = load_checkpoint(again)
    assert other.about == "Bricks and the sky." != found.about
    for name, tensor in found.tensors.items():
        np.testing.assert_array_equal(other.tensors[name], tensor)


@pytest.fixture
def student(run):
    """The run's network before it learns from itself, and a batch of its photos."""
    original, _ = load_checkpoint(run)
    recipe = replace(RECIPE, dialect=NARROW.name, scale=original.scale, precision="fp32")
    kept = np.load(run / "pictures.npz")
    photos = Decoded(kept["images"], kept["labels"], tuple("abcdefgh"))
    batch = next(Epoch(recipe, np.eye(3, dtype=np.float32), photos, 0).batches(CPU))
    lens = Lens(torch.from_numpy(original.mean.copy()), original.scale, CPU, "fp32")
    return Student(original, recipe, lens), batch


def test_it_is_the_original_until_something_is_taken_from_it(student):
    learner, batch = student
    assert learner.step(batch, 0.0) < 1e-9


def test_a_pruned_network_learns_to_answer_as_the_original(student):
    learner, batch = student
    kept = masks(
        {name: tensor.numpy() for name, tensor in learner.tensors().items()},
        dict.fromkeys(NARROW.layer_names, 0.4),
    )
    learner.prune(kept)
    far = [learner.step(batch, 1e-3) for _ in range(40)]
    assert far[0] > 0.05
    assert far[-1] < far[0] / 3
    for layer, mask in kept.items():
        weight = learner.tensors()[f"{layer}.weight"].numpy()
        assert not weight[~mask].any()


def test_shared_values_learn_and_stay_shared(student):
    learner, batch = student
    tensors = {name: tensor.numpy() for name, tensor in learner.tensors().items()}
    given = {
        f"{layer}.weight": shared(tensors[f"{layer}.weight"], None, 6)
        for layer in NARROW.layer_names
    }
    learner.share(given)
    far = [learner.step(batch, 1e-3) for _ in range(40)]
    assert far[-1] < far[0] / 2
    found = learner.tensors()
    for name, one in given.items():
        values = found[name].numpy().ravel()
        for index in range(len(one.codebook)):
            own = values[one.indices == index]
            assert not len(own) or np.ptp(own) < 1e-6 * np.abs(own).max()
        assert not np.array_equal(values, one.dense().ravel())


def test_what_cannot_be_compressed(run, tmp_path, capsys):
    for flags, message in (
        (("--max-bytes=1000",), "--max-bytes 1,000 is too little"),
        (("--data", str(tmp_path / "nowhere")), "there is no folder"),
    ):
        assert compressed(run, *flags) == 1
        told = capsys.readouterr()
        assert not told.out
        assert message in told.err
    others = two_classes(tmp_path / "others")
    (others / "train" / "sky").rename(others / "train" / "water")
    (others / "validation" / "sky").rename(others / "validation" / "water")
    assert compressed(run, "--data", str(others)) == 1
    assert "2 classes, brick, water" in capsys.readouterr().err
    metrics = run / "metrics.json"
    table = json.loads(metrics.read_bytes())
    del table["data"]
    metrics.write_text(json.dumps(table))
    assert compressed(run) == 1
    assert "does not say where its photos are: name them with --data" in capsys.readouterr().err
    assert not (run / "compressed.alexnet").exists()
    assert compressed(run, "--max-bytes=0") == 2
