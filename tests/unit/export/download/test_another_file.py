"""What is not the published file is refused, and not kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from alexnet_export.errors import DownloadError, OfflineError
from alexnet_export.importing.download import fetch
from tests.file_server import FileServer
from tests.unit.export.download.given import BRISK, CONTENT, OTHER, Told, got, part, wanted


def test_another_file_is_refused_and_not_kept(server: FileServer, tmp_path: Path) -> None:
    server.content = OTHER
    with pytest.raises(DownloadError, match="sends another file: its sha256 is not") as refused:
        fetch(wanted(server.address), tmp_path, Told(), BRISK)
    assert not isinstance(refused.value, OfflineError)
    assert server.ranges() == [None]
    assert not part(tmp_path)
    assert not (tmp_path / "net.onnx").exists()


def test_another_file_in_pieces_is_refused_at_last(server: FileServer, tmp_path: Path) -> None:
    server.content, server.cuts = OTHER, [100_000, 300_000] * 50
    with pytest.raises(DownloadError, match="sends another file: its sha256 is not"):
        fetch(wanted(server.address), tmp_path, Told(), BRISK)
    assert server.ranges() == [None, "bytes=100000-"] * 2


@pytest.mark.parametrize(
    ("content", "claimed", "reason"),
    [
        (CONTENT[:-1], None, "sends 299,999 bytes, not 300,000"),
        (CONTENT + b"1", None, "sends 300,001 bytes, not 300,000"),
        (CONTENT + b"1", -1, "sends more than 300,000 bytes"),
    ],
    ids=["short", "long", "long and without a length"],
)
def test_a_file_of_another_length_is_refused(
    server: FileServer, tmp_path: Path, content: bytes, claimed: int | None, reason: str
) -> None:
    server.content, server.claimed = content, claimed
    with pytest.raises(DownloadError, match=reason):
        fetch(wanted(server.address), tmp_path, Told(), BRISK)
    assert len(server.seen) == 1
    assert not part(tmp_path)


def test_an_end_that_comes_too_early_is_no_file(server: FileServer, tmp_path: Path) -> None:
    """Without a length, a cut looks like the end."""
    server.claimed, server.cuts = -1, [100_000]
    got(wanted(server.address), tmp_path)
    assert server.ranges() == [None, "bytes=100000-"]


def test_ends_that_come_at_once_are_not_waited_for_ever(server: FileServer, tmp_path: Path) -> None:
    server.claimed, server.cuts = -1, [0] * 100
    with pytest.raises(OfflineError, match="the answer ended after 0 bytes"):
        fetch(wanted(server.address), tmp_path, Told(), BRISK)
    assert len(server.seen) == BRISK.attempts


def test_a_rest_of_another_length_is_refused(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "net.onnx.part").write_bytes(CONTENT[:100_000])
    server.content = CONTENT + b"more"
    with pytest.raises(DownloadError, match="has 300,004 bytes, not 300,000"):
        fetch(wanted(server.address), tmp_path, Told(), BRISK)


def test_another_range_than_was_asked_for_is_not_appended(
    server: FileServer, tmp_path: Path
) -> None:
    (tmp_path / "net.onnx.part").write_bytes(CONTENT[:100_000])
    server.shift = 7
    told = got(wanted(server.address), tmp_path)
    assert "another range" in told.text
    assert server.ranges() == ["bytes=100000-", None]


def test_a_range_that_is_no_more_there_is_started_over(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "net.onnx.part").write_bytes(CONTENT[:100_000])
    server.statuses = [416]
    told = got(wanted(server.address), tmp_path)
    assert "has no such range" in told.text
    assert server.ranges() == ["bytes=100000-", None]
