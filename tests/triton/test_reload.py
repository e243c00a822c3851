"""``alexnet-export reload`` on a real Triton that is asked all the while."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import onnx
import pytest
from deploy.local_triton.running import RunningTriton

from alexnet_export.cli import main
from alexnet_export.deploy import Deployment, deploy
from alexnet_export.rollback import rollback
from alexnet_repository.files import ENSEMBLE, GOLDEN_FILE, MANIFEST
from alexnet_repository.repository import open_repository
from tests.triton.asking import Caller, in_process, views
from tests.triton.callers import Callers, asking
from tests.triton.short_lived import short_lived_triton

PICTURES = views(24, seed=5)


@dataclass(frozen=True)
class Service:
    """A Triton in explicit mode on ``root``, and clients that never stop asking it."""

    root: Path
    triton: RunningTriton
    caller: Caller
    callers: Callers

    def note_deployed(self) -> str:
        """Let the clients know the deployed version's answers; returns the version."""
        known = in_process(self.root, PICTURES)
        self.callers.known[known.version] = known
        return known.version

    def reload(self, *flags: str) -> int:
        address = ["--triton", self.triton.grpc, "--repository", str(self.root)]
        return main(["reload", *address, *flags])


def replace_file(root: Path, name: str, content: bytes) -> None:
    """Another file in its place, digest and all; kept roots, which share it, keep theirs."""
    (root / name).unlink()
    (root / name).write_bytes(content)
    manifest = json.loads((root / MANIFEST).read_bytes())
    manifest["files"][name] = hashlib.sha256(content).hexdigest()
    (root / MANIFEST).write_text(json.dumps(manifest))


@pytest.fixture
def service(narrow_repository: Path, tmp_path: Path) -> Iterator[Service]:
    root = tmp_path / "model_repository"
    shutil.copytree(narrow_repository, root)
    known = in_process(root, PICTURES)
    with (
        short_lived_triton(root, tmp_path / "log", model_control="explicit") as triton,
        grpc.insecure_channel(triton.grpc) as channel,
        asking(Caller(channel), PICTURES, {known.version: known}) as callers,
    ):
        callers.wait_for(known.version)
        yield Service(root, triton, Caller(channel), callers)


@pytest.mark.timeout(300)
def test_new_versions_and_a_rollback_fail_no_request_and_mix_no_versions(
    service: Service, narrow_runs: tuple[Path, ...]
) -> None:
    for run in narrow_runs[1:]:
        deploy(run, Deployment(service.root))
        version = service.note_deployed()
        assert service.reload() == 0
        service.callers.wait_for(version)
    rollback(service.root, to=1)
    assert service.reload() == 0
    service.callers.wait_for("1")
    assert service.callers.wrong == []
    assert set(service.callers.answered) == {"1", "2", "3"}
    assert service.caller.is_ready("conv1")


@pytest.mark.timeout(300)
def test_another_layout_takes_over_and_the_former_models_leave(
    service: Service, narrow_runs: tuple[Path, ...]
) -> None:
    former = {step.model for step in open_repository(service.root).steps()}
    deploy(narrow_runs[1], Deployment(service.root, layout="single"))
    version = service.note_deployed()
    assert service.reload() == 0
    service.callers.wait_for(version)
    assert service.callers.wrong == []
    assert service.caller.is_ready("s1_single")
    assert [model for model in sorted(former) if service.caller.is_ready(model)] == []


@pytest.mark.timeout(300)
def test_a_part_that_does_not_load_leaves_the_former_version_in_service(
    service: Service, narrow_runs: tuple[Path, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    deploy(narrow_runs[1], Deployment(service.root))
    graph = onnx.load(service.root / "s3_fc6_tower1/2/model.onnx")
    graph.opset_import[0].version = 99  # newer than Triton's ONNX Runtime
    replace_file(service.root, "s3_fc6_tower1/2/model.onnx", graph.SerializeToString())
    assert service.reload() == 1
    message = capsys.readouterr().err
    assert "s3_fc6_tower1 version 2 was not loaded" in message
    assert "version 1 serves on" in message
    service.callers.wait_for("1")
    assert service.callers.wrong == []


@pytest.mark.timeout(300)
def test_a_version_without_its_known_answers_is_taken_back(
    service: Service, narrow_runs: tuple[Path, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    deploy(narrow_runs[1], Deployment(service.root))
    service.note_deployed()
    golden = dict(np.load(service.root / ENSEMBLE / GOLDEN_FILE))
    content = io.BytesIO()
    np.savez(content, **golden | {"features": golden["features"][:, ::-1]})
    replace_file(service.root, f"{ENSEMBLE}/{GOLDEN_FILE}", content.getvalue())
    assert service.reload() == 1
    message = capsys.readouterr().err
    assert "version 2 does not give its known answers" in message
    assert "version 1 was put back" in message
    service.callers.wait_for("1")
    assert service.callers.wrong == []


@pytest.mark.timeout(300)
def test_a_version_two_deploys_ahead_interrupts_only_when_told(
    service: Service, narrow_runs: tuple[Path, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    for run in narrow_runs[1:]:
        deploy(run, Deployment(service.root))
    version = service.note_deployed()
    assert service.reload() == 1
    assert "--interrupt" in capsys.readouterr().err
    service.callers.wait_for("1")
    assert service.callers.wrong == []
    assert service.reload("--interrupt") == 0
    service.callers.wrong.clear()
    service.callers.wait_for(version)
    assert service.callers.wrong == []


def test_a_version_that_is_served_already_is_no_error(
    narrow_repository: Path, narrow_triton: RunningTriton, caller: Caller
) -> None:
    known = in_process(narrow_repository, PICTURES)
    with asking(caller, PICTURES, {known.version: known}) as callers:
        callers.wait_for(known.version)
        assert Service(narrow_repository, narrow_triton, caller, callers).reload() == 0
        callers.wait_for(known.version)
    assert callers.wrong == []


def test_a_triton_without_model_control_says_how_to_get_it(
    inside_triton: RunningTriton, narrow_inside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--triton", inside_triton.grpc, "--repository", str(narrow_inside)]
    assert main(["reload", *flags]) == 1
    assert "--model-control-mode=explicit" in capsys.readouterr().err


def test_no_triton_at_the_address_is_said(
    narrow_repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--triton", "127.0.0.1:1", "--repository", str(narrow_repository)]
    assert main(["reload", *flags]) == 1
    assert "no Triton answers at 127.0.0.1:1" in capsys.readouterr().err
