"""Servers that are busy, slow, silent, elsewhere or away."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from alexnet_export.errors import DownloadError, OfflineError
from alexnet_export.importing import download
from alexnet_export.importing.download import by_hand, fetch
from alexnet_export.importing.part_file import PartFile
from alexnet_export.importing.transfer import Refusal, transfer
from tests.file_server import FileServer, served
from tests.unit.export.download.given import BRISK, CONTENT, STALLED, Told, got, part, wanted


def test_a_missing_file_is_asked_for_once_and_then_elsewhere(
    server: FileServer, tmp_path: Path
) -> None:
    with served(CONTENT) as mirror:
        server.statuses = [404]
        got(wanted(server.address, mirror.address), tmp_path)
        assert (len(server.seen), len(mirror.seen)) == (1, 1)
    server.statuses = [404]
    with pytest.raises(DownloadError, match="answers 404 Not Found") as refused:
        fetch(wanted(server.address), tmp_path / "anew", Told(), BRISK)
    assert not isinstance(refused.value, OfflineError)


def test_the_next_address_goes_on_with_what_came_of_the_first(
    server: FileServer, tmp_path: Path
) -> None:
    with served(CONTENT) as mirror:
        mirror.tag, server.cuts, server.statuses = '"another"', [100_000], []
        patience = replace(BRISK, attempts=1)
        got(wanted(server.address, mirror.address), tmp_path, patience)
        assert mirror.ranges() == ["bytes=100000-"]
        assert mirror.seen[0]["If-Range"] is None  # a tag is of its own server


def test_a_busy_server_is_asked_again_but_not_for_ever(server: FileServer, tmp_path: Path) -> None:
    server.statuses = [503, 429]
    got(wanted(server.address), tmp_path)
    assert len(server.seen) == 3
    server.statuses = [503] * 100
    with pytest.raises(OfflineError, match="answers 503 Service Unavailable"):
        fetch(wanted(server.address), tmp_path / "anew", Told(), BRISK)
    assert len(server.seen) == 3 + BRISK.attempts


def test_a_slow_server_is_waited_for_as_long_as_it_sends(
    server: FileServer, tmp_path: Path
) -> None:
    server.pause_s = 0.03  # 0.6 s in all
    got(wanted(server.address), tmp_path, replace(BRISK, read_timeout_s=0.5))
    assert len(server.seen) == 1


def test_a_server_that_stalls_is_left(server: FileServer, tmp_path: Path) -> None:
    server.stalls = [100_000]
    told = got(wanted(server.address), tmp_path, STALLED)
    assert "no byte for 0.2 s; again in" in told.text
    assert server.ranges() == [None, "bytes=100000-"]


def test_a_server_that_stalls_for_ever_is_given_up_and_what_came_is_kept(
    server: FileServer, tmp_path: Path
) -> None:
    server.stalls = [100_000, *[0] * 100]
    with pytest.raises(OfflineError, match=r"no byte for 0\.2 s"):
        fetch(wanted(server.address), tmp_path, Told(), STALLED)
    assert part(tmp_path) == CONTENT[:100_000]
    assert len(server.seen) == STALLED.attempts


def test_without_a_network_it_says_what_to_fetch_where(closed: str, tmp_path: Path) -> None:
    told, remote = Told(), wanted(closed, closed + "?mirror")
    with pytest.raises(OfflineError) as offline:
        fetch(remote, tmp_path, told, BRISK)
    assert by_hand(remote, tmp_path) in str(offline.value)
    for needed in (*remote.addresses, "300,000 bytes", remote.sha256, str(tmp_path / "net.onnx")):
        assert needed in str(offline.value)
    # One that never answered is not worth much patience.
    assert sum("again in" in line for line in told) == 2 * (BRISK.first_attempts - 1)
    assert not part(tmp_path)


def test_an_address_that_does_not_answer_is_passed_over(
    server: FileServer, closed: str, tmp_path: Path
) -> None:
    told = got(wanted(closed, server.address), tmp_path)
    assert told[-1].startswith(f"fetching net.onnx from {server.address}")


def test_redirects_are_followed(server: FileServer, tmp_path: Path) -> None:
    server.leads_to = {"/file": "/elsewhere", "/elsewhere": f"http://127.0.0.1:{server.port}/x"}
    got(wanted(server.address), tmp_path)
    assert len(server.seen) == 3


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/file", "file:///etc/hostname"])
def test_redirects_out_of_http_are_refused(server: FileServer, tmp_path: Path, target: str) -> None:
    server.leads_to = {"/file": target}
    with pytest.raises(DownloadError, match="which is not http or https"):
        fetch(wanted(server.address), tmp_path, Told(), BRISK)


def test_redirects_in_a_circle_end(server: FileServer, tmp_path: Path) -> None:
    server.leads_to = {"/file": "/file"}
    with pytest.raises(DownloadError, match="redirects more than 5 times"):
        fetch(wanted(server.address), tmp_path, Told(), BRISK)


def test_a_redirect_does_not_give_up_tls(tmp_path: Path) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.scheme == "https"
        return httpx.Response(302, headers={"Location": "http://elsewhere.example/file"})

    with (
        httpx.Client(transport=httpx.MockTransport(answer)) as client,
        PartFile(tmp_path / "net.onnx", 5) as opened,
        pytest.raises(Refusal, match="which is not https"),
    ):
        transfer(client, "https://example.org/file", opened, lambda _: None)


@pytest.mark.parametrize("address", ["ftp://127.0.0.1/file", "file:///etc/hostname", "net.onnx"])
def test_addresses_are_those_of_http(tmp_path: Path, address: str) -> None:
    with pytest.raises(DownloadError, match="not http or https"):
        fetch(wanted(address), tmp_path, Told(), BRISK)


def test_nothing_else_of_the_export_speaks_http() -> None:
    package = Path(download.__file__).parent
    speaking = {path.name for path in package.rglob("*.py") if "import httpx" in path.read_text()}
    assert speaking == {"download.py", "transfer.py"}
