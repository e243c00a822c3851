import os
import sys
from pathlib import Path

import pytest

from alexnet_client import walk


def _touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_pictures_are_told_by_suffix_and_sorted(tmp_path):
    _touch(tmp_path, "b.JPG", "a.jpeg", "c.Png", "d.webp", "e.gif", "notes.txt", "jpg")
    assert [picture.path.name for picture in walk(tmp_path)] == [
        "a.jpeg",
        "b.JPG",
        "c.Png",
        "d.webp",
    ]


def test_the_class_folder_is_the_label(tmp_path):
    _touch(tmp_path, "top.jpg", "cat/1.jpg", "animals/dog/2.jpg")
    found = {p.metadata["path"]: p.label for p in walk(str(tmp_path))}
    assert found == {"top.jpg": None, "cat/1.jpg": "cat", "animals/dog/2.jpg": "dog"}


def test_the_label_of_a_relative_folder_is_not_its_own_name(tmp_path, monkeypatch):
    _touch(tmp_path, "photos/top.jpg", "photos/cat/1.jpg")
    monkeypatch.chdir(tmp_path / "photos")
    assert [p.label for p in walk(".")] == [None, "cat"]


def test_hidden_names_are_passed_over(tmp_path):
    _touch(tmp_path, "cat/._1.jpg", "cat/1.jpg", ".trash/2.jpg")
    assert [p.metadata["path"] for p in walk(tmp_path)] == ["cat/1.jpg"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_a_link_back_up_is_no_endless_walk(tmp_path):
    _touch(tmp_path, "cat/1.jpg")
    (tmp_path / "cat" / "again").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "cat" / "2.jpg").symlink_to(tmp_path / "cat" / "1.jpg")
    assert [p.metadata["path"] for p in walk(tmp_path)] == ["cat/1.jpg", "cat/2.jpg"]


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes only there")
def test_names_that_are_no_utf8_give_plain_text(tmp_path):
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    Path(os.fsdecode(folder)).mkdir()
    Path(os.fsdecode(folder + b"/\xff.jpg")).touch()
    (picture,) = walk(tmp_path)
    assert picture.path.exists()
    assert picture.label == r"caf\udce9"
    assert picture.metadata["path"].encode() == rb"caf\udce9/\udcff.jpg"


def test_a_folder_that_cannot_be_listed_is_told(tmp_path):
    with pytest.raises(FileNotFoundError):
        list(walk(tmp_path / "gone"))
    told = []
    assert list(walk(tmp_path / "gone", unreadable=told.append)) == []
    assert [Path(error.filename).name for error in told] == ["gone"]
