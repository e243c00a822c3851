"""Odd names, links in circles, what cannot be read or written: for each command that takes it."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from alexnet_client import cli
from alexnet_client.whole_file import whole_file

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no such names and links there")
LATIN_1 = os.fsdecode(b"caf\xe9\n\x1b[31m.jpg")
TAKING_PICTURES = ["classify", "features", "search", "add", "evaluate"]


@pytest.fixture
def server(scripted, wire):
    """Answers every call about pictures."""
    card = wire.MODEL | {"dialect": "d", "layout": "towers", "precision": "fp32"}
    about = {"id": "a", "label": None, "metadata": None, "created": True, "neighbors": []}

    def answer(request):
        if request.path == "/model":
            return wire.as_json(card | {"classes": ["hat"], "metrics": {}})
        if request.path == "/classify":
            return wire.labels_of(request)
        if request.headers.get("accept") == "application/x-npy":
            return _matrix(request, wire)
        return wire.as_json({"model": wire.MODEL, "results": [about for _ in _images(request)]})

    scripted.answer = answer
    return scripted


def _images(request):
    return request.values("image")


def _matrix(request, wire):
    file = io.BytesIO()
    np.save(file, np.ones((len(_images(request)), 4096), dtype=np.float32))
    return wire.Answer(200, file.getvalue(), "application/x-npy")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "photos" / "hat").mkdir(parents=True)
    (tmp_path / "photos" / "hat" / "good.jpg").write_bytes(b"hat")
    return tmp_path / "photos"


@pytest.mark.skipif(sys.platform == "darwin", reason="names must be UTF-8 there")
@pytest.mark.parametrize("name", TAKING_PICTURES)
def test_a_name_of_another_encoding_with_line_breaks(name, server, folder, capsys):
    odd = folder / "hat" / LATIN_1
    odd.write_bytes(b"hat")
    assert cli.main([name, str(folder), "--json", "--server", server.url]) == 0
    output = capsys.readouterr()
    assert "\x1b" not in output.out + output.err
    names = {one["filename"] for one in json.loads(output.out)["results"]}
    assert os.fsencode(odd) in {os.fsencode(one) for one in names}
    sent = [name for one in server.requests if one.body for _, name, _ in one.form if name]
    assert set(sent) == {"good.jpg", r"caf\udce9\n\x1b[31m.jpg"}
    assert cli.main([name, str(folder), "--server", server.url]) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert text.isascii()


@pytest.mark.parametrize("name", TAKING_PICTURES)
def test_links_in_circles_and_what_is_no_file(name, server, folder, capsys):
    (folder / "hat" / "again").symlink_to(folder, target_is_directory=True)
    (folder / "hat" / "loop.jpg").symlink_to("loop.jpg")
    (folder / "hat" / "gone.jpg").symlink_to("nowhere.jpg")
    os.mkfifo(folder / "hat" / "pipe.jpg")
    (folder / "hat" / "folder.jpg").mkdir()
    assert cli.main([name, str(folder), "--json", "--server", server.url]) == 1
    results = json.loads(capsys.readouterr().out)["results"]
    outcomes = {Path(one["filename"]).name: one.get("error", {}).get("code") for one in results}
    assert outcomes == {
        "good.jpg": None,
        "loop.jpg": "unreadable_file",
        "gone.jpg": "unreadable_file",
        "pipe.jpg": "unreadable_file",
    }


@pytest.mark.parametrize("name", ["loop", "x" * 300])
def test_an_argument_that_leads_nowhere(name, server, folder, capsys):
    (folder / "loop").symlink_to("loop")
    paths = [str(folder / name), str(folder / "hat" / "good.jpg")]
    assert cli.main(["classify", *paths, "--json", "--server", server.url]) == 1
    bad, good = json.loads(capsys.readouterr().out)["results"]
    assert (bad.get("error") or good["error"])["code"] == "unreadable_file"


@pytest.mark.parametrize(
    "command",
    [
        ["score", "LONG", "--out", "a.jsonl"],
        ["score", ".", "--out", "LONG/a.jsonl"],
        ["score", ".", "--out", "a.jsonl", "--features", "LONG/a.npy"],
        ["features", "a.jpg", "--out", "LONG/a.npy"],
        ["evaluate", "LONG"],
    ],
)
def test_a_name_longer_than_names_may_be_is_exit_code_2(command, server, capsys):
    words = [word.replace("LONG", "x" * 300) for word in command]
    with pytest.raises(SystemExit) as ended:
        cli.main([*words, "--json", "--server", server.url])
    assert ended.value.code == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "bad_command_line"
    assert server.requests == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
@pytest.mark.parametrize("name", TAKING_PICTURES)
def test_files_and_folders_that_may_not_be_read(name, server, folder, capsys):
    (folder / "hat" / "closed.jpg").touch(mode=0)
    (folder / "closed").mkdir(mode=0)
    try:
        assert cli.main([name, str(folder), "--json", "--server", server.url]) == 1
    finally:
        (folder / "closed").chmod(0o700)
    results = json.loads(capsys.readouterr().out)["results"]
    codes = sorted(one["error"]["code"] for one in results if "error" in one)
    assert codes == ["unreadable_file", "unreadable_folder"]


@pytest.mark.parametrize("command", [["list", "--label"], ["add", "a.jpg", "--label"]])
def test_a_label_of_another_encoding_is_never_sent(command, server, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([*command, os.fsdecode(b"caf\xe9"), "--server", server.url])
    assert ended.value.code == 2
    assert r"caf\udce9" in capsys.readouterr().err
    assert server.requests == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a disk that is full")
@pytest.mark.parametrize("arguments", [["classify", "photos"], ["evaluate", "photos", "--json"]])
def test_output_that_cannot_be_written_is_no_traceback(arguments, server, folder):
    (folder / "hat" / "later.jpg").write_bytes(b"bad")  # told while output waits in its buffer
    main = "import sys; from alexnet_client.cli import main; sys.exit(main())"
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", main, *arguments, "--server", server.url],
            cwd=folder.parent,
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
        )
    assert done.returncode == 1
    assert b"No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"older")

    def write_half():
        with whole_file(path) as file:
            file.write(b"new")
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        write_half()
    assert [one.read_bytes() for one in tmp_path.iterdir()] == [b"older"]
    with whole_file(path) as file:
        file.write(b"new")
    assert [one.read_bytes() for one in tmp_path.iterdir()] == [b"new"]


def test_a_device_is_written_to_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with whole_file(pipe) as file:
        file.write(b"some")
    assert os.read(reader, 9) == b"some"
    os.close(reader)
    assert pipe.is_fifo()
