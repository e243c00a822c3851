"""What a deploy of two towers consists of."""

from __future__ import annotations

TOWERS = ("s1_conv12", "s2_conv345", "s3_fc6", "s4_fc7")
PARTS = ("conv1", *(f"{stage}_tower{tower}" for stage in TOWERS for tower in (0, 1)), "s5_fc8")
FILES = (
    *(f"alexnet/{name}" for name in ("1/.keep", "config.pbtxt", "golden.npz", "labels.txt")),
    *(f"{part}/{name}" for part in PARTS for name in ("1/model.onnx", "config.pbtxt")),
)
