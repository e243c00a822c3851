"""Published files to be fetched, and what came of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from alexnet_export.importing.download import Patience, RemoteFile, fetch
from tests.file_server import FileServer

CONTENT, OTHER = (np.random.default_rng(seed).bytes(300_000) for seed in (1, 2))
BRISK = Patience(connect_timeout_s=5, read_timeout_s=5, attempts=3, first_wait_s=0.001)
STALLED = replace(BRISK, read_timeout_s=0.2)


def wanted(*addresses: str, content: bytes = CONTENT) -> RemoteFile:
    sha256 = FileServer(content).sha256
    return RemoteFile("net.onnx", addresses, len(content), sha256)


class Told(list[str]):
    def __call__(self, line: str) -> None:
        self.append(line)

    @property
    def text(self) -> str:
        return "\n".join(self)


def got(remote: RemoteFile, folder: Path, patience: Patience = BRISK) -> Told:
    """Fetch it, and see that the folder holds the whole file and nothing half."""
    told = Told()
    path = fetch(remote, folder, told, patience)
    assert path == folder / "net.onnx"
    assert FileServer(path.read_bytes()).sha256 == remote.sha256
    assert {one.name for one in folder.iterdir()} <= {"net.onnx", "net.onnx.lock"}
    return told


def part(folder: Path) -> bytes:
    path = folder / "net.onnx.part"
    return path.read_bytes() if path.exists() else b""
