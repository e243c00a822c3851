"""The network of the paper, in two towers, in a real Triton: the same numbers everywhere."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

from tests.triton.asking import Caller, in_process, views
from tests.triton.short_lived import short_lived_triton


@pytest.mark.timeout(300)
def test_towers_in_triton_towers_in_process_and_the_single_graph_agree(
    towers_repository: Path, single_repository: Path, tmp_path: Path
) -> None:
    pictures = views(5)
    with (
        short_lived_triton(towers_repository, tmp_path / "log") as triton,
        grpc.insecure_channel(triton.grpc) as channel,
    ):
        found = Caller(channel).ask(pictures)
    assert found.features.shape == (5, 4096)
    assert found.is_of(in_process(towers_repository, pictures))
    assert found.is_of(in_process(single_repository, pictures))
