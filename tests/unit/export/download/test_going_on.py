"""A file that comes whole, in pieces, or in pieces of two versions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from alexnet_export.errors import DownloadError, OfflineError
from alexnet_export.importing.download import fetch
from tests.file_server import FileServer
from tests.unit.export.download.given import BRISK, CONTENT, OTHER, Told, got, part, wanted


def test_it_is_fetched_once_and_says_how_large_it_is(server: FileServer, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "downloads"
    told = got(wanted(server.address), folder)
    assert told == [f"fetching net.onnx from {server.address}: 300,000 bytes"]
    assert got(wanted(server.address), folder) == []
    assert server.ranges() == [None]
    assert server.seen[0]["Accept-Encoding"] == "identity"


def test_only_the_first_digits_of_a_sha256_may_be_published(
    server: FileServer, tmp_path: Path
) -> None:
    known = replace(wanted(server.address), sha256=server.sha256[:8])
    fetch(known, tmp_path, Told(), BRISK)
    server.content = OTHER
    (tmp_path / "net.onnx").unlink()
    with pytest.raises(DownloadError, match=f"its sha256 is not {known.sha256}"):
        fetch(known, tmp_path, Told(), BRISK)


def test_nothing_is_drawn_off_a_terminal(
    server: FileServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    got(wanted(server.address), tmp_path)
    assert capfd.readouterr() == ("", "")


def test_a_cut_answer_is_gone_on_with(server: FileServer, tmp_path: Path) -> None:
    server.cuts = [100_000, 150_000]
    told = got(wanted(server.address), tmp_path)
    assert server.ranges() == [None, "bytes=100000-", "bytes=250000-"]
    assert [one["If-Range"] for one in server.seen] == [None, '"first"', '"first"']
    assert "again in" in told[1]


def test_a_line_that_is_cut_often_is_worth_many_attempts(
    server: FileServer, tmp_path: Path
) -> None:
    server.cuts = [20_000] * 14
    got(wanted(server.address), tmp_path)
    assert len(server.seen) == 15


def test_what_has_come_is_gone_on_with_by_the_next_process(
    server: FileServer, tmp_path: Path
) -> None:
    server.cuts = [200_000]
    with pytest.raises(OfflineError):
        fetch(wanted(server.address), tmp_path, Told(), replace(BRISK, attempts=1))
    assert part(tmp_path) == CONTENT[:200_000]
    told = got(wanted(server.address), tmp_path)
    assert told[0].endswith("300,000 bytes, 200,000 of them are there")
    assert server.ranges() == [None, "bytes=200000-"]


def test_a_part_that_is_whole_is_not_asked_for(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "net.onnx.part").write_bytes(CONTENT)
    got(wanted(server.address), tmp_path)
    assert server.seen == []


@pytest.mark.parametrize("there", [OTHER, CONTENT + b"more"], ids=["damaged", "too long"])
def test_a_part_that_is_wrong_is_fetched_anew(
    server: FileServer, tmp_path: Path, there: bytes
) -> None:
    (tmp_path / "net.onnx.part").write_bytes(there)
    got(wanted(server.address), tmp_path)
    assert server.ranges() == [None]


def test_a_server_that_knows_no_ranges_starts_over(server: FileServer, tmp_path: Path) -> None:
    server.has_ranges, server.cuts = False, [200_000, 250_000]
    got(wanted(server.address), tmp_path)
    assert server.ranges() == [None, "bytes=200000-", "bytes=250000-"]


def test_a_server_that_knows_no_ranges_is_not_asked_for_ever(
    server: FileServer, tmp_path: Path
) -> None:
    server.has_ranges, server.cuts = False, [200_000] * 100
    with pytest.raises(OfflineError, match="cannot be fetched from here"):
        fetch(wanted(server.address), tmp_path, Told(), BRISK)
    assert len(server.seen) == BRISK.attempts


def test_a_file_that_changed_meanwhile_is_fetched_whole(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "net.onnx.part").write_bytes(OTHER[:100_000])
    (tmp_path / "net.onnx.part.tag").write_text(f'{server.address}\n"former"')
    told = got(wanted(server.address), tmp_path)
    assert [one["If-Range"] for one in server.seen] == ['"former"']
    assert "do not fit" not in told.text


@pytest.mark.parametrize("tag", [None, 'W/"first"'], ids=["none", "weak"])
def test_pieces_of_two_versions_are_found_out(
    server: FileServer, tmp_path: Path, tag: str | None
) -> None:
    """Without a strong entity tag nobody can know before the sha256 does."""
    server.tag, server.content, server.cuts = tag, OTHER, [100_000]
    with pytest.raises(OfflineError):
        fetch(wanted(server.address), tmp_path, Told(), replace(BRISK, attempts=1))
    server.content = CONTENT
    told = got(wanted(server.address), tmp_path)
    assert "the pieces do not fit together; starting over" in told
    assert server.ranges() == [None, "bytes=100000-", None]
    assert {one["If-Range"] for one in server.seen} == {None}
