from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import numpy as np
import pytest
from deploy.local_triton.running import START, RunningTriton, running_triton

from alexnet_export.checkpoint import load_checkpoint, save_checkpoint
from alexnet_export.deploy import Deployment, deploy
from alexnet_export.dialects import DIALECTS
from tests.random_checkpoint import NARROW, write_random_checkpoint
from tests.triton.asking import Caller

NOT_TO_BE_HAD = 3  # start.py --help


@pytest.fixture(scope="session", autouse=True)
def _triton_is_here() -> None:
    """Fetch Triton; where it cannot be had, skip, but never silently pass in CI."""
    with START.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # one process fetches it, those beside it wait
        got = subprocess.run(
            [sys.executable, START, "--fetch-only"], capture_output=True, text=True, check=False
        )
    if got.returncode == NOT_TO_BE_HAD and not os.environ.get("CI"):
        pytest.skip(got.stderr)
    assert got.returncode == 0, got.stderr


@contextmanager
def narrow_known() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DIALECTS, NARROW.name, NARROW)
        yield


# No longer than a module: other tests look at all dialects that there are.
@pytest.fixture(scope="module", autouse=True)
def _narrow_dialect() -> Iterator[None]:
    with narrow_known():
        yield


@pytest.fixture(scope="session")
def narrow_runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Run folders of one narrow network with three different sets of weights."""
    folders = tuple(tmp_path_factory.mktemp(f"narrow{number}") for number in range(3))
    for folder, factor in zip(folders, (1.0, 0.9, 1.1), strict=True):
        write_random_checkpoint(NARROW, folder)
        with narrow_known():
            checkpoint, _ = load_checkpoint(folder)
            tensors = {
                name: values if name == "mean" else values * np.float32(factor)
                for name, values in checkpoint.tensors.items()
            }
            save_checkpoint(replace(checkpoint, tensors=tensors), folder)
    return folders


@pytest.fixture(scope="session")
def narrow_repository(
    narrow_runs: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    root = tmp_path_factory.mktemp("narrow") / "model_repository"
    with narrow_known():
        deploy(narrow_runs[0], Deployment(root))
    return root


@pytest.fixture(scope="session")
def narrow_triton(
    narrow_repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningTriton]:
    log = tmp_path_factory.mktemp("triton") / "log"
    with running_triton(narrow_repository, log, model_control="explicit") as triton:
        yield triton


@pytest.fixture(scope="session")
def inside_triton(
    narrow_inside: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningTriton]:
    """Two towers in the whole network's shapes, without model control: for what only asks."""
    with running_triton(narrow_inside, tmp_path_factory.mktemp("inside") / "log") as triton:
        yield triton


@pytest.fixture
def caller(narrow_triton: RunningTriton) -> Iterator[Caller]:
    with grpc.insecure_channel(narrow_triton.grpc) as channel:
        yield Caller(channel)
