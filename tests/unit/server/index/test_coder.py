"""Coders: what their bits say, and that they come back from their parameters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from alexnet_server.errors import IndexMismatch, SettingsError, StorageFailed
from alexnet_server.index.code_graph import read_code_graph
from alexnet_server.index.coder import Coder, GraphCoder, fit_coder, load_coder

UNITS, BITS = 20, 16


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    return np.random.default_rng(5).gamma(0.5, 2, (2_500, UNITS)).astype(np.float32)


def graph(name: str = "codes", operator: str = "Gemm", out: int = TensorProto.UINT8) -> bytes:
    """Bits of a random projection, as bytes."""
    weight = np.random.default_rng(6).standard_normal((UNITS, BITS)).astype(np.float32)
    places = np.zeros((BITS, BITS // 8), np.float32)
    places[np.arange(BITS), np.arange(BITS) // 8] = 2.0 ** (np.arange(BITS) % 8)
    nodes = [
        helper.make_node(operator, ["features", "weight"], ["sums"]),
        helper.make_node("Relu", ["sums"], ["positive"]),
        helper.make_node("Cast", ["positive"], ["above"], to=TensorProto.BOOL),
        helper.make_node("Cast", ["above"], ["bits"], to=TensorProto.FLOAT),
        helper.make_node("Gemm", ["bits", "places"], ["bytes"]),
        helper.make_node("Cast", ["bytes"], ["code"], to=out),
    ]
    made = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", UNITS])],
        [helper.make_tensor_value_info("code", out, ["N", BITS // 8])],
        [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(places, "places")],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


def test_mean_is_that_of_the_sample(features: np.ndarray) -> None:
    coder = fit_coder("l2", np.array_split(features, 7), UNITS)
    mean = features.astype(np.float64).mean(axis=0).astype(np.float32)
    np.testing.assert_array_equal(coder.encode(features), np.packbits(features > mean, axis=1))
    assert (coder.kind, coder.code_bytes) == ("mean", 3)


def test_active_needs_no_sample(features: np.ndarray) -> None:
    coder = fit_coder("cosine", [], UNITS)
    np.testing.assert_array_equal(coder.encode(features), np.packbits(features > 0, axis=1))
    np.testing.assert_array_equal(coder.encode(features), coder.encode(features * 7))
    assert (coder.kind, coder.code_bytes) == ("active", 3)


def test_graph_is_run_in_chunks(features: np.ndarray) -> None:
    coder = GraphCoder(graph(), UNITS)
    weight = numpy_helper.to_array(onnx.load_from_string(graph()).graph.initializer[0])
    sums = features @ weight
    expected = np.packbits(sums > 0, axis=1, bitorder="little")
    clear = (np.abs(sums) > 1e-4).all(axis=1)  # a sum of about 0 may fall on either side
    np.testing.assert_array_equal(coder.encode(features)[clear], expected[clear])
    assert clear.mean() > 0.9
    assert (coder.kind, coder.code_bytes) == ("onnx", 2)


@pytest.mark.parametrize("kind", ["mean", "active", "onnx"])
def test_coder_comes_back(features: np.ndarray, kind: str) -> None:
    coder: Coder
    if kind == "onnx":
        coder = GraphCoder(graph(), UNITS)
    else:
        coder = fit_coder("l2" if kind == "mean" else "cosine", [features], UNITS)
    again = load_coder(coder.kind, UNITS, coder.parameters())
    np.testing.assert_array_equal(again.encode(features), coder.encode(features))
    assert again.code_bytes == coder.code_bytes


@pytest.mark.parametrize(
    ("kind", "parameters", "message"),
    [
        ("rotated", b"", "newer server"),
        ("onnx", b"no graph", "not an ONNX file"),
        ("onnx", graph(name="conv1"), "holds the graph 'conv1'"),
        ("onnx", graph(operator="MatMulInteger"), "uses the operator ai.onnx.MatMulInteger"),
        ("onnx", graph(out=TensorProto.FLOAT), "gives no bytes"),
    ],
)
def test_a_coder_that_is_none_is_refused(kind: str, parameters: bytes, message: str) -> None:
    with pytest.raises(IndexMismatch, match=message):
        load_coder(kind, UNITS, parameters)


def test_a_mean_of_another_length_is_damaged() -> None:
    with pytest.raises(StorageFailed, match="index check"):
        load_coder("mean", UNITS, b"123")


def test_a_graph_for_other_features_is_refused() -> None:
    with pytest.raises(IndexMismatch, match="not for 21 features"):
        load_coder("onnx", UNITS + 1, graph())


def test_a_graph_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"codes\.onnx cannot be read"):
        read_code_graph(tmp_path / "codes.onnx")
