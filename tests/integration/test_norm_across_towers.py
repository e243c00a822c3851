"""A norm that reads maps of the other tower: deployed, drawn, and really sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as triton

from alexnet_export.deploy import Deployment, deploy
from alexnet_export.dialects import DIALECTS
from alexnet_export.drawing.caption import TIMES
from alexnet_export.drawing.dataflow import Dataflow, read_dataflow
from alexnet_export.drawing.text import draw_text
from alexnet_repository.golden import cosines
from alexnet_repository.repository import open_repository
from alexnet_server.engine import placed, value
from alexnet_server.engine.local import LocalNetwork
from tests.narrow_dialects import LIGHT_CAFFE, NARROW_CAFFE, centres, write_random_import

TWO_GPUS = ("cuda:0", "cuda:1")
COUNT = 3
# Bytes a picture in fp32: 2 maps a side for norm2, then what conv3, fc6, fc7 and fc8 read.
BYTES = [2 * 5_832, 173_056, 36_864, 2 * 64, 64]
# An "x" stands for the multiplication sign.
DRAWN = """\
└─────────────────┬─────────────────┘      └─────────────────┬─────────────────┘
                  │                                          │
                  ├── border2_tower0 2x27x27, 5,832 bytes ──►│
                  │◄── border2_tower1 2x27x27, 5,832 bytes ──┤
                  │            11,664 bytes fp32             │
                  ▼                                          ▼
┌─ s2_norm2_tower0 ─────────────────┐      ┌─ s2_norm2_tower1 ─────────────────┐
│ norm2              128 maps 27x27 │      │ norm2              128 maps 27x27 │
│        pool 3x3/2           13x13 │      │        pool 3x3/2           13x13 │
└─────────────────┬─────────────────┘      └─────────────────┬─────────────────┘
"""


@pytest.fixture(scope="module", autouse=True)
def _dialects() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for dialect in (LIGHT_CAFFE, NARROW_CAFFE):
            patch.setitem(DIALECTS, dialect.name, dialect)
        yield


@pytest.fixture
def _pretended_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any ``cuda:N`` is the processor; all else is as it is with GPUs."""
    monkeypatch.setattr(placed, "provider_of", lambda _: ("CPUExecutionProvider", {}))
    for module in (placed, value):
        monkeypatch.setattr(module, "ort_device", lambda _: ("cpu", 0))


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real network's convolutions, a tower a GPU."""
    folder = tmp_path_factory.mktemp("light")
    write_random_import(LIGHT_CAFFE, folder)
    deploy(folder, Deployment(folder / "root", devices=TWO_GPUS))
    return folder / "root"


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("narrow")
    write_random_import(NARROW_CAFFE, folder)
    return folder


def flow_of(root: Path) -> Dataflow:
    return read_dataflow(open_repository(root))


def sent(root: Path, images: np.ndarray) -> dict[tuple[str, str], int]:
    """Bytes a picture that cross between the two GPUs, by the value's name and its reader."""
    engine = LocalNetwork(open_repository(root))
    before = engine.traffic.bytes()
    engine.run(images)
    after = engine.traffic.bytes()
    return {
        (name, to): (count - before[name, maker, to]) // len(images)
        for (name, maker, to), count in after.items()
        if "cpu" not in (maker, to)
    }


def told(flow: Dataflow) -> dict[tuple[str, str], int]:
    return {
        (each.value.name, each.reader.step.device): each.value.bytes
        for stage in flow.exchanges
        for each in stage.exchange
    }


@pytest.mark.usefixtures("_pretended_gpus")
def test_what_show_counts_is_what_is_sent(light: Path) -> None:
    flow = flow_of(light)
    assert [stage.bytes_between_towers for stage in flow.exchanges] == BYTES
    assert flow.bytes_between_devices == sum(BYTES)
    assert sent(light, centres(LIGHT_CAFFE, COUNT)) == told(flow)
    assert told(flow)["border2_tower0", "cuda:1"] == told(flow)["border2_tower1", "cuda:0"] == 5_832


def test_border_maps_are_drawn(light: Path) -> None:
    drawing = draw_text(flow_of(light)).replace(TIMES, "x")
    assert DRAWN in drawing + "\n"
    assert drawing.count("│ conv1  11x11/4    48+2 maps 55x55 │") == 2
    assert max(map(len, drawing.splitlines())) == 80


def test_configurations_say_who_reads_what(light: Path) -> None:
    ports = {}
    for path in light.glob("s*/config.pbtxt"):
        config = text_format.Parse(path.read_text(), triton.ModelConfig())
        ports[config.name] = [
            [(port.name, tuple(port.dims)) for port in ports]
            for ports in (config.input, config.output)
        ]
    images, own, border = ("images", (227, 227, 3)), (128, 27, 27), (2, 27, 27)
    for tower, read in enumerate(
        (
            [("conv2_tower0", own), ("border2_tower1", border)],
            [("border2_tower0", border), ("conv2_tower1", own)],
        )
    ):
        given = [(f"conv2_tower{tower}", own), (f"border2_tower{tower}", border)]
        assert ports[f"s1_conv12_tower{tower}"] == [[images], given]
        assert ports[f"s2_norm2_tower{tower}"] == [read, [(f"norm2_tower{tower}", (128, 13, 13))]]
        normed = [(f"norm2_tower{one}", (128, 13, 13)) for one in (0, 1)]
        assert ports[f"s3_conv345_tower{tower}"][0] == normed
    text = (light / "s1_conv12_tower0" / "config.pbtxt").read_text()
    assert "# and the 2 maps at its border once more, for the other tower.\n" in text


@pytest.mark.usefixtures("_pretended_gpus")
@pytest.mark.parametrize(("precision", "size", "limit"), [("fp16", 2, 5e-3), ("int8", 4, 1e-5)])
def test_reduced_precisions_deploy_and_send_as_much_as_is_told(
    narrow: Path, tmp_path: Path, precision: str, size: int, limit: float
) -> None:
    devices = ("cpu",) if precision == "int8" else TWO_GPUS
    wanted = Deployment(tmp_path / "root", devices=devices, precision=precision, max_top1_loss=100)
    manifest, _ = deploy(narrow, wanted)
    # int8: the maps beside the border are rounded as they are in the tower that they are of.
    assert manifest["parity"]["features_difference"] <= limit
    assert manifest["precision_loss"]["features_cosine"] > 0.99
    flow = flow_of(wanted.repository)
    assert told(flow)["border2_tower0", devices[-1]] == 2 * 27 * 27 * size
    if precision == "fp16":
        assert sent(wanted.repository, centres(NARROW_CAFFE, COUNT)) == told(flow)


def test_both_layouts_are_served_alike(narrow: Path, tmp_path: Path) -> None:
    found = []
    for layout in ("towers", "single"):
        root = tmp_path / layout
        deploy(narrow, Deployment(root, layout=layout))
        found.append(LocalNetwork(open_repository(root)).run(centres(NARROW_CAFFE, COUNT, seed=9)))
    towers, single = found
    assert np.abs(towers.features - single.features).max() <= 1e-5 * single.features.max()
    assert cosines(towers.features, single.features).min() > 0.999999
