"""The peer of most tutorials: Flask's own threaded server, PyTorch eager, one picture a request.

python -m benchmarks.serving.flask_server runs/mine PORT
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import torch
from flask import Flask, request

from alexnet_export.checkpoint import load_checkpoint
from benchmarks.engines.plain import Plain
from benchmarks.serving.peer_pictures import tensor_of


def main() -> None:
    """Serve until stopped."""
    checkpoint, _ = load_checkpoint(Path(sys.argv[1]))
    model = Plain(checkpoint).eval()
    side = checkpoint.dialect.image_side
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # no line a request
    app = Flask(__name__)

    @app.get("/health")
    def health() -> str:
        return "ok"

    @app.post("/predict")
    def predict() -> dict[str, Any]:
        with torch.inference_mode():
            _, probabilities = model(tensor_of(request.files["image"].read(), side))
        best = int(probabilities[0].argmax())
        return {
            "class_id": best,
            "label": checkpoint.classes[best],
            "probability": float(probabilities[0, best]),
        }

    app.run("127.0.0.1", int(sys.argv[2]), threaded=True)


if __name__ == "__main__":
    main()
