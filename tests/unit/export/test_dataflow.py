"""What the towers tell each other, read from the configurations of a deploy."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as triton

from alexnet_export.deploy import Deployment, deploy
from alexnet_export.drawing.dataflow import Dataflow, read_dataflow
from alexnet_export.errors import DeployError
from alexnet_repository.files import read_manifest
from alexnet_repository.repository import Repository

# The towers' maps and units that conv3, fc6, fc7 and fc8 read of each other, 4 bytes a number.
EXCHANGES_FP32 = [173_056, 36_864, 16_384, 8_192]


def configured(
    root: Path,
    place: Path,
    *,
    device: Callable[[triton.ModelConfig], int] | None = None,
    numbers: int = triton.TYPE_FP32,
) -> Dataflow:
    """The flow of the same repository, its parts on other GPUs or giving other numbers."""
    for path in root.glob("*/config.pbtxt"):
        config = text_format.Parse(path.read_text(), triton.ModelConfig())
        for group in config.instance_group:
            group.gpus[:] = [device(config) if device else group.gpus[0]]
        for port in [*config.input, *config.output]:
            if port.data_type == triton.TYPE_FP32:
                port.data_type = numbers
        (place / config.name).mkdir(parents=True)
        (place / config.name / path.name).write_text(text_format.MessageToString(config))
    return read_dataflow(Repository(place, read_manifest(root)))


def flow_of(root: Path) -> Dataflow:
    return read_dataflow(Repository(root, read_manifest(root)))


def between(flow: Dataflow) -> tuple[list[int], list[int]]:
    """Bytes of each exchange between the towers, and between devices."""
    return (
        [stage.bytes_between_towers for stage in flow.exchanges],
        [stage.bytes_between_devices for stage in flow.exchanges],
    )


def test_the_papers_exchanges(two_gpus: Path) -> None:
    flow = flow_of(two_gpus)
    assert between(flow) == (EXCHANGES_FP32, EXCHANGES_FP32)
    assert flow.bytes_between_towers == flow.bytes_between_devices == 234_496
    sent = [
        (each.value.name, each.maker.tower, each.reader.step.model, each.value.bytes)
        for stage in flow.exchanges
        for each in stage.exchange
    ]
    assert sent == [
        ("conv2_tower0", 0, "s2_conv345_tower1", 86_528),
        ("conv2_tower1", 1, "s2_conv345_tower0", 86_528),
        ("conv5_tower0", 0, "s3_fc6_tower1", 18_432),
        ("conv5_tower1", 1, "s3_fc6_tower0", 18_432),
        ("fc6_tower0", 0, "s4_fc7_tower1", 8_192),
        ("fc6_tower1", 1, "s4_fc7_tower0", 8_192),
        ("fc7_tower1", 1, "s5_fc8", 8_192),  # fc8 runs once: tower 0's units are there already
    ]


def test_half_as_many_bytes_in_fp16(two_gpus: Path, tmp_path: Path) -> None:
    flow = configured(two_gpus, tmp_path / "fp16", numbers=triton.TYPE_FP16)
    halves = [count // 2 for count in EXCHANGES_FP32]
    assert between(flow) == (halves, halves)


def test_on_one_device_nothing_leaves_it(
    two_gpus: Path, towers_repository: Path, tmp_path: Path
) -> None:
    one_gpu = configured(two_gpus, tmp_path / "one", device=lambda _: 0)
    assert one_gpu.devices == ("cuda:0", "cuda:0")
    for flow in (one_gpu, flow_of(towers_repository)):
        assert between(flow) == (EXCHANGES_FP32, [0, 0, 0, 0])
        assert flow.bytes_between_devices == 0


@pytest.mark.parametrize(("gpu", "sent"), [(0, "fc7_tower1"), (1, "fc7_tower0")])
def test_classifier_stands_with_the_tower_on_its_device(
    gpu: int, sent: str, two_gpus: Path, tmp_path: Path
) -> None:
    def placed(config: triton.ModelConfig) -> int:
        return gpu if config.name == "s5_fc8" else int(config.name.endswith("tower1"))

    flow = configured(two_gpus, tmp_path / "moved", device=placed)
    assert flow.devices == ("cuda:0", "cuda:1")
    assert [each.value.name for each in flow.exchanges[-1].exchange] == [sent]
    assert between(flow) == (EXCHANGES_FP32, EXCHANGES_FP32)


def test_single_exchanges_nothing(single_repository: Path) -> None:
    flow = flow_of(single_repository)
    assert between(flow) == ([], [])
    assert [part.step.model for stage in flow.stages for part in stage.parts] == ["s1_single"]
    (part,) = flow.stages[0].parts
    assert {share.name: (share.activation, share.groups) for share in part.layers} == {
        "conv1": ((96, 55, 55), 1),
        "conv2": ((256, 27, 27), 2),
        "conv3": ((384, 13, 13), 1),
        "conv4": ((384, 13, 13), 2),
        "conv5": ((256, 13, 13), 2),
        "fc6": ((4096,), 1),
        "fc7": ((4096,), 1),
        "fc8": ((6,), 1),
    }


def test_layers_of_a_tower(two_gpus: Path) -> None:
    flow = flow_of(two_gpus)
    shares = {
        (share.name, part.tower): (share.activation, share.output)
        for stage in flow.stages
        for part in stage.parts
        for share in part.layers
    }
    of_a_tower = {
        "conv1": ((48, 55, 55), (48, 27, 27)),
        "conv2": ((128, 27, 27), (128, 13, 13)),
        "conv3": ((192, 13, 13), (192, 13, 13)),
        "conv4": ((192, 13, 13), (192, 13, 13)),
        "conv5": ((128, 13, 13), (128, 6, 6)),
        "fc6": ((2048,), (2048,)),
        "fc7": ((2048,), (2048,)),
    }
    expected = {(name, tower): share for name, share in of_a_tower.items() for tower in (0, 1)}
    assert shares == expected | {("fc8", 0): ((1000,), (1000,))}
    for stage in flow.exchanges:  # the table's sizes are those of the configurations
        for each in stage.exchange:
            assert each.value.dims == each.maker.layers[-1].output


def test_numbers_come_from_the_table_and_the_precision(
    narrow_checkpoint: Path, tmp_path: Path
) -> None:
    for precision, size in (("fp32", 4), ("fp16", 2)):
        root = tmp_path / precision
        wanted = Deployment(
            root, devices=("cuda:0", "cuda:1"), precision=precision, max_top1_loss=100
        )
        deploy(narrow_checkpoint, wanted)
        sides = [numbers * size for numbers in (2 * 4 * 13 * 13, 2 * 4 * 6 * 6, 2 * 16, 16)]
        assert between(flow_of(root)) == (sides, sides)


def test_what_is_not_ours_is_named(two_gpus: Path, tmp_path: Path) -> None:
    with pytest.raises(DeployError, match=r"conv2_tower0 holds TYPE_FP64.*deploy again"):
        configured(two_gpus, tmp_path / "fp64", numbers=triton.TYPE_FP64)
    manifest = read_manifest(two_gpus)
    with pytest.raises(DeployError, match=r"dialect 'vgg'; known here: alexnet2012"):
        read_dataflow(Repository(two_gpus, manifest | {"dialect": "vgg"}))
    ensemble = two_gpus / "alexnet" / "config.pbtxt"
    (tmp_path / "alexnet").mkdir()
    (tmp_path / "alexnet" / "config.pbtxt").write_text(
        ensemble.read_text().replace('"s5_fc8"', '"s5_fc9"')
    )
    for part in two_gpus.glob("s*_*"):
        shutil.copytree(part, tmp_path / part.name, ignore=shutil.ignore_patterns("*.onnx"))
    shutil.copytree(tmp_path / "s5_fc8", tmp_path / "s5_fc9")
    with pytest.raises(DeployError, match="'s5_fc9', which the dialect does not have"):
        read_dataflow(Repository(tmp_path, manifest))
