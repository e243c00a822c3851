"""int8: the ranges of the float32 network's values on real pictures, and graphs quantized by them.

Weights are signed and per channel, activations unsigned, both with a scale and in the form of
QuantizeLinear and DequantizeLinear pairs, which ONNX Runtime fuses into integer kernels at load.
Local response normalization and the softmax stay float32.

The ranges are taken once, on the single graph; a value has one name in every layout, so towers
and single are quantized alike.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType
from onnxruntime.quantization.calibrate import TensorsData, create_calibrator
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from tqdm import tqdm

from alexnet_export.calibration import PERCENTILE, Calibration, Range
from alexnet_export.graph import IMAGES, Graph
from alexnet_export.layers import Convolution, Dialect
from alexnet_export.nodes import LOGITS
from alexnet_export.parity import Images
from alexnet_export.pictures import pictures_digest
from alexnet_export.value_names import (
    before_pool,
    border,
    layer_input,
    layer_output,
    norm_denominator,
    picked,
    spatial_denominator,
)

_BATCH = 8


def calibrate(single: Graph, dialect: Dialect, images: Images) -> Calibration:
    """The ranges of the float32 graph's values on ``images`` uint8 [n, side, side, 3]."""
    with tempfile.TemporaryDirectory() as folder:
        plain, watched = Path(folder, "single.onnx"), Path(folder, "watched.onnx")
        onnx.save(single.model, plain)
        calibrator = create_calibrator(
            plain,
            ["Conv", "Gemm", "Relu", "Tanh", "MaxPool"],
            augmented_model_path=watched.as_posix(),
            calibrate_method=CalibrationMethod.Percentile,
            extra_options={"percentile": PERCENTILE, "symmetric": False},
        )
        # It tells of its progress on stdout, which is for results.
        with (
            contextlib.redirect_stdout(io.StringIO()),
            tqdm(total=len(images), desc="calibration", unit="picture", disable=None) as progress,
        ):
            for start in range(0, len(images), _BATCH):
                batch = images[start : start + _BATCH]
                calibrator.collect_data(_Batch(batch))
                progress.update(len(batch))
            found = calibrator.compute_data()
    ranges = {name: _ends(data) for name, data in found.items()}
    return Calibration(_tied(ranges, dialect), len(images), pictures_digest(images))


def quantized(graph: Graph, dialect: Dialect, calibration: Calibration) -> Graph:
    """``graph`` in int8; its ports stay as they are, so float32 crosses between the towers."""
    model = onnx.shape_inference.infer_shapes(graph.model)
    quantizer = QDQQuantizer(
        model,
        per_channel=True,
        # 7 bits a weight: the sum of two products then fits 16 bits, which it must on x86
        # processors without VNNI, where 8 bits saturate and give other numbers.
        reduce_range=True,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, calibration.ranges),  # as they are
        nodes_to_quantize=[],
        nodes_to_exclude=[
            name(layer)
            for layer in dialect.convolutions
            for name in (norm_denominator, spatial_denominator, picked)
        ],
        op_types_to_quantize=["Conv", "Gemm", "Relu"],
        extra_options={},
    )
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    model = quantizer.model.model
    if any(LOGITS in node.output for node in model.graph.node):
        _keep_whole(model, LOGITS)
    onnx.checker.check_model(model)
    return replace(graph, model=model)


class _Batch(CalibrationDataReader):  # type: ignore[misc]  # untyped
    """One batch of pictures, once."""

    def __init__(self, images: Images) -> None:
        self._left: list[Images] = [images]

    def get_next(self) -> dict[str, Images] | None:
        return {IMAGES: self._left.pop()} if self._left else None


def _ends(data: Any) -> Range:  # noqa: ANN401 (onnxruntime's TensorData)
    low, high = data.range_value
    return np.float32(low), np.float32(high)


def _tied(ranges: dict[str, Range], dialect: Dialect) -> dict[str, Range]:
    """A value that only passes another on gets its range: it is then rounded once, not twice.

    And so does what is computed of the other tower's layer: it is then rounded as it is there.
    """
    tied = dict(ranges)
    below = ""
    for layer in dialect.layers:
        output = layer_output(layer)
        if isinstance(layer, Convolution):
            if not layer.is_activated_last:  # else the activation has a range of its own
                tied[output] = ranges[before_pool(layer)]
            for value in ("sums", "maps"):  # what a tower computes of the other one's layer
                if f"{layer.name}_{value}" in ranges:
                    tied[f"{border(layer)}_{value}"] = ranges[f"{layer.name}_{value}"]
        else:
            tied[layer_input(layer)] = tied[below]
        below = output
    return tied


def _keep_whole(model: onnx.ModelProto, value: str) -> None:
    """Take the rounding behind ``value`` out again: of 256 logits some tie in a top-5."""
    (rounding,) = (node for node in model.graph.node if value in node.input)
    (widening,) = (node for node in model.graph.node if rounding.output[0] in node.input)
    (reader,) = (node for node in model.graph.node if widening.output[0] in node.input)
    reader.input[0] = value
    model.graph.node.remove(rounding)
    model.graph.node.remove(widening)
    scales = [one for one in model.graph.initializer if one.name in rounding.input]
    for tensor in scales:
        model.graph.initializer.remove(tensor)
