"""``alexnet-server index ...``: results on stdout, messages on stderr, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from alexnet_server.cli import main
from tests.written_index import leaf_pages, overwrite_page, write_index

COUNT = 40


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_index(tmp_path / "index.sqlite", COUNT)
    return tmp_path / "index.sqlite"


def url(path: Path) -> str:
    return f"sqlite:///{path}"


def test_check_repair_and_check_again(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["index", "check", "--index", url(path)]) == 0
    assert json.loads(capsys.readouterr().out)["sound"]
    overwrite_page(path, leaf_pages(path, "features")[1], b"")
    assert main(["index", "check", "--index", url(path)]) == 1
    told = json.loads(capsys.readouterr().out)
    lost = {one["id"] for one in told["listed"] if one["fault"] == "unreadable"}
    assert main(["index", "repair", "--index", url(path)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {one["id"] for one in told["lost"]} == lost
    assert Path(told["damaged_file"]).exists()
    assert main(["index", "check", "--index", url(path)]) == 0
    assert json.loads(capsys.readouterr().out)["pictures"] == COUNT - len(lost)


def test_backup(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "copy.sqlite"
    assert main(["index", "backup", "--index", url(path), str(out)]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "backup": str(out),
        "bytes": out.stat().st_size,
    }
    assert main(["index", "check", "--index", url(out)]) == 0
    capsys.readouterr()
    before = out.read_bytes()
    assert main(["index", "backup", "--index", url(path), str(out)]) == 1
    assert "is there already" in capsys.readouterr().err
    assert out.read_bytes() == before


def test_a_damaged_index_is_not_backed_up_as_if_it_were_sound(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overwrite_page(path, leaf_pages(path, "features")[1], b"")
    assert main(["index", "backup", "--index", url(path), str(tmp_path / "copy")]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "index check" in captured.err
    assert [each.name for each in tmp_path.iterdir()] == ["index.sqlite"]


@pytest.mark.parametrize("command", [["check"], ["repair"], ["backup", "x"], ["reindex"]])
@pytest.mark.parametrize("index", ["milvus://localhost:19530/alexnet", "sqlite:///no/such/file"])
def test_what_is_no_index_file_is_refused(
    command: list[str], index: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["index", *command, "--index", index]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("alexnet-server: ")


def test_a_variable_names_the_index_too(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ALEXNET_INDEX", url(path))
    assert main(["index", "check"]) == 0
    assert json.loads(capsys.readouterr().out)["pictures"] == COUNT


@pytest.mark.parametrize("arguments", [["index"], ["index", "mend"], ["index", "check", "--port"]])
def test_usage_is_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


@pytest.mark.parametrize("verb", ["check", "repair", "backup", "reindex"])
def test_help_needs_nothing(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["index", verb, "--help"])
    assert caught.value.code == 0
    assert "--index" in capsys.readouterr().out
