"""`make check` says what it could not ask, and fails on a known vulnerability alone."""

from pathlib import Path

import pytest

from tests.audit import audit, report

SKIPPED = {"name": "torch", "skip_reason": "not found"}
SOUND = {"name": "flask", "version": "3.1.3", "vulns": []}
FOUND = {"id": "PYSEC-2018-66", "fix_versions": ["0.12.3"]}
BROKEN = {"name": "flask", "version": "0.12", "vulns": [FOUND]}


def test_what_is_known_fails_and_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert report("pins", [SOUND, BROKEN, SKIPPED]) == 1
    said = capsys.readouterr().out
    assert "flask 0.12: PYSEC-2018-66, mended in 0.12.3\n" in said
    assert "pins: 2 of 3 versions audited, 1 faults known" in said


def test_nobody_to_ask_passes_and_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert report("pins", [SKIPPED]) == 0
    assert "pins: 0 of 1 versions audited" in capsys.readouterr().out


def test_the_real_program_is_understood(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the internet flask 0.12 has known faults, without it nothing was audited."""
    pinned = tmp_path / "pins.txt"
    pinned.write_text("flask==0.12\n")
    code = audit(pinned)
    said = capsys.readouterr().out
    assert (code == 1) == ("flask 0.12: " in said)
    assert "pins.txt: 1 of 1 versions audited" in said if code else "audited" in said


def test_a_file_that_cannot_be_read_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pinned = tmp_path / "pins.txt"
    pinned.write_text("not a requirement\n")
    assert audit(pinned) == 0
    assert "pins.txt was not audited: " in capsys.readouterr().out
