"""The network as one PyTorch module: what a server has that did not split it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from alexnet_export.checkpoint import Checkpoint
from alexnet_training.network.grouped import Grouped, load_tensors


class Plain(nn.Module):
    """``Grouped`` from pixels to features and probabilities."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__()
        self.network = Grouped(checkpoint.dialect, len(checkpoint.classes))
        tensors = {name: torch.from_numpy(part) for name, part in checkpoint.tensors.items()}
        load_tensors(self.network, tensors)
        self.register_buffer("mean", torch.from_numpy(checkpoint.mean.copy()))
        self.scale = checkpoint.scale

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 [n, side, side, 3] -> features [n, units], probabilities [n, classes]."""
        shifted = (images.float() - self.mean) * self.scale
        answer = self.network(shifted.permute(0, 3, 1, 2).contiguous())  # [n, 3, side, side]
        return answer[0], answer[1].softmax(dim=1)
