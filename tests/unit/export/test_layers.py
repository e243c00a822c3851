"""The table against the paper: section 3.5's sizes, and the counts that follow from them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from alexnet_export.border import maps_beside, own_rows, sent_maps
from alexnet_export.dialects import (
    ALEXNET2012,
    CAFFE,
    CAFFE224,
    CNN_STAR,
    DIALECTS,
    LAYERS145,
    NO_EXCHANGE,
    NO_NORM,
    NO_OVERLAP,
    ONETOWER,
    PAPER_POOL,
    TANH,
    TORCHVISION,
)
from alexnet_export.layers import Dialect, parameter_count, shapes
from alexnet_export.stages import Stage, classifier_stage_name, sizes, stages

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


# Of the public networks: (channels, side) of every convolution before and after pooling.
MAPS = {
    "caffe": [(96, 55, 27), (256, 27, 13), (384, 13, 13), (384, 13, 13), (256, 13, 6)],
    "caffe224": [(96, 54, 27), (256, 27, 13), (384, 13, 13), (384, 13, 13), (256, 13, 6)],
    "torchvision": [(64, 55, 27), (192, 27, 13), (384, 13, 13), (256, 13, 13), (256, 13, 6)],
}
CAFFE_STAGES = ["s1_conv12", "s2_norm2", "s3_conv345", "s4_fc6", "s5_fc7"]
TORCHVISION_STAGES = [
    *("s1_conv1", "s2_conv2", "s3_conv3", "s4_conv4", "s5_conv5"),
    *("s6_fc6", "s7_fc7"),
]


@pytest.mark.parametrize("name", MAPS)
def test_maps_of_the_public_networks(name: str) -> None:
    found = shapes(DIALECTS[name], 1000)[:5]
    assert [(*one.activation[:2], one.output[1]) for one in found] == MAPS[name]
    assert [one.activation[1:] for one in found] == [(side, side) for _, side, _ in MAPS[name]]


@pytest.mark.parametrize(
    ("dialect", "parameters"),
    [(CAFFE, 60_965_224), (CAFFE224, 60_965_224), (TORCHVISION, 61_100_840)],
)
def test_parameters_of_the_public_networks(dialect: Dialect, parameters: int) -> None:
    assert parameter_count(dialect, 1000) == parameters


@pytest.mark.parametrize(
    ("dialect", "names"),
    [(CAFFE, CAFFE_STAGES), (CAFFE224, CAFFE_STAGES), (TORCHVISION, TORCHVISION_STAGES)],
)
def test_stages_of_the_public_networks(dialect: Dialect, names: list[str]) -> None:
    found = [*(stage.name for stage in stages(dialect)), classifier_stage_name(dialect)]
    assert found == [*names, f"s{len(names) + 1}_fc8"]
    assert sorted(found) == found


def test_a_norm_across_the_border_cuts_a_local_layer_and_no_full_one() -> None:
    first, second, third, *_ = stages(CAFFE)
    conv1, conv2 = CAFFE.convolutions[:2]
    assert first == Stage("s1_conv12", (conv1, replace(conv2, norm=None, pool=None)), border=conv2)
    assert [(work.name, work.norm, work.pool) for work in second.layers] == [
        ("norm2", conv2.norm, PAPER_POOL)
    ]
    assert (second.border, third.border) == (None, None)
    whole, pooled = (256, 27, 27), (256, 13, 13)
    assert sizes(CAFFE, first.layers[1]) == (whole, whole)
    assert sizes(CAFFE, second.layers[0]) == sizes(CAFFE, conv2) == (whole, pooled)


def test_a_local_layer_goes_on_behind_the_cut() -> None:
    *before, conv3, conv4, conv5 = CAFFE.convolutions
    local = replace(CAFFE, convolutions=(*before, replace(conv3, connection="local"), conv4, conv5))
    names = [stage.name for stage in stages(local)]
    assert names == ["s1_conv12", "s2_norm2_conv345", "s3_fc6", "s4_fc7"]


def test_maps_at_the_border() -> None:
    conv1 = CAFFE.convolutions[0]
    assert [own_rows(96, 2, tower) for tower in (0, 1)] == [range(48), range(48, 96)]
    assert [maps_beside(conv1, 2, tower) for tower in (0, 1)] == [range(48, 50), range(46, 48)]
    assert [sent_maps(conv1, 2, tower) for tower in (0, 1)] == [range(46, 48), range(48, 50)]
    narrow = replace(conv1, channels=2)
    assert [maps_beside(narrow, 2, tower) for tower in (0, 1)] == [range(1, 2), range(1)]
    for layer in (ALEXNET2012.convolutions[0], CAFFE.convolutions[2]):
        assert not maps_beside(layer, 2, 0)
    with pytest.raises(ValueError, match="for two towers, not 3"):
        maps_beside(conv1, 3, 1)


def test_a_table_says_what_is_new_and_leaves_the_papers_as_it_was() -> None:
    written = json.dumps(ALEXNET2012.table())
    assert "reach" not in written
    assert written.count("padding") == 5  # those of the convolutions
    norms = [layer["norm"] for layer in CAFFE.table()["convolutions"]]
    assert [norm["reach"] for norm in norms[:2]] == ["both", "both"]
    pools = [layer["pool"] for layer in CAFFE224.table()["convolutions"]]
    assert pools[0]["padding"] == (0, 0, 1, 1)
    assert "padding" not in pools[1]
    dialects = (ALEXNET2012, CAFFE, CAFFE224, TORCHVISION)
    assert len({json.dumps(one.table() | {"name": ""}) for one in dialects}) == 4


def test_the_network_on_one_device_has_62_378_344_weights() -> None:
    assert parameter_count(ONETOWER, 1000) == 62_378_344
    assert [stage.name for stage in stages(ONETOWER)][:3] == ["s1_conv1", "s2_conv2", "s3_conv3"]


def test_cnn_star_has_a_sixth_convolution_behind_the_last_pool() -> None:
    found = {shape.name: shape for shape in shapes(CNN_STAR, 1000)}
    assert found["conv6"].weight == (256, 128, 3, 3)
    assert found["conv6"].output == found["conv5"].output == (256, 6, 6)
    assert [stage.name for stage in stages(CNN_STAR)] == [
        "s1_conv12",
        "s2_conv3456",
        "s3_fc6",
        "s4_fc7",
    ]


@pytest.mark.parametrize("dialect", [NO_NORM, NO_OVERLAP, TANH], ids=lambda each: each.name)
def test_a_part_left_out_leaves_every_size_and_cut(dialect: Dialect) -> None:
    assert [shape.output for shape in shapes(dialect, 1000)] == [
        shape.output for shape in shapes(ALEXNET2012, 1000)
    ]
    assert stages(dialect)[0].name == "s1_conv12"
    assert parameter_count(dialect, 1000) == 60_965_224


def test_without_exchange_the_towers_meet_in_the_classifier_alone() -> None:
    assert [stage.name for stage in stages(NO_EXCHANGE)] == ["s1_conv12345_fc67"]
    found = {shape.name: shape for shape in shapes(NO_EXCHANGE, 1000)}
    assert found["conv3"].weight == (384, 128, 3, 3)
    assert found["fc6"].weight == (4096, 4608)
    assert found["fc8"].weight == (1000, 4096)


@pytest.mark.parametrize("dialect", [ALEXNET2012, CAFFE, TORCHVISION], ids=lambda each: each.name)
def test_older_tables_know_nothing_of_what_came_later(dialect: Dialect) -> None:
    table = json.dumps(dialect.table())
    assert "activation" not in table
    assert not {"spatial_norm", "is_activated_last"} & set(dialect.table()["convolutions"][1])
    assert all(set(layer) == {"name", "units"} for layer in dialect.table()["fully_connected"])
    assert TANH.table()["activation"] == "tanh"
    assert NO_EXCHANGE.table()["fully_connected"][0]["connection"] == "local"


def test_layers145_is_the_sources_network_where_it_is_not_the_texts() -> None:
    first, second, *others = LAYERS145.convolutions
    assert first.is_activated_last
    assert first.norm.alpha == second.norm.alpha == 1e-4
    assert (second.spatial_norm.size, second.spatial_norm.alpha / 25) == (5, 0.001 / 25)
    assert tuple(others) == ALEXNET2012.convolutions[2:]
    assert parameter_count(LAYERS145, 1000) == 60_965_224
    assert LAYERS145.table()["convolutions"][0]["is_activated_last"] is True
