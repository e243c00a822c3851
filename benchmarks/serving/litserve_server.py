"""The peer with batching: LitServe, PyTorch eager, batches of up to 32 within 5 ms.

python -m benchmarks.serving.litserve_server runs/mine PORT
"""

# No postponed annotations: FastAPI looks at this one when a request has a form.
import sys
from pathlib import Path
from typing import Any

import litserve
import torch
from fastapi import Request

from alexnet_export.checkpoint import load_checkpoint
from benchmarks.engines.plain import Plain
from benchmarks.serving.peer_pictures import tensor_of

_BATCH = 32
_BATCH_TIMEOUT_S = 0.005


class AlexNet(litserve.LitAPI):  # type: ignore[misc]
    """LitServe's four steps of a request."""

    def __init__(self, place: Path) -> None:
        super().__init__(max_batch_size=_BATCH, batch_timeout=_BATCH_TIMEOUT_S)
        self.place = place

    def setup(self, device: str) -> None:
        """In the worker's process."""
        checkpoint, _ = load_checkpoint(self.place)
        self.classes = checkpoint.classes
        self.side = checkpoint.dialect.image_side
        self.model = Plain(checkpoint).eval()

    def decode_request(self, request: Request) -> torch.Tensor:
        """uint8 [1, side, side, 3]."""
        return tensor_of(request["image"].file.read(), self.side)  # type: ignore[index]

    def batch(self, inputs: list[torch.Tensor]) -> torch.Tensor:
        """uint8 [n, side, side, 3]."""
        return torch.cat(inputs)

    def predict(self, batch: torch.Tensor) -> torch.Tensor:
        """Probabilities [n, classes]."""
        with torch.inference_mode():
            return self.model(batch)[1]

    def unbatch(self, output: torch.Tensor) -> list[torch.Tensor]:
        """A row a request."""
        return list(output)

    def encode_response(self, output: torch.Tensor) -> dict[str, Any]:
        """The likeliest class."""
        best = int(output.argmax())
        return {"class_id": best, "label": self.classes[best], "probability": float(output[best])}


if __name__ == "__main__":
    server = litserve.LitServer(AlexNet(Path(sys.argv[1])), accelerator="cpu")
    server.run(host="127.0.0.1", port=int(sys.argv[2]), generate_client_file=False)
