"""The network as a TorchServe handler; TorchServe's own batching, PyTorch eager.

The run folder is in the environment as ``BENCHMARK_CHECKPOINT``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from ts.torch_handler.base_handler import BaseHandler

from alexnet_export.checkpoint import load_checkpoint
from benchmarks.engines.plain import Plain
from benchmarks.serving.peer_pictures import tensor_of


class AlexNet(BaseHandler):  # type: ignore[misc]
    """What TorchServe calls in its worker."""

    def initialize(self, context: Any) -> None:  # noqa: ANN401 (TorchServe is not typed)
        """Load the network."""
        checkpoint, _ = load_checkpoint(Path(os.environ["BENCHMARK_CHECKPOINT"]))
        self.model = Plain(checkpoint).eval()
        self.side = checkpoint.dialect.image_side
        self.initialized = True

    def handle(self, data: list[dict[str, Any]], context: Any) -> list[dict[str, int]]:  # noqa: ANN401
        """The likeliest class of every request of a batch."""
        images = torch.cat([tensor_of(bytes(row["image"]), self.side) for row in data])
        with torch.inference_mode():
            _, probabilities = self.model(images)
        return [{"class_id": int(best)} for best in probabilities.argmax(dim=1)]
