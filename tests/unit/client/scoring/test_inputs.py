from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from alexnet_client.scoring.errors import InUse, NothingToScore, NotTheSame
from alexnet_client.scoring.inputs import Inputs, named_by
from alexnet_client.scoring.lock import Lock

ODD = [b"line\nbreak.jpg", b"caf\xe9.jpg", b" blanks .jpg", "grün.jpg".encode(), b'quote".jpg']


def unexpected(error: OSError) -> None:
    raise error


def named(source: Path) -> list[str]:
    return list(named_by(str(source), unexpected))


@pytest.fixture
def odd(tmp_path: Path) -> list[Path]:
    """Files of names that are hard to carry."""
    folder = tmp_path / "odd"
    folder.mkdir()
    paths = [folder / os.fsdecode(name) for name in ODD]
    for path in paths:
        path.write_bytes(b"x")
    return paths


def test_odd_names_of_a_folder_come_back_to_the_same_files(odd: list[Path], tmp_path: Path) -> None:
    inputs = Inputs(tmp_path / "inputs")
    assert inputs.begin(named(odd[0].parent)) == len(odd)
    assert sorted(inputs) == sorted(map(str, odd))
    assert all(Path(path).exists() for path in inputs)


def test_a_list_with_nul_characters_may_have_line_breaks(odd: list[Path], tmp_path: Path) -> None:
    listed = tmp_path / "list"
    listed.write_bytes(b"".join(os.fsencode(path) + b"\0" for path in odd))
    assert named(listed) == list(map(str, odd))


def test_a_list_of_lines(tmp_path: Path) -> None:
    listed = tmp_path / "list"
    listed.write_bytes(b"a.jpg\r\n\ncaf\xe9.jpg\nlast.jpg")
    assert named(listed) == ["a.jpg", os.fsdecode(b"caf\xe9.jpg"), "last.jpg"]


@pytest.mark.parametrize("end", [b"\r\n", b"\0"])
def test_a_list_as_windows_editors_write_it(tmp_path: Path, end: bytes) -> None:
    listed = tmp_path / "list"
    listed.write_bytes(b"\xef\xbb\xbfa.jpg" + end + "grün.jpg".encode() + end)
    assert named(listed) == ["a.jpg", "grün.jpg"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_a_list_in_utf16_is_refused(tmp_path: Path, encoding: str) -> None:
    listed = tmp_path / "list"
    listed.write_bytes("\ufeffa.jpg\r\nb.jpg\r\n".encode(encoding))
    with pytest.raises(NothingToScore, match="save it as UTF-8"):
        named(listed)


def test_a_list_of_another_encoding_is_told_where_names_are_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Windows has it; elsewhere names are bytes, and any will do."""
    monkeypatch.setattr(os, "fsdecode", lambda name: name.decode("utf-8", "surrogatepass"))
    listed = tmp_path / "list"
    listed.write_bytes(b"a.jpg\ncaf\xe9.jpg\n")
    with pytest.raises(NothingToScore, match=r"caf\\xe9\.jpg' in the list is not UTF-8"):
        named(listed)


def test_a_list_longer_than_a_piece(tmp_path: Path) -> None:
    paths = [f"folder/{number:06}.jpg" for number in range(9000)]
    listed = tmp_path / "list"
    listed.write_text("\n".join(paths))
    assert named(listed) == paths


def test_a_list_on_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a.jpg\nb.jpg\n")))
    assert list(named_by("-", unexpected)) == ["a.jpg", "b.jpg"]


def test_links_in_circles_end(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.jpg").write_bytes(b"x")
    (tmp_path / "folder" / "up").symlink_to(tmp_path)
    assert named(tmp_path) == [str(tmp_path / "folder" / "a.jpg")]


def test_a_picture_is_no_list(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(NothingToScore, match="is a picture"):
        named(tmp_path / "a.jpg")


def test_nothing_to_score(tmp_path: Path) -> None:
    with pytest.raises(NothingToScore, match="no picture"):
        Inputs(tmp_path / "inputs").begin([])
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(NothingToScore, match="cannot be read"):
        named(tmp_path / "missing")


def test_another_list_is_refused(tmp_path: Path) -> None:
    inputs = Inputs(tmp_path / "inputs")
    inputs.begin(["a.jpg", "b.jpg"])
    assert inputs.same(["a.jpg", "b.jpg"]) == 2
    for other in (["a.jpg"], ["a.jpg", "c.jpg"], ["b.jpg", "a.jpg"], ["a.jpg", "b.jpg", "c.jpg"]):
        with pytest.raises(NotTheSame, match="the list is not the one"):
            inputs.same(other)


def test_a_folder_grows_at_the_end(tmp_path: Path) -> None:
    inputs = Inputs(tmp_path / "inputs")
    inputs.begin(["b.jpg", "d.jpg"])
    assert inputs.grow(["a.jpg", "b.jpg", "c.jpg"]) == 4  # d.jpg is gone, and keeps its place
    assert list(inputs) == ["b.jpg", "d.jpg", "a.jpg", "c.jpg"]
    assert inputs.grow(["a.jpg"]) == 4


def test_the_lock_is_one_holders(tmp_path: Path) -> None:
    with Lock(tmp_path / "lock"), pytest.raises(InUse), Lock(tmp_path / "lock"):
        pass
    with Lock(tmp_path / "lock"):
        pass
