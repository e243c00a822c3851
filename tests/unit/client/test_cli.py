import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from alexnet_client import cli, report


class Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal, of any encoding."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding, write_through=True)

    def isatty(self) -> bool:
        return True

    def text(self) -> str:
        return self.buffer.getvalue().decode(self.encoding)


@pytest.fixture
def photos(tmp_path):
    """The pictures are their own labels (see the scripted server)."""
    for name, content in {"cat/1.jpg": b"cat", "dog/2.jpg": b"dog", "dog/bad.jpg": b"bad"}.items():
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "photos"


def test_classify_prints_aligned_labels(scripted, photos, capsys):
    picture = str(photos / "cat/1.jpg")
    assert cli.main(["classify", picture, "--server", scripted.url, "--top-k", "3"]) == 0
    output = capsys.readouterr()
    assert output.out == f"{picture}\n  cat   75.0 %\n"
    assert output.err == ""
    assert scripted.requests[0].query["top_k"] == ["3"]


@pytest.mark.parametrize("before", [True, False])
def test_the_server_may_be_named_before_or_after(scripted, photos, monkeypatch, capsys, before):
    monkeypatch.setenv("ALEXNET_SERVER", "http://127.0.0.1:9")
    named = ["--server", scripted.url, "--json"]
    command = ["classify", str(photos / "cat/1.jpg")]
    assert cli.main(named + command if before else command + named) == 0
    assert json.loads(capsys.readouterr().out)["results"][0]["predictions"][0]["label"] == "cat"


def test_the_server_may_come_from_the_environment(scripted, photos, monkeypatch):
    monkeypatch.setenv("ALEXNET_SERVER", scripted.url)
    assert cli.main(["classify", str(photos / "cat/1.jpg")]) == 0


def test_bad_pictures_are_named_and_the_rest_goes_on(scripted, photos, capsys):
    gone = str(photos / "gone.jpg")
    assert cli.main(["classify", gone, str(photos), "--server", scripted.url]) == 1
    output = capsys.readouterr()
    assert "75.0 %" in output.out
    assert output.out.count("%") == 2
    assert f"{gone}: cannot be read" in output.err
    assert "bad.jpg: cut short [undecodable_picture]" in output.err


def test_json_gives_every_picture_its_result_or_error(scripted, photos, capsys):
    assert cli.main(["--json", "classify", str(photos), "--server", scripted.url]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["model"]["digest"] == "sha256:abc"
    names = [Path(result["filename"]).name for result in document["results"]]
    assert names == ["1.jpg", "2.jpg", "bad.jpg"]
    assert document["results"][2]["error"] == {
        "code": "undecodable_picture",
        "title": "Broken",
        "detail": "cut short",
    }


@pytest.mark.parametrize(
    ("share", "utf8", "ascii_"),
    [(0.0, "", ""), (0.5, "█" * 12, "#" * 12), (1.0, "█" * 24, "#" * 24), (0.0625, "█▌", "##")],
)
def test_bars_are_of_one_width_in_any_encoding(monkeypatch, share, utf8, ascii_):
    for encoding, drawn in (("utf-8", utf8), ("cp1252", ascii_)):
        monkeypatch.setattr(sys, "stdout", Terminal(encoding))
        assert report.bar(share) == drawn.ljust(24)


def test_on_a_terminal_labels_have_bars(scripted, photos, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    cli.main(["classify", str(photos / "cat/1.jpg"), "--server", scripted.url])
    assert f"  cat  {'█' * 18}{' ' * 6}   75.0 %" in terminal.text()


def test_on_a_terminal_many_pictures_show_progress(scripted, photos, monkeypatch, capsys):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    pictures = [str(photos / "cat/1.jpg")] * 100
    assert cli.main(["classify", *pictures, "--server", scripted.url]) == 0
    assert "0 of 100 pictures" in terminal.text()
    assert terminal.text().endswith("\r")  # and the line is gone at the end


def test_no_server_is_exit_code_3(photos, capsys):
    assert cli.main(["classify", str(photos), "--server", "http://127.0.0.1:9"]) == 3
    assert "no server answers at http://127.0.0.1:9" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["paint", "cat.jpg"],
        ["classify"],
        ["classify", "cat.jpg", "--top-k", "0"],
        ["classify", "cat.jpg", "--views", "3"],
        ["classify", "cat.jpg", "--server", "localhost:8080"],
        ["classify", "cat.jpg", "--timeout", "-1"],
        ["features", "cat.jpg", "--out", "no/such/folder/f.npy"],
    ],
)
def test_what_cannot_be_meant_is_exit_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert "usage: alexnet" in capsys.readouterr().err


def test_a_refusing_server_is_exit_code_1(scripted, wire, photos, capsys):
    scripted.answer = lambda _: wire.problem(409, "index_mismatch")
    assert cli.main(["search", str(photos), "--server", scripted.url]) == 1
    assert "[index_mismatch] (request req-7)" in capsys.readouterr().err
    assert len(scripted.requests) == 1


def test_a_server_with_no_time_for_many_is_asked_for_fewer(scripted, wire, photos, capsys):
    def answer(request):
        if len(request.form) > 3:
            return wire.problem(503, "deadline_exceeded", retry_after="0")
        return wire.labels_of(request)

    scripted.answer = answer
    pictures = [str(photos / "cat/1.jpg")] * 17
    assert cli.main(["classify", *pictures, "--server", scripted.url]) == 0
    assert capsys.readouterr().out.count("75.0 %") == 17
    # Three tries of 16, of its halves and of theirs; what was answered is not asked again.
    sizes = [len(request.form) for request in scripted.requests]
    assert sizes == [*[16] * 3, *[*[8] * 3, *[*[4] * 3, 2, 2] * 2] * 2, 1]


def test_one_picture_that_overloads_costs_that_picture(scripted, wire, photos, capsys):
    def answer(request):
        if any(content == b"dog" for _, _, content in request.form):
            return wire.problem(503, "overloaded", retry_after="0")
        return wire.labels_of(request)

    scripted.answer = answer
    (photos / "dog/2.jpg").write_bytes(b"dog")
    pictures = [str(photos / name) for name in ("cat/1.jpg", "dog/2.jpg", "cat/1.jpg")]
    assert cli.main(["classify", *pictures, "--server", scripted.url]) == 1
    output = capsys.readouterr()
    assert output.out.count("75.0 %") == 2
    assert output.err.count("[overloaded]") == 1


def test_add_sends_labels_and_paths_of_the_folder(scripted, wire, photos, capsys):
    def answer(request):
        items = [
            {"id": str(n), "created": n == 0, "label": None, "metadata": None}
            for n, _ in enumerate(request.values("image"))
        ]
        return wire.as_json({"model": wire.MODEL, "results": items})

    scripted.answer = answer
    (photos / "top.jpg").write_bytes(b"top")
    assert cli.main(["add", str(photos), "--server", scripted.url]) == 0
    top, rest = scripted.requests
    assert top.values("label") == []
    assert rest.values("label") == [b"cat", b"dog", b"dog"]
    paths = [json.loads(value)["path"] for value in rest.values("metadata")]
    assert paths == ["cat/1.jpg", "dog/2.jpg", "dog/bad.jpg"]
    assert capsys.readouterr().out == "2 added, 2 already there, 0 failed\n"


def test_add_says_what_was_stored_before_the_server_went_away(scripted, wire, photos, capsys):
    def answer(request):
        if len(scripted.requests) > 1:
            raise wire.DropConnection
        item = {"id": "a", "created": True, "label": None, "metadata": None}
        return wire.as_json({"model": wire.MODEL, "results": [item] * len(request.values("image"))})

    scripted.answer = answer
    pictures = [str(photos / "cat/1.jpg")] * 20
    assert cli.main(["add", *pictures, "--server", scripted.url]) == 3
    output = capsys.readouterr()
    assert output.out == "16 added, 0 already there, 0 failed\n"
    assert "broke before the answer" in output.err


def test_an_empty_folder_is_told(scripted, tmp_path, capsys):
    assert cli.main(["add", str(tmp_path), "--server", scripted.url]) == 1
    assert "no jpg, jpeg, png or webp" in capsys.readouterr().err


def test_features_are_written_for_the_good_pictures(scripted, wire, photos, tmp_path, capsys):
    def answer(request):
        contents = request.values("image")
        if request.headers["accept"] == "application/x-npy":
            return wire.problem(422, "undecodable_picture")
        error = {"code": "undecodable_picture", "title": "Broken", "detail": "cut short"}
        items = [
            {"error": error} if content == b"bad" else {"features": [content[0]] * 4096}
            for content in contents
        ]
        return wire.as_json({"model": wire.MODEL, "results": items})

    scripted.answer = answer
    out = tmp_path / "features.npy"
    command = ["features", str(photos), "--out", str(out), "--server", scripted.url]
    assert cli.main([*command, "--json"]) == 1
    rows = np.load(out)
    assert (rows.dtype, rows.shape) == (np.float32, (2, 4096))
    assert rows[:, 9].tolist() == [ord("c"), ord("d")]
    results = json.loads(capsys.readouterr().out)["results"]
    assert [result.get("row") for result in results] == [0, 1, None]
    assert cli.main(command) == 1
    assert "row 1" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["features.npy", "photos"]


def test_search_prints_neighbours_aligned(scripted, wire, photos, capsys):
    neighbors = [
        {"id": "a", "distance": 0.0, "label": "cat", "metadata": {"path": "cat/1.jpg"}},
        {"id": "bb", "distance": 12.5, "label": None, "metadata": None},
    ]
    scripted.answer = lambda _: wire.as_json(
        {"model": wire.MODEL, "results": [{"neighbors": neighbors}]}
    )
    picture = str(photos / "cat/1.jpg")
    assert cli.main(["search", picture, "--server", scripted.url, "--label", "cat"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [picture, "   0.000  cat  a   cat/1.jpg", "  12.500  -    bb"]
    assert scripted.requests[0].query["label"] == ["cat"]


def test_model_prints_the_card(scripted, wire, capsys):
    card = wire.MODEL | {"dialect": "alexnet2012", "layout": "towers", "precision": "fp32"}
    card |= {"classes": [f"c{n}" for n in range(30)], "about": "", "metrics": {"top1": 0.5}}
    scripted.answer = lambda _: wire.as_json(card)
    assert cli.main(["model", "--server", scripted.url]) == 0
    output = capsys.readouterr().out
    assert "dialect    alexnet2012\n" in output
    assert "30: c0, c1," in output
    assert "top1       0.5\n" in output
    assert cli.main(["model", "--server", scripted.url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == card


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes only there")
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_names_that_are_no_utf8_are_printed_escaped(scripted, tmp_path, encoding):
    for name, content in ((b"/caf\xe9\x1b.jpg", "猫".encode()), (b"/b\xff\x1b.jpg", b"bad")):
        Path(os.fsdecode(os.fsencode(tmp_path) + name)).write_bytes(content)
    command = [
        sys.executable,
        "-c",
        "import sys; from alexnet_client.cli import main; sys.exit(main())",
    ]
    for json_option in ([], ["--json"]):
        done = subprocess.run(
            [*command, "classify", str(tmp_path), "--server", scripted.url, *json_option],
            capture_output=True,
            check=False,
            env=os.environ | {"PYTHONIOENCODING": encoding},
            timeout=60,
        )
        assert done.returncode == 1, done.stderr
        assert rb"caf\udce9" in done.stdout
        assert b"\x1b" not in done.stdout + done.stderr
        assert rb"b\udcff\x1b.jpg: cut short" in done.stderr
    assert scripted.requests[0].form[1][1] == r"caf\udce9\x1b.jpg"


@pytest.mark.parametrize("count", [1, 2000])  # within the stream's buffer, and beyond
def test_a_reader_that_leaves_is_no_traceback(scripted, photos, count):
    command = [
        sys.executable,
        "-c",
        "import sys; from alexnet_client.cli import main; sys.exit(main())",
    ]
    pictures = [str(photos / "cat/1.jpg")] * count
    with subprocess.Popen(
        [*command, "classify", *pictures, "--server", scripted.url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 1
