"""Another network's layers kept, a new classifier learned on them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from alexnet_export.checkpoint import load_checkpoint, save_checkpoint
from alexnet_export.dialects import CAFFE, DIALECTS, TORCHVISION
from alexnet_training.cli import main
from alexnet_training.errors import Interrupted, RecipeError, RunMismatch
from alexnet_training.fine_tuning import in_words, kept_layers
from alexnet_training.fit import Order, fit
from alexnet_training.learner import make_optimizer
from alexnet_training.network.initialization import initial_tensors
from alexnet_training.network.two_towers import TwoTowers, layer_of, load_tensors
from alexnet_training.presets import PRESETS
from alexnet_training.recipe import Recipe
from tests.narrow_dialects import NARROW_CAFFE, NARROW_TORCHVISION
from tests.random_checkpoint import NARROW, write_random_checkpoint

CPU = torch.device("cpu")
LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")


@pytest.fixture
def start(narrow, tmp_path):
    """A checkpoint of six classes that are not those of the photos."""
    folder = tmp_path / "start"
    folder.mkdir()
    write_random_checkpoint(narrow, folder)
    return folder


def order_of(photos, start, out, **keys) -> Order:
    short = {"epochs": 2, "batch_size": 5, "precision": "fp32"}
    recipe = replace(PRESETS["finetune"], **(short | keys))
    return Order(photos, out, recipe, (CPU,), start=start, is_drawn=False)


def same_layers(before, after) -> list[str]:
    return [
        layer
        for layer in LAYERS
        if all(
            np.array_equal(before.tensors[f"{layer}.{kind}"], after.tensors[f"{layer}.{kind}"])
            for kind in ("weight", "bias")
        )
    ]


@pytest.mark.parametrize("last", [1, 3, 8])
def test_layers_before_the_last_stay_bit_for_bit(start, photos, tmp_path, last, capsys) -> None:
    fit(order_of(photos, start, tmp_path / "run", learn_last=last))
    former, _ = load_checkpoint(start)
    found, _ = load_checkpoint(tmp_path / "run")
    assert same_layers(former, found) == list(LAYERS[:-last])
    assert np.array_equal(found.tensors["mean"], former.tensors["mean"])
    assert (found.scale, found.classes) == (former.scale, ("brick", "sky"))
    assert "learns a new fc8 of 2 classes" in capsys.readouterr().err


def test_zero_learns_all_layers(start, photos, tmp_path) -> None:
    fit(order_of(photos, start, tmp_path / "run", learn_last=0))
    assert same_layers(load_checkpoint(start)[0], load_checkpoint(tmp_path / "run")[0]) == []


def test_a_new_classifier_learns_on_kept_layers(start, photos, tmp_path) -> None:
    metrics = fit(order_of(photos, start, tmp_path / "run", epochs=10, learning_rate=0.1))
    assert metrics["top1"] == 1.0


def test_the_classifier_of_the_same_classes_is_learned_further(start, photos, tmp_path, capsys):
    fit(order_of(photos, start, tmp_path / "first"))
    again = order_of(photos, tmp_path / "first", tmp_path / "second", learning_rate=0.0)
    fit(again)
    first, second = (load_checkpoint(tmp_path / name)[0] for name in ("first", "second"))
    assert same_layers(first, second) == list(LAYERS)
    assert "keeps conv1 to fc7 as they are, learns fc8 further" in capsys.readouterr().err


def test_what_is_kept_has_no_gradient_and_no_state() -> None:
    recipe = replace(PRESETS["finetune"], learn_last=2, update="adamw")
    network, optimizer = learning(recipe)
    loss = network(torch.rand(2, 3, 224, 224)).logits.square().sum()
    torch.autograd.backward(loss)
    optimizer.step()
    for name, part in network.named_parameters():
        is_learned = layer_of(name) in ("fc7", "fc8")
        assert (part.grad is not None) == part.requires_grad == is_learned, name
    assert len(optimizer.state) == 6  # fc7 in two towers and fc8: weight and bias each


@pytest.mark.parametrize("last", [1, 3])
def test_dropout_falls_only_on_what_a_learning_layer_reads(last) -> None:
    network, _ = learning(replace(PRESETS["finetune"], learn_last=last))
    network.train()
    images = torch.rand(2, 3, 224, 224)
    features = [network(images).features for _ in range(2)]
    logits = [network(images).logits for _ in range(2)]
    # fc7 reads fc6, which is dropped only where fc7 learns.
    assert torch.equal(*features) == (last == 1)
    assert not torch.equal(*logits)


@pytest.mark.parametrize("update", ["paper", "adamw"])
def test_layers_below_the_classifier_learn_at_a_share_of_its_rate(update) -> None:
    """The first step of either rule against NumPy; AdamW's is the gradient's sign."""
    rate, decay = 0.01, 0.05
    recipe = replace(
        PRESETS["finetune"], learn_last=2, below_rate=0.1, update=update, weight_decay=decay
    )
    network, optimizer = learning(recipe)
    before = {name: part.detach().numpy().copy() for name, part in network.named_parameters()}
    torch.autograd.backward(network(torch.rand(2, 3, 224, 224)).logits.square().sum())
    for group in optimizer.param_groups:
        group["lr"] = rate * group["rate_share"]
    optimizer.step()
    for name, part in network.named_parameters():
        if layer_of(name) not in ("fc7", "fc8"):
            continue
        own = rate * (1.0 if layer_of(name) == "fc8" else 0.1)
        shrunk = decay if name.endswith("weight") else 0.0
        gradient = part.grad.numpy()
        if update == "adamw":
            gradient = gradient / (np.abs(gradient) + 1e-8)
        expected = before[name] - own * shrunk * before[name] - own * gradient
        np.testing.assert_allclose(part.detach().numpy(), expected, rtol=1e-4, atol=1e-7)


def test_a_share_of_nothing_leaves_the_layers_below(start, photos, tmp_path) -> None:
    fit(order_of(photos, start, tmp_path / "run", learn_last=3, below_rate=0.0))
    found, _ = load_checkpoint(tmp_path / "run")
    assert same_layers(load_checkpoint(start)[0], found) == list(LAYERS[:-1])


def learning(recipe: Recipe):
    """A narrow network as a learner sets it up, and its optimizer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DIALECTS, NARROW.name, NARROW)
        recipe = replace(recipe, dialect=NARROW.name)
        kept = kept_layers(recipe)
    network = TwoTowers(NARROW, 3, recipe.dropout)
    tensors = initial_tensors(NARROW, 3, "he", 0)
    # He's biases are 0, on which a decay would not show.
    biases = {name: torch.full_like(part, 0.5) for name, part in tensors.items() if "bias" in name}
    load_tensors(network, tensors | biases)
    network.keep(kept)
    return network, make_optimizer(recipe, network)


@pytest.mark.parametrize("dialect", [NARROW_CAFFE, NARROW_TORCHVISION], ids=lambda one: one.name)
def test_any_dialect_is_a_start(dialect, photos, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(DIALECTS, dialect.name, dialect)
    (tmp_path / "start").mkdir()
    write_random_checkpoint(dialect, tmp_path / "start")
    fit(order_of(photos, tmp_path / "start", tmp_path / "run", learn_last=2))
    found, _ = load_checkpoint(tmp_path / "run")
    assert found.dialect == dialect
    assert found.recipe["dialect"] == dialect.name
    assert same_layers(load_checkpoint(tmp_path / "start")[0], found) == list(LAYERS[:-2])


def test_an_interrupted_run_goes_on_bit_for_bit(start, photos, tmp_path) -> None:
    wanted = order_of(photos, start, tmp_path / "whole", learn_last=2, update="adamw")
    wanted = replace(wanted, recipe=replace(wanted.recipe, epochs=3))
    fit(wanted)

    def stop() -> None:
        if (tmp_path / "broken/resume.pt").is_file():  # an epoch is behind, and not all
            raise Interrupted("stopped")

    broken = replace(wanted, out=tmp_path / "broken")
    with pytest.raises(Interrupted):
        fit(broken, stop)
    assert (tmp_path / "broken/resume.pt").is_file()
    fit(broken)
    assert load_checkpoint(broken.out)[1] == load_checkpoint(wanted.out)[1]
    with pytest.raises(RunMismatch, match="learn_last was 2 and is now 1"):
        fit(replace(broken, recipe=replace(broken.recipe, learn_last=1)))


def test_what_cannot_be_is_told(start, photos, tmp_path, narrow) -> None:
    wanted = order_of(photos, start, tmp_path / "run")
    with pytest.raises(RecipeError, match=r"--learn-last is 9, and narrow has 8 layers \(conv1, "):
        fit(replace(wanted, recipe=replace(wanted.recipe, learn_last=9)))
    with pytest.raises(RecipeError, match=r"with --from CHECKPOINT"):
        fit(replace(wanted, start=None))
    with pytest.raises(RecipeError, match="has dialect narrow, and --dialect says caffe"):
        fit(replace(wanted, dialect="caffe"))
    assert not (tmp_path / "run").exists()
    fit(replace(wanted, dialect=narrow.name))


def test_what_is_learned_is_said_in_words(start) -> None:
    checkpoint, _ = load_checkpoint(start)
    recipe = replace(PRESETS["finetune"], dialect=NARROW.name)
    said = [
        in_words(replace(recipe, learn_last=last), checkpoint, ("a", "b")) for last in (1, 2, 0)
    ]
    assert said == [
        "keeps conv1 to fc7 as they are, learns a new fc8 of 2 classes",
        "keeps conv1 to fc6 as they are, learns fc7 further, learns a new fc8 of 2 classes",
        "learns conv1 to fc7 further, learns a new fc8 of 2 classes",
    ]


def test_recipes_without_fine_tuning_are_written_as_before() -> None:
    for name in ("paper", "modern", "digits"):
        assert {"learn_last", "below_rate"}.isdisjoint(PRESETS[name].table())
    assert PRESETS["finetune"].table()["learn_last"] == 1
    assert {CAFFE.layer_names, TORCHVISION.layer_names} == {LAYERS}


def test_the_checkpoint_of_a_start_is_checked(start, photos, tmp_path) -> None:
    checkpoint, _ = load_checkpoint(start)
    save_checkpoint(replace(checkpoint, about="another"), start)
    (start / "weights.safetensors").write_bytes(b"not one")
    with pytest.raises(Exception, match="sha256"):
        fit(order_of(photos, start, tmp_path / "run"))


def test_the_command_takes_the_preset_and_refuses_another_dialect(
    start, photos, tmp_path, capsys
) -> None:
    words = ["fit", str(photos), "--from", str(start), "--out", str(tmp_path / "run")]
    assert main([*words, "--dialect=caffe"]) == 2
    assert "has dialect narrow, and --dialect says caffe" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    assert main([*words, "--epochs=1"]) == 0
    wanted = replace(PRESETS["finetune"], dialect=NARROW.name, epochs=1)
    found = load_checkpoint(tmp_path / "run")[0]
    kept = replace(wanted, scale=found.scale, precision=found.recipe["precision"])
    assert {**found.recipe, **kept.table()} == found.recipe
