"""Told to stop before it has begun, and told to begin where another server is."""

from __future__ import annotations

import resource
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from alexnet_server.listening import MAX_CONNECTIONS, bind, url_of
from tests.faults.wire.sent import in_full
from tests.running_server import clean_environment, command, running_server
from tests.waiting import wait_until


def begin(repository: Path, index: Path, port: int = 0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(command("alexnet-server"), "serve", "--repository", str(repository)),
            *("--port", str(port), "--metrics-port", "0", "--index", f"sqlite:///{index}"),
        ],
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(),
    )


def catches_sigterm(pid: int) -> bool:
    """Whether the process handles the signal by itself (proc(5), SigCgt)."""
    (mask,) = (
        line.split()[1]
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("SigCgt:")
    )
    return bool(int(mask, 16) >> (signal.SIGTERM - 1) & 1)


def has_mapped(name: str) -> Callable[[int], bool]:
    return lambda pid: name in Path(f"/proc/{pid}/maps").read_text()


@pytest.mark.parametrize(
    "moment",
    [catches_sigterm, has_mapped("libopenvino_intel_cpu_plugin")],
    ids=["first", "loading"],
)
def test_sigterm_while_starting_ends_it_promptly(
    narrow: Path, tmp_path: Path, moment: Callable[[int], bool]
) -> None:
    process = begin(narrow, tmp_path / "index.sqlite")
    wait_until(lambda: moment(process.pid))
    process.send_signal(signal.SIGTERM)
    told_s = time.monotonic()
    _, said = process.communicate(timeout=20)
    assert process.returncode == 0, said
    assert time.monotonic() - told_s < 10
    assert "raceback" not in said and "serving" not in said


@in_full
def test_ctrl_c_while_starting(narrow: Path, tmp_path: Path) -> None:
    process = begin(narrow, tmp_path / "index.sqlite")
    wait_until(lambda: catches_sigterm(process.pid))
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130, said
    assert "raceback" not in said


def test_a_second_server_on_the_port_says_so_before_it_loads(narrow: Path, tmp_path: Path) -> None:
    with running_server(narrow, tmp_path / "index.sqlite") as server:
        process = begin(narrow, tmp_path / "other.sqlite", server.port)
        _, said = process.communicate(timeout=20)
        assert process.returncode == 1
        assert said.count("\n") == 1
        assert f"cannot listen on http://127.0.0.1:{server.port}: address already in use" in said
        assert "--port" in said
        assert not (tmp_path / "other.sqlite").exists()


@pytest.mark.parametrize(
    ("host", "address", "url"),
    [
        ("localhost", "127.0.0.1", "http://localhost:80"),
        ("::1", "::1", "http://[::1]:80"),
        ("[::1]", "::1", "http://[::1]:80"),
        ("", "0.0.0.0", "http://:80"),
        ("*", "0.0.0.0", "http://*:80"),
    ],
)
def test_names_of_this_machine(host: str, address: str, url: str) -> None:
    with bind(host, 0) as bound:
        assert bound.getsockname()[0] == address
    assert url_of(host, 80) == url


@in_full
def test_files_for_every_connection_are_had(narrow: Path, tmp_path: Path) -> None:
    """Most shells allow 1,024 open files, and 500 connections may have two and more each."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, before[1]))  # what the server begins with
    try:
        with running_server(narrow, tmp_path / "index.sqlite") as server:
            had, _ = psutil.Process(server.process.pid).rlimit(psutil.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert had >= 4 * MAX_CONNECTIONS or had == before[1]


@in_full
def test_a_host_that_is_none_of_this_machine(narrow: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(command("alexnet-server"), "serve", "--repository", str(narrow), "--insecure"),
            *("--host", "192.0.2.1", "--index", f"sqlite:///{tmp_path}/index.sqlite"),
        ],
        capture_output=True,
        text=True,
        check=False,
        env=clean_environment(),
    )
    assert done.returncode == 1
    assert "cannot listen on http://192.0.2.1:8080: cannot assign requested address" in done.stderr
    assert "raceback" not in done.stderr
