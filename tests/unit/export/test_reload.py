"""What a reload says, and leaves in service, where Triton fails at one of its steps."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tritonclient.grpc import model_config_pb2

from alexnet_export.deploy import Deployment, deploy
from alexnet_export.errors import TritonError
from alexnet_export.kept import kept_versions
from alexnet_export.reload import Reload, reload
from alexnet_repository.errors import RepositoryError
from alexnet_repository.files import GOLDEN_FILE
from alexnet_repository.repository import Repository, open_repository
from tests.unit.export.conftest import RunFolder
from tests.unit.repository.relisted import relist

# The package's function has the module's name.
MODULE = sys.modules[Reload.__module__]


class ControlledTriton:
    """Stands in for Control: Triton's states in explicit mode, and failures to order.

    ``fails`` holds calls as ``"load conv1"``; ``busy`` versions never end, ``wrong`` ones answer
    otherwise.
    """

    def __init__(self, root: Path, serves: Repository) -> None:
        self.root = root
        self.ensemble = {serves.version: "READY"}
        self.served = serves.config("alexnet")
        self.fails: set[str] = set()
        self.wrong: set[str] = set()
        self.busy = False
        self.calls: list[str] = []

    def __enter__(self) -> ControlledTriton:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def states(self, model: str) -> dict[str, tuple[str, str]]:
        self._call("states", model)
        if model == "alexnet":
            return {version: (state, "") for version, state in self.ensemble.items()}
        return {path.name: ("READY", "") for path in (self.root / model).glob("[0-9]*")}

    def config(self, _: str) -> model_config_pb2.ModelConfig:
        return self.served

    def is_ready(self, _: str) -> bool:
        return True

    def load(self, model: str) -> None:
        if model == "alexnet":
            self.ensemble = dict.fromkeys(self.ensemble, "UNLOADING" if self.busy else "GONE")
        self._call("load", model)
        if model == "alexnet":
            self.ensemble[open_repository(self.root).version] = "READY"

    def load_as(self, model: str, config: model_config_pb2.ModelConfig, _: object) -> None:
        self._call("load_as", model)
        version = str(config.ensemble_scheduling.step[0].model_version)
        self.ensemble = {version: "READY"}

    def unload(self, model: str) -> None:
        self._call("unload", model)
        if model == "alexnet":
            self.ensemble = dict.fromkeys(self.ensemble, "UNLOADING" if self.busy else "GONE")

    def answers(self, _: np.ndarray, version: str) -> tuple[np.ndarray, np.ndarray]:
        self._call("answers", version)
        golden = open_repository(self.root).golden()
        wrong = version in self.wrong
        return golden.features[:, :: -1 if wrong else 1], golden.probabilities

    def _call(self, what: str, model: str) -> None:
        self.calls.append(f"{what} {model}")
        if f"{what} {model}" in self.fails:
            raise TritonError(f"{what} {model} failed")


Serve = Callable[[str], ControlledTriton]


@pytest.fixture
def root(run_folder: RunFolder, tmp_path: Path) -> Path:
    """Version 2, with version 1 kept and its parts carried."""
    for name in "ab":
        deploy(run_folder(name), Deployment(tmp_path / "repository"))
    return tmp_path / "repository"


@pytest.fixture
def serve(root: Path, monkeypatch: pytest.MonkeyPatch) -> Serve:
    def make(version: str) -> ControlledTriton:
        there = {str(number): place for number, place in kept_versions(root).items()}
        serves = open_repository(there.get(version, root))
        triton = ControlledTriton(root, serves)
        monkeypatch.setattr(MODULE, "Control", lambda *_: triton)
        return triton

    return make


def run(root: Path, timeout_s: float = 0.01, interrupt: bool = False) -> str:
    return reload(Reload("triton:8001", root, timeout_s, interrupt), tell=lambda _: None)


def fault(root: Path, **flags: bool) -> str:
    with pytest.raises(TritonError) as raised:
        run(root, **flags)
    return str(raised.value)


def test_the_former_version_is_put_back(root: Path, serve: Serve) -> None:
    triton = serve("1")
    triton.wrong = {"2"}
    message = fault(root)
    assert message.startswith("version 2 does not give its known answers")
    assert message.endswith("version 1 was put back")
    assert triton.ensemble == {"1": "READY"}


def test_a_former_version_that_cannot_be_put_back_hides_nothing(root: Path, serve: Serve) -> None:
    triton = serve("1")
    loads = iter([False, True])  # held beside, then not put back

    def load_as(model: str, *_: object) -> None:
        if next(loads):
            raise TritonError(f"load_as {model} failed")

    triton.load_as = load_as
    triton.wrong = {"2"}
    message = fault(root)
    assert message.startswith("version 2 does not give its known answers")
    assert "version 1 could not be put back (load_as alexnet failed)" in message
    assert message.endswith("version 2 is in service")
    loads = iter([False, True])
    triton = serve("1")
    triton.load_as = load_as
    triton.fails = {"load alexnet"}
    message = fault(root)
    assert message.startswith("load alexnet failed")
    assert message.endswith("none is in service")


def test_the_version_in_service_is_not_said_to_be_put_back(root: Path, serve: Serve) -> None:
    triton = serve("2")
    triton.wrong = {"2"}
    message = fault(root)
    assert "put back" not in message
    assert "version 2 is in service, as before" in message
    assert "load_as alexnet" not in triton.calls
    triton.wrong, triton.fails = set(), {"load alexnet"}
    assert fault(root) == "load alexnet failed; version 2 was put back"
    assert triton.ensemble == {"2": "READY"}


def test_what_fails_after_the_switch_does_not_undo_it(root: Path, serve: Serve) -> None:
    triton = serve("1")
    triton.fails = {"load conv1"}
    message = fault(root)
    assert message == "version 2 is in service, but load conv1 failed; run this again"
    triton.fails = set()
    assert run(root) == "2"
    assert triton.calls.count("load conv1") == 2


@pytest.mark.parametrize("failing", ["busy", "load conv1", "unload s2_conv345_tower1"])
def test_models_that_the_next_run_cannot_know_are_named(
    root: Path, serve: Serve, run_folder: RunFolder, failing: str
) -> None:
    triton = serve("2")
    parts = {step.model for step in open_repository(root).steps()}
    deploy(run_folder("c"), Deployment(root, layout="single"))
    triton.busy, triton.fails = failing == "busy", {failing}
    message = fault(root)
    said = "version 2 still has requests under way" if failing == "busy" else f"{failing} failed"
    assert message.startswith(f"version 3 is in service, but {said}")
    named = message.partition("unload what only it needed: ")[2].partition(" (POST")[0]
    done = {call.removeprefix("unload ") for call in triton.calls if call.startswith("unload ")}
    assert set(named.split(", ")) | (done - {failing.removeprefix("unload ")}) == parts
    triton.busy, triton.fails = False, set()
    assert run(root) == "3"


def test_an_interrupted_service_is_said(root: Path, serve: Serve, run_folder: RunFolder) -> None:
    triton = serve("1")
    deploy(run_folder("c"), Deployment(root))  # no longer holds the parts of version 1
    triton.busy = True
    message = fault(root, interrupt=True)
    assert "no version is in service, as --interrupt unloaded version 1" in message
    triton.busy, triton.ensemble = False, {}
    assert run(root, interrupt=True) == "3"


def test_known_answers_are_read_before_anything_is_loaded(root: Path, serve: Serve) -> None:
    triton = serve("1")
    (root / "alexnet" / GOLDEN_FILE).write_bytes(b"no archive")
    relist(root, f"alexnet/{GOLDEN_FILE}")
    with pytest.raises(RepositoryError, match=r"golden\.npz cannot be read"):
        run(root)
    assert not any(call.startswith("load") for call in triton.calls)
