from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from alexnet_export.checkpoint import load_checkpoint, save_checkpoint
from alexnet_export.dialects import DIALECTS
from alexnet_repository.files import deployed
from alexnet_server.deployed import open_deployed
from alexnet_server.engine.channel import Triton
from alexnet_server.engine.triton import triton_engine
from alexnet_server.following import Following
from alexnet_server.index.opening import Indexes
from alexnet_server.served import Served
from alexnet_server.settings import Settings
from tests.fakes.running_triton import RunningFake
from tests.narrow_repository import deploy_narrow
from tests.random_checkpoint import NARROW
from tests.unit.server.triton_engine.backend import TIMEOUT_S, Backend


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a deployed ``repository``, and ``other``, a run folder of other weights."""
    folder = tmp_path_factory.mktemp("prepared")
    deploy_narrow(folder)
    run, other = folder / "run", folder / "other"
    other.mkdir()
    (other / "pictures.npz").symlink_to(run / "pictures.npz")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DIALECTS, NARROW.name, NARROW)
        checkpoint, _ = load_checkpoint(run)
        bias = checkpoint.tensors["fc7.bias"] + np.float32(1)
        save_checkpoint(replace(checkpoint, tensors=checkpoint.tensors | {"fc7.bias": bias}), other)
    return folder


@pytest.fixture
def backend(prepared: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Backend]:
    monkeypatch.setitem(DIALECTS, NARROW.name, NARROW)
    root = tmp_path / "repository"
    shutil.copytree(prepared / "repository", root, copy_function=os.link)
    fake = RunningFake(root)
    fake.start()
    triton = Triton(f"127.0.0.1:{fake.port}", TIMEOUT_S)
    yield Backend(root, prepared / "other", fake, triton, tmp_path / "index.sqlite")
    triton.close()
    fake.kill()


@pytest.fixture
def deploys(backend: Backend) -> Iterator[Following]:
    open_next = partial(
        open_deployed, backend.root, partial(triton_engine, backend.triton), Indexes(backend.index)
    )
    made = Following(open_next, partial(deployed, backend.root), backend.triton.lost)
    made.look()
    yield made
    made.close()


@pytest.fixture
def served(deploys: Following, backend: Backend) -> Served:
    return Served.of(Settings(request_timeout_s=TIMEOUT_S), deploys)
