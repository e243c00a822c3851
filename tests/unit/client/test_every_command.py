"""What holds for all commands: JSON on success and on every kind of error, and exit codes."""

import io
import json
import signal
import subprocess
import sys
import threading
from urllib.parse import urlsplit

import numpy as np
import pytest

from alexnet_client import cli
from alexnet_client.commands.listed import COMMANDS
from tests.waiting import WAIT_S

NOWHERE = "http://127.0.0.1:9"  # the port "discard": nothing listens there
STORED = {
    "id": "a",
    "label": "cat",
    "metadata": {"path": "cat/1.jpg"},
    "created_at": "2026-11-22T06:00:00+00:00",
    "bytes": 5,
}
NEIGHBOR = {"id": "b", "distance": 1.5, "label": None, "metadata": None}
# A whole command line for each; a command without one fails the first test below.
LINES = {
    "classify": ["cat/1.jpg"],
    "features": ["cat/1.jpg", "--out", "features.npy"],
    "search": ["cat/1.jpg"],
    "add": ["cat"],
    "similar": ["a"],
    "list": [],
    "delete": ["a"],
    "thumbnail": ["a", "--out", "a.jpg"],
    "duplicates": ["--max-distance", "4", "--out", "groups.html"],
    "score": [".", "--out", "scores.jsonl", "--wait", "0"],
    "evaluate": [".", "--out", "report.html"],
    "model": [],
    "completion": ["bash"],
}
WITHOUT_SERVER = {"completion"}
each_command = pytest.mark.parametrize("name", [command.name for command in COMMANDS])
each_asking = pytest.mark.parametrize(
    "name", [command.name for command in COMMANDS if command.name not in WITHOUT_SERVER]
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder the commands run in: two pictures, each of which is its own label."""
    for name in ("cat/1.jpg", "cat/2.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"cat")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def server(scripted, wire):
    """Answers every call that a command makes."""

    def features(request):
        rows = np.ones((len(request.values("image")), 4096), dtype=np.float32)
        file = (request.headers["accept"] == "application/x-npy") and _npy(rows)
        results = [{"features": row.tolist()} for row in rows]
        document = wire.as_json({"model": wire.MODEL, "results": results})
        return wire.Answer(200, file, "application/x-npy") if file else document

    def of_pictures(about):
        return lambda request: wire.as_json(
            {"model": wire.MODEL, "results": [about for _ in request.values("image")]}
        )

    def stored(request):
        if request.method == "POST":
            return of_pictures(STORED | {"created": True})(request)
        return wire.as_json({"images": [STORED], "next_cursor": None, "count": 1})

    card = wire.MODEL | {"dialect": "d", "layout": "towers", "precision": "fp32"}
    card |= {"classes": ["cat"], "about": "", "metrics": {}}
    pairs = {"pairs": [{"id": "a", "other": "b"}], "compared": 2, "count": 2, "next_cursor": None}
    answers = {
        "/classify": wire.labels_of,
        "/features": features,
        "/search": of_pictures({"neighbors": [NEIGHBOR]}),
        "/images": stored,
        "/images/a": lambda _: wire.as_json(STORED),
        "/images/b": lambda _: wire.as_json(STORED | {"id": "b"}),
        "/images/a/similar": lambda _: wire.as_json({"neighbors": [NEIGHBOR]}),
        "/images/a/thumbnail": lambda _: wire.Answer(200, b"\xff\xd8", "image/jpeg"),
        "/images/b/thumbnail": lambda _: wire.problem(404, "picture_not_found"),
        "/images/delete": lambda _: wire.as_json({"deleted": 1, "left": 0}),
        "/duplicates": lambda _: wire.as_json(pairs),
        "/model": lambda _: wire.as_json(card),
    }
    scripted.answer = lambda request: answers[urlsplit(request.target).path](request)
    return scripted


def _npy(rows):
    file = io.BytesIO()
    np.save(file, rows)
    return file.getvalue()


def run(name, *options):
    """The exit code of the command with --json."""
    try:
        return cli.main([name, *LINES[name], *options, "--json"])
    except SystemExit as ended:
        return ended.code


def test_every_command_is_tried_here():
    assert set(LINES) == {command.name for command in COMMANDS}
    assert len({command.name for command in COMMANDS}) == len(COMMANDS)


@each_command
def test_success_is_one_json_document(name, server, folder, capsys):
    assert run(name, "--server", server.url) == 0
    document = strict(capsys.readouterr().out)
    assert "error" not in document
    assert bool(server.requests) == (name not in WITHOUT_SERVER)


@each_asking
@pytest.mark.usefixtures("folder")
def test_a_key_that_is_not_known_is_told_as_json(name, scripted, wire, capsys, monkeypatch):
    monkeypatch.setenv("ALEXNET_KEY", "wrong-but-well-formed")
    scripted.answer = lambda _: wire.problem(401, "key_missing")
    assert run(name, "--server", scripted.url) == 1
    output = capsys.readouterr()
    assert strict(output.out)["error"]["code"] == "key_missing"
    assert "does not know the key" in output.err
    assert "wrong-but-well-formed" not in output.out + output.err
    assert len(scripted.requests) == 1  # asking again would not help


@each_asking
def test_no_server_is_told_as_json(name, folder, capsys):
    assert run(name, "--server", NOWHERE, "--timeout", "1") == 3
    output = capsys.readouterr()
    assert set(strict(output.out)["error"]) == {"code", "title", "detail"}
    assert "no server answers" in output.err


@each_command
def test_what_cannot_be_meant_is_told_as_json(name, folder, capsys):
    assert run(name, "--no-such-flag") == 2
    output = capsys.readouterr()
    assert strict(output.out)["error"]["code"] == "bad_command_line"
    assert "usage: alexnet" in output.err
    assert cli_code([name, *LINES[name], "--server", "localhost", "--json"]) == 2
    assert strict(capsys.readouterr().out)["error"]["code"] == "bad_command_line"


@pytest.mark.skipif(sys.platform == "win32", reason="an interrupt is no signal there")
def test_an_interrupt_is_told_as_json(scripted, wire, folder):
    asked = threading.Event()

    def answer(request):
        if request.path == "/images":
            asked.set()
            scripted.released.wait()
        return wire.as_json({})

    scripted.answer = answer
    main = "import sys; from alexnet_client.cli import main; sys.exit(main())"
    with subprocess.Popen(
        [sys.executable, "-c", main, "list", "--json", "--server", scripted.url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert asked.wait(WAIT_S)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == cli.INTERRUPTED
    assert strict(out)["error"]["code"] == "interrupted"
    assert err == b"alexnet: interrupted\n"


@each_command
def test_help_has_the_example_and_the_exit_codes(name, capsys):
    command = next(one for one in COMMANDS if one.name == name)
    assert cli_code([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert command.example in text
    for code in (cli.DONE, cli.FAILED, cli.USAGE, cli.UNREACHABLE, cli.INTERRUPTED):
        assert f"\n  {code} " in text
    assert cli_code(["--help"]) == 0
    assert command.example in capsys.readouterr().out


def cli_code(arguments):
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    return ended.value.code


def strict(text):
    """JSON as RFC 8259 has it: one document, without NaN or Infinity."""

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)
