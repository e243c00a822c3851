"""How a running Triton is reached, with the fake one in its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alexnet_export.control import Control
from alexnet_export.deploy import Deployment, deploy
from alexnet_repository.repository import open_repository
from tests.fakes.running_triton import RunningFake


def test_a_proxy_for_web_pages_is_not_asked(
    narrow_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(narrow_checkpoint, Deployment(tmp_path / "repository"))
    repository = open_repository(tmp_path / "repository")
    fake = RunningFake(repository.root)
    fake.start()
    for name in ("no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    try:
        with Control(f"127.0.0.1:{fake.port}", timeout_s=10) as triton:
            golden = repository.golden()
            features, _ = triton.answers(golden.images, repository.version)
            assert np.array_equal(features, golden.features)
    finally:
        fake.kill()
