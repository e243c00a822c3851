"""Several networks averaged, in a real Triton: all at once, and the mean behind them."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

from alexnet_export.deploy import Deployment, deploy
from alexnet_export.dialects import DIALECTS
from tests.narrow_dialects import centres, write_random_import
from tests.random_checkpoint import NARROW
from tests.triton.asking import Caller, in_process
from tests.triton.short_lived import short_lived_triton


@pytest.mark.timeout(300)
def test_an_averaged_network_in_triton_gives_what_it_gives_in_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DIALECTS, NARROW.name, NARROW)
    places = [tmp_path / "one", tmp_path / "other"]
    for seed, place in enumerate(places):
        place.mkdir()
        write_random_import(NARROW, place, seed)
    towers, single = tmp_path / "towers", tmp_path / "single"
    deploy(places[0], Deployment(towers), places[1:])
    deploy(places[0], Deployment(single, layout="single"), places[1:])
    pictures = centres(NARROW, 5)
    with (
        short_lived_triton(towers, tmp_path / "log") as triton,
        grpc.insecure_channel(triton.grpc) as channel,
    ):
        found = Caller(channel).ask(pictures)
    assert found.is_of(in_process(single, pictures))
