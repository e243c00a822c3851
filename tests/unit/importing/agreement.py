"""An imported network gives what its source gives, in one graph and over two towers."""

from __future__ import annotations

import numpy as np

from alexnet_export.checkpoint import Checkpoint
from alexnet_export.graph import single_graph, tower_graphs
from alexnet_export.parity import run

LIMIT = 1e-4  # of the largest feature
# The 1000 names' own tests are elsewhere.
CLASSES = tuple(f"class {number}" for number in range(1000))


def assert_agrees(
    checkpoint: Checkpoint, views: np.ndarray, features: np.ndarray, probabilities: np.ndarray
) -> None:
    """``views`` uint8 [n, side, side, 3] RGB, and what the source gave for them."""
    assert (features > 0).mean() > 0.2  # nothing hides in zeros
    assert probabilities.max() < 0.99
    assert np.abs(features[0] - features[1]).max() > 0.1 * features.max()  # pictures matter
    top5 = np.argsort(-probabilities)[:, :5]
    for layout, graphs in (
        ("single", [single_graph(checkpoint)]),
        ("towers", tower_graphs(checkpoint)),
    ):
        found = run(graphs, views, layout)
        difference = np.abs(found.features - features).max() / features.max()
        assert difference <= LIMIT, (layout, difference)
        assert (np.argsort(-found.probabilities)[:, :5] == top5).all(), layout
