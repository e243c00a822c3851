"""The table against the paper: section 3.5's sizes, and the counts that follow from them."""

from __future__ import annotations

import pytest

from alexnet_export.layers import ALEXNET2012, parameter_count, shapes
from alexnet_export.stages import classifier_stage_name, stages

# name: (weight, activation, output after pooling, parameters)
FACTS = {
    "conv1": ((96, 3, 11, 11), (96, 55, 55), (96, 27, 27), 34_944),
    "conv2": ((256, 48, 5, 5), (256, 27, 27), (256, 13, 13), 307_456),
    "conv3": ((384, 256, 3, 3), (384, 13, 13), (384, 13, 13), 885_120),
    "conv4": ((384, 192, 3, 3), (384, 13, 13), (384, 13, 13), 663_936),
    "conv5": ((256, 192, 3, 3), (256, 13, 13), (256, 6, 6), 442_624),
    "fc6": ((4096, 9216), (4096,), (4096,), 37_752_832),
    "fc7": ((4096, 4096), (4096,), (4096,), 16_781_312),
    "fc8": ((1000, 4096), (1000,), (1000,), 4_097_000),
}


@pytest.mark.parametrize("layer", shapes(ALEXNET2012, 1000), ids=lambda layer: layer.name)
def test_shapes_and_counts(layer) -> None:
    found = (layer.weight, layer.activation, layer.output, layer.parameters)
    assert found == FACTS[layer.name]


def test_whole_network() -> None:
    assert [layer.name for layer in shapes(ALEXNET2012, 1000)] == list(FACTS)
    assert parameter_count(ALEXNET2012, 1000) == 60_965_224


def test_cut_where_a_layer_reads_both_towers() -> None:
    names = [stage.name for stage in stages(ALEXNET2012)]
    assert names == ["s1_conv12", "s2_conv345", "s3_fc6", "s4_fc7"]
    assert classifier_stage_name(ALEXNET2012) == "s5_fc8"
