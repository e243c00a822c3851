import hashlib
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images

from alexnet_export.checkpoint import load_checkpoint
from alexnet_training.errors import (
    DeviceError,
    DivergedError,
    EmptyClass,
    Interrupted,
    NoSpace,
    RunMismatch,
)
from alexnet_training.fit import Order, describe, fit
from alexnet_training.photos.folders import find_photos
from alexnet_training.presets import PRESETS


@pytest.fixture
def order(narrow, photos, tmp_path):
    recipe = replace(
        PRESETS["modern"],
        dialect=narrow.name,
        epochs=3,
        batch_size=5,
        learning_rate=3e-3,
        weight_decay=0.05,  # a run of few steps has nothing to forget
        batch_norm=False,
        precision="fp32",
    )
    return Order(photos, tmp_path / "run", recipe, (torch.device("cpu"),), is_drawn=False)


def with_recipe(order, **keys):
    return replace(order, recipe=replace(order.recipe, **keys))


def stop_after(calls):
    left = iter(range(calls))

    def between():
        if next(left, None) is None:
            raise Interrupted("stopped")

    return between


def files(folder):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.is_file()
    }


@pytest.mark.parametrize(("update", "rate"), [("adamw", 5e-3), ("paper", 0.05)])
def test_colours_are_learnt_and_everything_is_written(order, update, rate, capsys):
    order = with_recipe(order, epochs=6, update=update, learning_rate=rate, dropout=0.1)
    metrics = fit(order)
    assert metrics["top1"] == 1.0
    assert (metrics["n"], metrics["training_photos"], metrics["skipped"]) == (8, 16, [])
    assert [row["epoch"] for row in metrics["history"]] == [1, 2, 3, 4, 5, 6]
    assert metrics == json.loads((order.out / "metrics.json").read_bytes())
    told = capsys.readouterr()
    assert "epoch 6/6" in told.err
    assert "validation top-1 100.00%" in told.err
    assert told.out == ""
    checkpoint, digest = load_checkpoint(order.out)
    assert digest == metrics["digest"]
    assert checkpoint.classes == ("brick", "sky")
    assert checkpoint.recipe == {
        **order.recipe.table(),
        "photos": find_photos(order.data).sha256,
    }
    assert checkpoint.about == "2 classes: brick, sky"
    assert sorted(path.name for path in order.out.iterdir()) == [
        "metrics.json",
        "pictures.npz",
        "sha256",
        "weights.safetensors",
    ]


def test_pictures_are_validation_photos(order):
    fit(with_recipe(order, epochs=1))
    with np.load(order.out / "pictures.npz", allow_pickle=False) as pictures:
        assert pictures["images"].shape == (8, 256, 256, 3)
        assert pictures["images"].dtype == np.uint8
        assert pictures["labels"].tolist() == [0] * 4 + [1] * 4
        assert pictures["labels"].dtype == np.int64


def test_two_equal_runs_give_equal_bytes(order, tmp_path):
    fit(order)
    fit(replace(order, out=tmp_path / "other"))
    assert files(order.out) == files(tmp_path / "other")


def test_another_seed_gives_another_network(order, tmp_path):
    one = fit(with_recipe(order, epochs=1))
    other = fit(replace(with_recipe(order, epochs=1, seed=1), out=tmp_path / "other"))
    assert one["digest"] != other["digest"]


EVERYTHING = {
    "batch_norm": True,
    "least_area": 0.3,
    "colour_jitter": 0.3,
    "cutmix": 0.3,
    "mixup": 0.3,
    "contrast": 0.2,
}


@pytest.mark.parametrize(
    "keys",
    [
        {"update": "adamw", "precision": "fp32"},
        {"update": "adamw", "precision": "bf16", **EVERYTHING},
        {"update": "paper", "precision": "bf16"},
        {"update": "paper", "schedule": "source", "divide_noisy": True, "bias_rate": 2.0},
    ],
    ids=["adamw", "everything", "paper", "source"],
)
def test_a_resumed_run_equals_an_unbroken_one(order, tmp_path, capsys, keys):
    order = with_recipe(order, **{"schedule": "plateau", "patience": 1} | keys)
    fit(replace(order, out=tmp_path / "unbroken"))
    # 2 + 24 + 16 calls while decoding, checking and averaging, then 4 batches an epoch.
    with pytest.raises(Interrupted):
        fit(order, stop_after(48))
    assert len(json.loads((order.out / "metrics.json").read_bytes())["history"]) == 1
    load_checkpoint(order.out)
    capsys.readouterr()
    fit(order)
    assert "going on after epoch 1 of 3" in capsys.readouterr().err
    assert files(order.out) == files(tmp_path / "unbroken")


def test_a_complete_run_is_left_alone(order, capsys):
    first = fit(with_recipe(order, epochs=1))
    before = {path: path.stat().st_mtime_ns for path in [order.out, *order.out.iterdir()]}
    assert fit(with_recipe(order, epochs=1)) == first
    assert "complete already" in capsys.readouterr().err
    assert before == {path: path.stat().st_mtime_ns for path in [order.out, *order.out.iterdir()]}


def test_another_recipe_is_refused_by_name_complete_or_not(order):
    with pytest.raises(Interrupted):
        fit(order, stop_after(48))
    with pytest.raises(RunMismatch, match=r"learning_rate was 0\.003 and is now 0\.5"):
        fit(with_recipe(order, learning_rate=0.5))
    fit(order)
    with pytest.raises(RunMismatch, match="seed was 0 and is now 9"):
        fit(with_recipe(order, seed=9))


def test_metrics_of_another_program_are_left_alone(order):
    order.out.mkdir()
    written = '{"top1": 0.5}'
    (order.out / "metrics.json").write_text(written)
    with pytest.raises(RunMismatch, match="not written by a training: give another --out"):
        fit(order)
    assert (order.out / "metrics.json").read_text() == written


def test_other_classes_are_refused_by_name(order):
    with pytest.raises(Interrupted):
        fit(order, stop_after(48))
    for half in ("train", "validation"):
        (order.data / half / "sky").rename(order.data / half / "sea")
    with pytest.raises(RunMismatch, match=r"classes gone: \['sky'\], new: \['sea'\]"):
        fit(order)


def test_a_run_of_other_photos_is_not_taken_for_this_one(order):
    fit(with_recipe(order, epochs=1))
    moved = order.data.rename(order.data.with_name("moved"))
    assert fit(replace(with_recipe(order, epochs=1), data=moved))["complete"]
    (moved / "train" / "sky" / "000.png").unlink()
    with pytest.raises(RunMismatch, match=r"other photos.*another --out"):
        fit(replace(with_recipe(order, epochs=1), data=moved))


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_epoch(order):
    fit(with_recipe(order, epochs=1))
    kept = load_checkpoint(order.out)[1]
    # A decay of 10 at a rate of 5 multiplies every weight by -49 a step.
    grow = {"update": "paper", "momentum": 0.0, "weight_decay": 10.0, "learning_rate": 5.0}
    diverging = with_recipe(order, **grow, warm_up=0.0, clip=0.0, epochs=20, dropout=0.0)
    out = order.out.with_name("diverging")
    with pytest.raises(DivergedError, match=r"(loss|weight).*--learning-rate"):
        fit(replace(diverging, out=out, start=order.out))
    assert load_checkpoint(order.out)[1] == kept
    if (out / "weights.safetensors").exists():
        load_checkpoint(out)


def test_a_disk_that_fills_while_saving_keeps_the_last_epoch(order):
    with pytest.raises(Interrupted):
        fit(order, stop_after(48))
    kept = load_checkpoint(order.out)[1]
    (order.out / "weights.safetensors.part").symlink_to("/dev/full")
    with pytest.raises(NoSpace, match="same command again"):
        fit(order)
    assert load_checkpoint(order.out)[1] == kept
    assert fit(order)["complete"]


def test_a_class_may_be_left_without_validation_but_not_all_of_them(order):
    for photo in (order.data / "validation" / "sky").iterdir():
        photo.write_bytes(b"no picture")
    assert fit(with_recipe(order, epochs=1))["n"] == 4
    for photo in (order.data / "validation" / "brick").iterdir():
        photo.write_bytes(b"no picture")
    with pytest.raises(EmptyClass, match="no validation photo is left"):
        fit(replace(with_recipe(order, epochs=1), out=order.out.with_name("other")))


def test_skipped_photos_stand_in_the_metrics(order):
    bad = order.data / "train" / "brick" / "003.png"
    bad.write_bytes(b"no picture")
    metrics = fit(with_recipe(order, epochs=1))
    assert metrics["training_photos"] == 15
    assert len(metrics["skipped"]) == 1
    assert metrics["skipped"][0].startswith(str(bad))


def test_validation_can_be_rarer_but_the_last_epoch_has_it(order):
    metrics = fit(with_recipe(order, validate_every=2))
    assert ["top1" in row for row in metrics["history"]] == [False, True, True]


def test_about_is_kept(order):
    fit(replace(with_recipe(order, epochs=1), about="Walls and weather."))
    assert load_checkpoint(order.out)[0].about == "Walls and weather."


def test_describe_names_ten_classes_at_most():
    assert describe(("a", "b")) == "2 classes: a, b"
    many = tuple(f"c{index:02d}" for index in range(11))
    assert describe(many) == "11 classes: " + ", ".join(many[:10]) + ", ..."


def test_from_a_checkpoint_keeps_weights_mean_and_scale(order, tmp_path):
    fit(order)
    former, digest = load_checkpoint(order.out)
    still = replace(
        with_recipe(order, epochs=1, learning_rate=0.0, scale=1.0),
        out=tmp_path / "more",
        start=order.out,
    )
    fit(still)
    found = load_checkpoint(still.out)[0]
    assert found.recipe["from"] == digest
    assert found.scale == former.scale
    for name, tensor in former.tensors.items():
        np.testing.assert_array_equal(found.tensors[name], tensor)
    with pytest.raises(RunMismatch, match="from was"):
        fit(replace(still, start=None))


def test_from_a_checkpoint_of_other_classes_has_a_new_classifier(order, tmp_path):
    fit(order)
    former = load_checkpoint(order.out)[0]
    data = tmp_path / "samples"
    samples = load_sample_images()
    for name, image in zip(samples.filenames, samples.images, strict=True):
        folder = data / name.rpartition("/")[2].partition(".")[0]
        folder.mkdir(parents=True)
        for index in range(2):
            crop = Image.fromarray(image[:, index * 40 : index * 40 + 500])
            crop.save(folder / f"{index}.jpg")
    still = with_recipe(order, epochs=1, learning_rate=0.0)
    fit(replace(still, data=data, out=tmp_path / "more", start=order.out))
    found = load_checkpoint(tmp_path / "more")[0]
    assert found.classes == ("china", "flower")
    assert not np.array_equal(found.tensors["fc8.weight"], former.tensors["fc8.weight"])
    np.testing.assert_array_equal(found.tensors["fc7.weight"], former.tensors["fc7.weight"])


def test_a_tower_a_device_learns_the_same_and_says_what_crosses(order, tmp_path, capsys):
    order = with_recipe(order, epochs=1, dropout=0.0)
    one = fit(order)
    capsys.readouterr()
    # Two devices that are not equal, and both there on any machine.
    pair = (torch.device("cpu"), torch.device("cpu", 0))
    two = fit(replace(order, devices=pair, out=tmp_path / "two"))
    assert re.search(
        r"tower 0 on cpu, tower 1 on cpu:0; .*: [0-9,]+ forward", capsys.readouterr().err
    )
    assert two["history"][0]["loss"] == pytest.approx(one["history"][0]["loss"], rel=1e-5)
    with pytest.raises(DeviceError, match=r"3 devices, and .* has 2 towers"):
        fit(replace(order, devices=(*pair, pair[0]), out=tmp_path / "three"))
    assert not (tmp_path / "three" / "weights.safetensors").exists()
