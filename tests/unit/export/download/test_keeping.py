"""What has come is kept: by one process at a time, through Ctrl-C, a kill and a full disk."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from alexnet_export.errors import DownloadError
from alexnet_export.importing.download import fetch
from alexnet_export.importing.part_file import PartFile
from tests.file_server import FileServer
from tests.unit.export.download.given import BRISK, CONTENT, OTHER, Told, got, part, wanted
from tests.waiting import wait_until


def test_one_process_at_a_time(server: FileServer, tmp_path: Path) -> None:
    with (
        PartFile(tmp_path / "net.onnx", len(CONTENT)),
        pytest.raises(DownloadError, match="another process is fetching"),
    ):
        fetch(wanted(server.address), tmp_path, Told(), BRISK)
    assert server.seen == []
    got(wanted(server.address), tmp_path)


def test_a_file_that_is_there_needs_nothing_but_reading(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(CONTENT)
    with PartFile(tmp_path / "net.onnx", len(CONTENT)):
        fetch(wanted("http://127.0.0.1/file"), tmp_path, Told(), BRISK)


def test_another_file_of_its_name_is_left_alone(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(OTHER)
    with pytest.raises(DownloadError, match="move it away"):
        fetch(wanted(server.address), tmp_path, Told(), BRISK)
    assert (tmp_path / "net.onnx").read_bytes() == OTHER
    assert server.seen == []


def test_a_disk_without_the_space_is_told_before(server: FileServer, tmp_path: Path) -> None:
    large = replace(wanted(server.address), size_bytes=10**18)
    with pytest.raises(DownloadError, match=r"1,000,000,000,000,000,000 are needed: make room"):
        fetch(large, tmp_path, Told(), BRISK)
    assert server.seen == []


def test_a_folder_that_cannot_be_made(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DownloadError, match="cannot be written: Not a directory"):
        fetch(wanted(server.address), tmp_path / "file" / "downloads", Told(), BRISK)
    assert server.seen == []


FETCH = """
import resource, sys
from pathlib import Path
from alexnet_export.importing.download import RemoteFile, fetch
address, size, sha256, folder, most = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_FSIZE, (int(most), int(most)))
tell = lambda line: print(line, flush=True)
fetch(RemoteFile("net.onnx", (address,), int(size), sha256), Path(folder), tell)
"""


def fetching(server: FileServer, folder: Path, most_bytes: int = -1) -> subprocess.Popen[str]:
    """The same in a process of its own, whose files may have ``most_bytes``."""
    given = [server.address, str(len(CONTENT)), server.sha256, str(folder), str(most_bytes)]
    return subprocess.Popen(
        [sys.executable, "-c", FETCH, *given],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_ctrl_c_keeps_what_came(server: FileServer, tmp_path: Path) -> None:
    server.stalls = [200_000]
    process = fetching(server, tmp_path)
    wait_until(lambda: len(part(tmp_path)) > 190_000)  # the rest may be in its buffer
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert "200,000 bytes are kept: the same command goes on from there" in out
    assert "KeyboardInterrupt" in err
    assert part(tmp_path) == CONTENT[:200_000]
    got(wanted(server.address), tmp_path)
    assert server.ranges() == [None, "bytes=200000-"]


def test_a_kill_keeps_what_came(server: FileServer, tmp_path: Path) -> None:
    server.stalls = [200_000]
    process = fetching(server, tmp_path)
    wait_until(lambda: len(part(tmp_path)) > 190_000)
    process.kill()
    process.communicate(timeout=60)
    kept = len(part(tmp_path))
    got(wanted(server.address), tmp_path)
    assert server.ranges() == [None, f"bytes={kept}-"]


def test_a_disk_that_is_full_keeps_what_came(server: FileServer, tmp_path: Path) -> None:
    process = fetching(server, tmp_path, most_bytes=120_000)
    _, err = process.communicate(timeout=60)
    assert "DownloadError" in err
    assert "net.onnx cannot be written: File too large; what has come is kept" in err
    kept = part(tmp_path)
    assert 0 < len(kept) <= 120_000
    assert kept == CONTENT[: len(kept)]
    got(wanted(server.address), tmp_path)
