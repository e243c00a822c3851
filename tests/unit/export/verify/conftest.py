from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alexnet_export import cli
from alexnet_server import cli as server_cli
from alexnet_server import serve as serving
from tests.narrow_repository import deploy_narrow

Refusals = Callable[[], list[str]]


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What every test here gets a copy of; its run folder stands beside it."""
    return deploy_narrow(tmp_path_factory.mktemp("deployed"))


@pytest.fixture
def root(deployed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(deployed, tmp_path / "repository"))


@pytest.fixture
def refused(
    root: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Refusals]:
    """What ``verify`` and ``serve`` say; a server that would listen fails the test."""

    def listen(*_: object, **__: object) -> None:
        raise AssertionError("the server would have listened")

    monkeypatch.setattr(serving, "Listening", listen)
    index = f"sqlite:///{tmp_path}/index.sqlite"

    def ask() -> list[str]:
        at = ("--repository", str(root))
        said = []
        for main, arguments in (
            (cli.main, ["verify", *at]),
            (server_cli.main, ["serve", *at, "--index", index, "--port", "0"]),
        ):
            assert main(arguments) == 1
            printed = capfd.readouterr()
            assert printed.out == ""
            assert printed.err.count("\n") == 1
            said.append(printed.err)
        return said

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield ask
    for number, handler in before.items():  # serving changes what ends the process
        signal.signal(number, handler)
