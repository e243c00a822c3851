"""Training as most people write it: a DataLoader, the grouped network, torch's own layers, SGD."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

_SIDE, _VIEW = 256, 224


class Photos(Dataset[tuple[Tensor, int]]):
    """``folder/<class>/*`` decoded by Pillow each time, a random crop, half of them mirrored."""

    def __init__(self, folder: Path) -> None:
        classes = sorted(place for place in folder.iterdir() if place.is_dir())
        self.files = [
            (file, label) for label, place in enumerate(classes) for file in sorted(place.iterdir())
        ]
        self.classes = len(classes)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        file, label = self.files[index]
        image = Image.open(file).convert("RGB")
        share = _SIDE / min(image.size)
        image = image.resize((round(image.width * share), round(image.height * share)))
        left, top = (int(torch.randint(side - _VIEW + 1, ())) for side in image.size)
        pixels = np.asarray(image.crop((left, top, left + _VIEW, top + _VIEW)))
        if torch.rand(()) < 0.5:
            pixels = pixels[:, ::-1]
        planes = torch.from_numpy(pixels.transpose(2, 0, 1).copy())
        return (planes.float() - 118) / 58, label


def grouped_network(classes: int) -> nn.Sequential:
    """The paper's network with groups on one device."""

    def norm() -> nn.Module:
        return nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)

    return nn.Sequential(
        *(nn.ZeroPad2d((0, 3, 0, 3)), nn.Conv2d(3, 96, 11, 4), nn.ReLU(), norm()),
        *(nn.MaxPool2d(3, 2), nn.Conv2d(96, 256, 5, 1, 2, groups=2), nn.ReLU(), norm()),
        *(nn.MaxPool2d(3, 2), nn.Conv2d(256, 384, 3, 1, 1), nn.ReLU()),
        *(nn.Conv2d(384, 384, 3, 1, 1, groups=2), nn.ReLU()),
        *(nn.Conv2d(384, 256, 3, 1, 1, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Flatten()),
        *(nn.Dropout(), nn.Linear(9216, 4096), nn.ReLU()),
        *(nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, classes)),
    )


def plain_step(
    folder: Path, batch_size: int, workers: int, device: torch.device, *, bf16: bool
) -> Callable[[], object]:
    """A call that learns from the next batch of the folder, without end."""
    photos = Photos(folder)
    loader = DataLoader(photos, batch_size, shuffle=True, num_workers=workers, drop_last=True)

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        for _ in itertools.count():
            yield from loader

    network = grouped_network(photos.classes).to(device)
    optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9, weight_decay=5e-4)
    endless = batches()

    def step() -> float:
        images, labels = (part.to(device) for part in next(endless))
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            logits = network(images)
        loss = nn.functional.cross_entropy(logits.float(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step
