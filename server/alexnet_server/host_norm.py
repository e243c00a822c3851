"""Local response normalization as OpenVINO's own operator, in place of the eight that are written.

The graphs of a repository hold the norm as operators that every runtime computes fast (squares, a
window sum as a 1x1 convolution with a band matrix, d**0.75 by square roots, a division): ONNX's own
operator is slow in ONNX Runtime.  OpenVINO's is one pass over the maps.  With it int8 answers a
fifth more pictures a second, and fp32 some more (docs/performance.md).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

_BETA = 0.75  # the only power that two square roots give


class _Window(NamedTuple):
    """What is normed, and the norm's numbers in ONNX's terms (operator LRN)."""

    maps: Any  # an output of a node
    size: int
    alpha: float
    k: float


def with_own_norms(model: Any) -> Any:  # noqa: ANN401 (openvino is imported by who loads it)
    """``model`` with each norm that it holds as one operator; it is changed, and returned.

    A norm that is not the written one to the last detail stays as it is: one whose window goes over
    maps of the other tower, or of two towers side by side.
    """
    from openvino import opset1  # noqa: PLC0415

    for node in model.get_ordered_ops():
        window = _window(node) if node.get_type_name() == "Divide" else None
        if window is not None:
            axes = opset1.constant(np.array([1], np.int64))
            norm = opset1.lrn(window.maps, axes, window.alpha, _BETA, window.k, window.size)
            for reader in node.output(0).get_target_inputs():
                reader.replace_source_output(norm.output(0))
    return model


def _window(division: Any) -> _Window | None:  # noqa: ANN401 (as above)
    """The norm that ends in ``division``; None where it is none, or no plain one.

    maps / (sqrt(d) * sqrt(sqrt(d))), where d = k + the window sum of the maps' squares.
    """
    maps = division.input_value(0)
    root, fourth_root = _inputs(division.input_value(1), "Multiply") or (None, None)
    denominator, same = _inputs(root, "Sqrt"), _inputs(fourth_root, "Sqrt")
    if denominator is None or same is None or same[0] != root:
        return None
    sums, k = _inputs(denominator[0], "Add") or (None, None)
    squares, band = _inputs(sums, "Convolution") or (None, None)
    if _inputs(squares, "Multiply") != [maps, maps]:
        return None
    band, k = _constant(band), _constant(k)
    return None if band is None or k is None else _numbers(maps, band, k)


def _numbers(maps: Any, band: npt.NDArray[Any], k: npt.NDArray[Any]) -> _Window | None:  # noqa: ANN401
    """The norm of a band matrix [maps, maps, 1, 1] and of k [1, maps, 1, 1], if it is one."""
    if band.ndim != 4 or band.shape[2:] != (1, 1) or band.shape[0] != band.shape[1]:
        return None
    weights, of_row = band[:, :, 0, 0], int(np.count_nonzero(band[len(band) // 2]))
    row = np.arange(len(weights))
    apart = np.abs(row[:, None] - row[None, :])
    expected = np.where(apart <= of_row // 2, weights.max(), 0)
    if not (of_row % 2 and np.array_equal(weights, expected) and np.all(k == k.flat[0])):
        return None
    return _Window(maps, of_row, float(weights.max()) * of_row, float(k.flat[0]))


def _inputs(value: Any, kind: str) -> list[Any] | None:  # noqa: ANN401 (as above)
    """The values that the node of ``value`` reads; None where it is no node of this ``kind``."""
    node = None if value is None else value.get_node()
    if node is None or node.get_type_name() != kind:
        return None
    return list(node.input_values())


def _constant(value: Any) -> npt.NDArray[Any] | None:  # noqa: ANN401 (as above)
    node = value.get_node()
    # A bias is brought from [n] to [1, n, 1, 1] by a Reshape or Unsqueeze of a constant.
    while node.get_type_name() in ("Reshape", "Unsqueeze"):
        node = node.input_value(0).get_node()
    return np.array(node.data) if node.get_type_name() == "Constant" else None
