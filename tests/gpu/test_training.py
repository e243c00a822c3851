"""Training on real GPUs: what a processor learns, on one device and with a tower on each of two."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from alexnet_export.checkpoint import load_checkpoint
from alexnet_export.dialects import DIALECTS
from alexnet_training.fit import Order, fit
from alexnet_training.presets import PRESETS
from tests.random_checkpoint import NARROW

pytestmark = pytest.mark.gpu

CPU, FIRST, SECOND = torch.device("cpu"), torch.device("cuda", 0), torch.device("cuda", 1)


@pytest.fixture(autouse=True)
def exact_gpu() -> Iterator[None]:
    if not torch.cuda.is_available():
        pytest.skip("this PyTorch finds no CUDA device")
    former = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    with torch.backends.cudnn.flags(allow_tf32=False):
        yield
    torch.set_float32_matmul_precision(former)


@pytest.fixture
def order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Order:
    monkeypatch.setitem(DIALECTS, NARROW.name, NARROW)
    chance = np.random.default_rng(0)
    for half, count in (("train", 12), ("validation", 4)):
        for name, colour in (("brick", (200, 60, 40)), ("sky", (60, 120, 220))):
            folder = tmp_path / "photos" / half / name
            folder.mkdir(parents=True)
            for index in range(count):
                pixels = np.clip(colour + chance.integers(-40, 40, (64, 80, 3)), 0, 255)
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{index}.png")
    recipe = replace(
        PRESETS["modern"],
        dialect=NARROW.name,
        epochs=2,
        batch_size=6,
        dropout=0.0,
        update="paper",
        learning_rate=0.01,
        weight_decay=0.05,  # a run of few steps has nothing to forget
        precision="fp32",
    )
    return Order(tmp_path / "photos", tmp_path / "cpu", recipe, (CPU,), is_drawn=False)


def assert_learned_the_same(order: Order, devices: tuple[torch.device, ...], out: Path) -> None:
    expected = fit(order)
    found = fit(replace(order, devices=devices, out=out))
    for row, wanted in zip(found["history"], expected["history"], strict=True):
        assert row["loss"] == pytest.approx(wanted["loss"], rel=1e-3)
    tensors = load_checkpoint(order.out)[0].tensors
    for name, tensor in load_checkpoint(out)[0].tensors.items():
        scale = np.abs(tensors[name]).max()
        np.testing.assert_allclose(tensor, tensors[name], atol=1e-3 * scale, err_msg=name)


def test_a_gpu_learns_what_a_processor_does(order: Order, tmp_path: Path) -> None:
    assert_learned_the_same(order, (FIRST,), tmp_path / "gpu")


def test_a_tower_a_gpu_learns_what_a_processor_does(order: Order, tmp_path: Path) -> None:
    if torch.cuda.device_count() < 2:
        pytest.skip("there is one GPU")
    assert_learned_the_same(order, (FIRST, SECOND), tmp_path / "gpus")


def test_bf16_with_everything_that_modern_does_learns_colours(order: Order) -> None:
    recipe = replace(
        PRESETS["modern"], dialect=NARROW.name, epochs=8, batch_size=6, precision="bf16"
    )
    metrics = fit(replace(order, recipe=recipe, devices=(FIRST,)))
    assert metrics["top1"] == 1.0
