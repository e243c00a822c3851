"""The two-GPU repository of the standard network as text, as it stands in ``docs/triton``.

``python -m tests.two_gpu_text`` writes it anew.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from alexnet_export.checkpoint import Checkpoint
from alexnet_export.dialects import ALEXNET2012
from alexnet_export.graph import answer_ports, conv1_graph, images_port, tower_graphs
from alexnet_export.layers import shapes
from alexnet_export.model_config import ensemble_config, part_config

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "triton"
_CLASSES = 1000  # section 2: the classes of ILSVRC
_DEVICES = ("cuda:0", "cuda:1")


def two_gpu_text() -> dict[str, str]:
    """``config.pbtxt`` of every model, by the model's name."""
    tensors = {"mean": np.zeros((256, 256, 3), np.float32)}
    for shape in shapes(ALEXNET2012, _CLASSES):
        tensors[f"{shape.name}.weight"] = np.zeros(shape.weight, np.float32)
        tensors[f"{shape.name}.bias"] = np.zeros(shape.weight[0], np.float32)
    classes = tuple(f"class {number}" for number in range(_CLASSES))
    checkpoint = Checkpoint(ALEXNET2012, classes, tensors, 1.0, "No weights, for the text alone.")
    parts = tower_graphs(checkpoint)
    text = {part.name: part_config(part, _DEVICES) for part in [*parts, conv1_graph(checkpoint)]}
    inputs, outputs = images_port(checkpoint), answer_ports(checkpoint)
    text["alexnet"] = ensemble_config(parts, inputs, outputs, version=1)
    return text


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in two_gpu_text().items():
        (FOLDER / f"{name}.pbtxt").write_text(text)
