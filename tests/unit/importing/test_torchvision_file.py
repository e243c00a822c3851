"""torchvision's file: right to the network's own numbers, or refused with the reason."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from alexnet_export.dialects import TORCHVISION
from alexnet_export.errors import SourceError
from alexnet_export.importing.published import PUBLISHED
from alexnet_export.importing.source import read
from alexnet_export.importing.torchvision_file import read_torchvision
from tests.narrow_dialects import centres
from tests.unit.importing.agreement import CLASSES, assert_agrees

MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
DEVIATION = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
State = dict[Any, Any]


class PublicAlexNet(nn.Module):
    """``torchvision.models.alexnet`` after its documented table: places, names and all."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, stride=2)),
            *(nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, stride=2)),
            *(nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, stride=2)),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            *(nn.Dropout(), nn.Linear(256 * 6 * 6, 4096), nn.ReLU()),
            *(nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU()),
            nn.Linear(4096, 1000),
        )

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Units of the last hidden layer, and logits."""
        maps = self.avgpool(self.features(images))
        features = self.classifier[:6](maps.flatten(1))
        return features, self.classifier[6](features)


def random_network() -> PublicAlexNet:
    with torch.device("meta"):
        network = PublicAlexNet()
    network.to_empty(device="cpu")
    random = torch.Generator().manual_seed(2014)
    for name, tensor in network.state_dict().items():
        spread = 0.1 if name.endswith("bias") else (2 / tensor[0].numel()) ** 0.5
        tensor.normal_(0, spread, generator=random)
    return network.eval()


def answers(network: PublicAlexNet, views: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For ``views`` uint8 [n, 224, 224, 3] RGB, as torchvision's transforms give them to it."""
    images = torch.from_numpy(views).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        features, logits = network((images - MEAN) / DEVIATION)
    return features.numpy(), logits.softmax(dim=1).numpy()


def test_it_gives_what_the_source_gives_and_only_the_published_bytes_are_believed(
    tmp_path: Path,
) -> None:
    network, file = random_network(), tmp_path / "a name that says nothing"
    torch.save(network.state_dict(), file)
    content = bytearray(file.read_bytes())
    # It stands for the published file: its digest begins as was published.
    remote = replace(PUBLISHED["torchvision"], sha256=hashlib.sha256(content).hexdigest()[:8])
    asked: dict[str, Any] = {"mean": None, "classes": CLASSES}
    asked["published"] = {**PUBLISHED, "torchvision": remote}
    checkpoint = read("torchvision", file, verified=True, **asked)
    assert checkpoint.dialect == TORCHVISION
    assert checkpoint.scale == 1
    assert "56.5" in checkpoint.about
    views = centres(TORCHVISION, 4)
    assert_agrees(checkpoint, views, *answers(network, views))

    content[len(content) // 2] ^= 1  # the last bit of a weight
    file.write_bytes(content)
    with pytest.raises(SourceError, match=r"has sha256 [0-9a-f]{64}"):
        read("torchvision", file, verified=True, **asked)
    file.write_bytes(content[:-1000])
    with pytest.raises(SourceError, match="damaged or cut off"):
        read("torchvision", file, verified=False, **asked)


@pytest.fixture(scope="module")
def state() -> State:
    """The names and shapes of the network, all zeros that take no memory."""
    with torch.device("meta"):
        table = PublicAlexNet().state_dict()
    return {name: torch.zeros(()).expand(tensor.shape) for name, tensor in table.items()}


def refusal(state: object) -> str:
    stream = io.BytesIO()
    torch.save(state, stream)
    with pytest.raises(SourceError) as refused:
        read_torchvision(stream.getvalue())
    return str(refused.value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda state: state | {"features.1.weight": torch.zeros(1)}, "features.1.weight"),
        (
            lambda state: {name: state[name] for name in state if name != "classifier.6.bias"},
            "without ['classifier.6.bias']",
        ),
        (lambda state: state | {7: torch.zeros(1)}, "7"),
        (
            lambda state: state | {"features.0.weight": torch.zeros(1).expand(96, 3, 11, 11)},
            "features.0.weight is torch.float32 [96, 3, 11, 11], and torchvision's alexnet has "
            "torch.float32 [64, 3, 11, 11]",
        ),
        (
            lambda state: state | {"features.3.bias": torch.zeros(192, dtype=torch.float64)},
            "features.3.bias is torch.float64 [192]",
        ),
        (lambda state: state | {"features.3.bias": [0.0] * 192}, "features.3.bias is no plain"),
        (
            lambda state: state | {"features.3.bias": torch.zeros(192).to_sparse()},
            "features.3.bias is no plain",
        ),
        (
            lambda state: state | {"features.3.bias": torch.zeros(192, device="meta")},
            "features.3.bias is no plain",
        ),
        (lambda state: {"state_dict": state, "epoch": 90}, "without ['classifier.1.bias'"),
        (lambda state: list(state.values()), "it holds a list"),
    ],
)
def test_another_network_is_refused(
    state: State, change: Callable[[State], object], reason: str
) -> None:
    assert reason in refusal(change(state))


def test_a_whole_module_is_code_and_is_refused() -> None:
    """What torch.save(model) writes names classes, which reading it would import."""
    assert "has code in it, which was not run" in refusal(nn.Linear(1, 1))
