"""A network whose towers exchange the maps beside their border, in a real Triton."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

from alexnet_export.deploy import Deployment, deploy
from alexnet_export.dialects import DIALECTS
from tests.narrow_dialects import NARROW_CAFFE, centres, write_random_import
from tests.triton.asking import Caller, in_process
from tests.triton.short_lived import short_lived_triton


@pytest.mark.timeout(300)
def test_towers_in_triton_give_what_the_single_graph_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DIALECTS, NARROW_CAFFE.name, NARROW_CAFFE)
    write_random_import(NARROW_CAFFE, tmp_path)
    towers, single = tmp_path / "towers", tmp_path / "single"
    deploy(tmp_path, Deployment(towers))
    deploy(tmp_path, Deployment(single, layout="single"))
    pictures = centres(NARROW_CAFFE, 5)
    with (
        short_lived_triton(towers, tmp_path / "log") as triton,
        grpc.insecure_channel(triton.grpc) as channel,
    ):
        found = Caller(channel).ask(pictures)
    assert found.features.shape == (5, 32)
    assert found.is_of(in_process(single, pictures))
