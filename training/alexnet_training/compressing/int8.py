"""What a network needs to be served in int8 without a photo at hand: its ranges, and their loss."""

from __future__ import annotations

import numpy as np

from alexnet_export.calibration import Calibration
from alexnet_export.checkpoint import Checkpoint
from alexnet_export.graph import single_graph
from alexnet_export.loss import Loss
from alexnet_export.parity import run
from alexnet_export.precision import measure
from alexnet_export.quantization import calibrate, quantized
from alexnet_pixels.square import Pixels
from alexnet_pixels.views import views
from alexnet_training.photos.material import Material

_CALIBRATED_ON = 200


def int8_of(checkpoint: Checkpoint, material: Material) -> tuple[Calibration, Loss]:
    """The ranges on up to 200 training photos, and what int8 loses on all of the validation."""
    side = checkpoint.dialect.image_side
    count = min(_CALIBRATED_ON, len(material.training.labels))
    rows = np.linspace(0, len(material.training.labels) - 1, count).round().astype(np.int64)
    graph = single_graph(checkpoint)
    calibration = calibrate(
        graph, checkpoint.dialect, _centres(material.training.pixels[rows], side)
    )
    images = _centres(material.validation.pixels, side)
    fp32 = run([graph], images, "fp32")
    given = run([quantized(graph, checkpoint.dialect, calibration)], images, "int8")
    return calibration, measure(given, fp32, material.validation.labels)


def _centres(pixels: Pixels, side: int) -> Pixels:
    """uint8 [n, 256, 256, 3] -> uint8 [n, side, side, 3]."""
    return np.concatenate([views(photo, 1, side) for photo in pixels])
