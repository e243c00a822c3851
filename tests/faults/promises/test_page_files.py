"""A server whose own files are gone or unreadable says no more than that it failed."""

from __future__ import annotations

import shutil
from pathlib import Path

import httpx
import pytest

import alexnet_server
from tests.faults.promises.discretion import require_discreet
from tests.running_server import running_server
from tests.waiting import WAIT_S, wait_until

PACKAGE = Path(alexnet_server.__file__).parent


def test_files_of_the_package_that_cannot_be_read(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "spoiled" / "alexnet_server"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "openapi.json").write_text("{ this is no JSON")
    (copy / "page" / "index.html").unlink()
    (copy / "page" / "index.html").mkdir()
    (copy / "page" / "page.js").unlink()
    monkeypatch.setenv("PYTHONPATH", str(copy.parent))
    with (
        running_server(repository, tmp_path / "index.sqlite") as server,
        httpx.Client(base_url=server.url, timeout=WAIT_S, verify=False) as client,
    ):
        for path, wanted in (("/openapi.json", 500), ("/", 404), ("/page/page.js", 404)):
            answer = client.get(path)
            said = require_discreet(answer.status_code, answer.content, str(tmp_path))
            assert answer.status_code == wanted, (path, said)
        wait_until(lambda: "Expecting property name" in "".join(server.messages))
        assert str(copy) in "".join(server.messages)  # it is the copy that ran
        assert client.get("/livez").status_code == 200
