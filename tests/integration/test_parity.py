"""One checkpoint, four ways to run it: the same features from training to serving."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from alexnet_export.checkpoint import load_checkpoint
from alexnet_repository.repository import open_repository
from alexnet_server.engine.local import LocalNetwork
from alexnet_training.network import grouped, two_towers
from alexnet_training.photos.augmentation import network_input
from tests.photos import crops


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.ascontiguousarray(crops(6, seed=11)[:, 16:240, 16:240])


@pytest.mark.parametrize("kind", ["towers", "grouped"])
@pytest.mark.parametrize("layout", ["towers", "single"])
def test_served_answers_are_those_of_training(
    checkpoint: Path,
    images: np.ndarray,
    kind: str,
    layout: str,
    request: pytest.FixtureRequest,
) -> None:
    loaded, _ = load_checkpoint(checkpoint)
    tensors = {name: torch.from_numpy(value) for name, value in loaded.tensors.items()}
    if kind == "towers":
        trained = two_towers.TwoTowers(loaded.dialect, len(loaded.classes))
        two_towers.load_tensors(trained, tensors)
    else:
        trained = grouped.Grouped(loaded.dialect, len(loaded.classes))
        grouped.load_tensors(trained, tensors)
    trained.eval()
    with torch.inference_mode():
        seen = network_input(images, torch.from_numpy(loaded.mean.copy()), loaded.scale)
        answer = trained(seen)
    engine = LocalNetwork(open_repository(request.getfixturevalue(f"{layout}_repository")))
    served = engine.run(images)
    features = answer.features.numpy()
    assert np.abs(served.features - features).max() <= 1e-5 * features.max()
    probabilities = answer.logits.softmax(dim=1).numpy()
    np.testing.assert_allclose(served.probabilities, probabilities, atol=1e-5)
