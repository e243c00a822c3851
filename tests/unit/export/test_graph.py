"""The graphs against arithmetic written out in NumPy."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

from alexnet_export.checkpoint import Checkpoint, load_checkpoint
from alexnet_export.dialects import DIALECTS
from alexnet_export.graph import conv1_graph, single_graph, tower_graphs
from tests.photos import crops
from tests.random_checkpoint import NARROW_INSIDE, write_random_checkpoint


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DIALECTS, NARROW_INSIDE.name, NARROW_INSIDE)
        write_random_checkpoint(NARROW_INSIDE, folder)
        return load_checkpoint(folder)[0]


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.ascontiguousarray(crops(3, seed=5)[:, 16:240, 16:240])


def outputs(graph, given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(graph.model.SerializeToString())
    names = [port.name for port in graph.outputs]
    return dict(zip(names, session.run(names, given), strict=True))


def test_conv1_pads_zeros_right_and_bottom_after_the_mean(
    loaded: Checkpoint, images: np.ndarray
) -> None:
    maps = outputs(conv1_graph(loaded), {"images": images})["conv1"]
    assert maps.shape == (3, 96, 55, 55)
    planes = ((images.astype(np.float64) - loaded.mean) * loaded.scale).transpose(0, 3, 1, 2)
    padded = np.pad(planes, ((0, 0), (0, 0), (0, 3), (0, 3)))
    weight, bias = loaded.tensors["conv1.weight"], loaded.tensors["conv1.bias"]
    for row, column in [(0, 0), (17, 3), (54, 54), (54, 0)]:
        window = padded[:, :, 4 * row : 4 * row + 11, 4 * column : 4 * column + 11]
        sums = np.einsum("nchw,ochw->no", window, weight) + bias
        np.testing.assert_allclose(maps[:, :, row, column], np.maximum(sums, 0), atol=1e-4)


def test_towers_give_what_the_single_graph_gives(loaded: Checkpoint, images: np.ndarray) -> None:
    single = outputs(single_graph(loaded), {"images": images})
    values = {"images": images}
    for graph in tower_graphs(loaded):
        values |= outputs(graph, {port.name: values[port.name] for port in graph.inputs})
    largest = np.abs(single["features"]).max()
    assert np.abs(values["features"] - single["features"]).max() <= 1e-5 * largest
    assert np.allclose(values["probabilities"], single["probabilities"], atol=1e-6)
    assert single["features"].shape == (3, 4096)
    np.testing.assert_allclose(single["probabilities"].sum(axis=1), 1, rtol=1e-5)


def test_norm_is_the_papers_and_stays_inside_a_tower(
    loaded: Checkpoint, images: np.ndarray
) -> None:
    """Pooled norm of conv1's maps, by section 3.3's equation, against what conv2 reads."""
    maps = outputs(conv1_graph(loaded), {"images": images[:1]})["conv1"].astype(np.float64)
    towers = maps.reshape(1, 2, 48, 55, 55)
    normed = np.empty_like(towers)
    for channel in range(48):
        near = towers[:, :, max(0, channel - 2) : channel + 3]
        normed[:, :, channel] = towers[:, :, channel] / (2 + 1e-4 * (near**2).sum(axis=2)) ** 0.75
    model = onnx.compose.add_prefix(tower_graphs(loaded)[1].model, "")
    model.graph.output.append(
        onnx.helper.make_tensor_value_info("conv1_normed", onnx.TensorProto.FLOAT, None)
    )
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (found,) = session.run(["conv1_normed"], {"images": images[:1]})
    np.testing.assert_allclose(found, normed[:, 1], rtol=1e-4, atol=1e-5)


def test_local_layers_do_not_hear_the_other_tower(loaded: Checkpoint) -> None:
    inputs = {graph.name: [port.name for port in graph.inputs] for graph in tower_graphs(loaded)}
    assert inputs == {
        "s1_conv12_tower0": ["images"],
        "s1_conv12_tower1": ["images"],
        "s2_conv345_tower0": ["conv2_tower0", "conv2_tower1"],
        "s2_conv345_tower1": ["conv2_tower0", "conv2_tower1"],
        "s3_fc6_tower0": ["conv5_tower0", "conv5_tower1"],
        "s3_fc6_tower1": ["conv5_tower0", "conv5_tower1"],
        "s4_fc7_tower0": ["fc6_tower0", "fc6_tower1"],
        "s4_fc7_tower1": ["fc6_tower0", "fc6_tower1"],
        "s5_fc8": ["fc7_tower0", "fc7_tower1"],
    }


def test_graphs_are_one_file_with_a_free_batch(loaded: Checkpoint) -> None:
    for graph in [*tower_graphs(loaded), single_graph(loaded)]:
        assert all(not tensor.external_data for tensor in graph.model.graph.initializer)
        for value in (*graph.model.graph.input, *graph.model.graph.output):
            assert value.type.tensor_type.shape.dim[0].dim_param == "N"
