"""A key on its way: from where it is kept into one header, to one server, and nowhere else."""

from __future__ import annotations

import hashlib
import threading

import pytest

from alexnet_client import Client, cli, errors

KEY, OTHER = (hashlib.sha256(name).hexdigest() for name in (b"key", b"other"))


@pytest.fixture(autouse=True)
def no_key_in_the_environment(monkeypatch):
    monkeypatch.delenv("ALEXNET_KEY", raising=False)


@pytest.fixture
def card(scripted, wire):
    fields = {"dialect": "alexnet2012", "layout": "single", "precision": "fp32"}
    about = {"classes": ["cat"], "about": "", "metrics": {}}
    scripted.answer = lambda _: wire.as_json(wire.MODEL | fields | about)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "key"
    path.write_text(f"{KEY}\n")
    return path


def sent(scripted) -> list[str | None]:
    return [request.headers.get("authorization") for request in scripted.requests]


def test_the_key_comes_from_the_argument_then_the_environment(scripted, card, monkeypatch):
    with Client(scripted.url) as client:
        client.model()
    monkeypatch.setenv("ALEXNET_KEY", "")
    with Client(scripted.url) as client:
        client.model()
    monkeypatch.setenv("ALEXNET_KEY", OTHER)
    with Client(scripted.url) as client:
        client.model()
    with Client(scripted.url, key=KEY) as client:
        client.model()
    assert sent(scripted) == [None, None, f"Bearer {OTHER}", f"Bearer {KEY}"]


def test_the_command_reads_a_file_first(scripted, card, file, monkeypatch, capsys):
    monkeypatch.setenv("ALEXNET_KEY", OTHER)
    named = ["--server", scripted.url, "--key-file", str(file)]
    assert cli.main([*named, "model"]) == 0
    assert cli.main(["model", *named]) == 0
    assert cli.main(["model", "--server", scripted.url]) == 0
    assert sent(scripted) == [f"Bearer {KEY}", f"Bearer {KEY}", f"Bearer {OTHER}"]
    output = capsys.readouterr()
    assert KEY not in output.out + output.err


@pytest.mark.parametrize(
    "content", ["", " \n", f"{KEY}\n{OTHER}\n", f"read {KEY}", "é" * 40, "x" * 5000]
)
def test_a_file_that_holds_no_key_is_a_usage_error(scripted, file, capsys, content):
    file.write_text(content)
    with pytest.raises(SystemExit) as caught:
        cli.main(["model", "--server", scripted.url, "--key-file", str(file)])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert "key" in error
    assert KEY not in error
    assert scripted.requests == []


def test_a_file_that_cannot_be_read_is_a_usage_error(tmp_path, capsys):
    for path in (tmp_path / "gone", tmp_path):
        with pytest.raises(SystemExit) as caught:
            cli.main(["model", "--key-file", str(path)])
        assert caught.value.code == 2
        assert str(path) in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--key", "--ke", "--key-fil"])
def test_the_command_takes_no_key_itself(option, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["model", option, KEY])
    assert caught.value.code == 2


@pytest.mark.parametrize("bad", ["", " ", f"{KEY}\n", f"{KEY}\r\nX-Evil: 1", f"Bearer {KEY}", "ké"])
def test_what_cannot_be_a_key_is_refused_and_not_repeated(scripted, bad, monkeypatch):
    with pytest.raises(ValueError, match="has a character that no key has") as caught:
        Client(scripted.url, key=bad)
    assert KEY not in str(caught.value)
    if bad:
        monkeypatch.setenv("ALEXNET_KEY", bad)
        with pytest.raises(ValueError, match="the key in ALEXNET_KEY"):
            Client(scripted.url)


def test_a_key_and_a_password_in_the_url_contradict(scripted):
    with pytest.raises(ValueError, match="not both"):
        Client(scripted.url.replace("//", "//ada:secret@"), key=KEY)


@pytest.fixture
def elsewhere(scripted):
    """A second server, on a port of its own."""
    server = type(scripted)()
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.http.shutdown()
    server.http.server_close()
    thread.join()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_takes_the_key_elsewhere(scripted, elsewhere, wire, status):
    answer = wire.Answer(status, b"", "text/html", {"location": f"{elsewhere.url}/model"})
    scripted.answer = lambda _: answer
    with Client(scripted.url, key=KEY) as client, pytest.raises(errors.UnexpectedReply):
        client.model()
    assert sent(scripted) == [f"Bearer {KEY}"]
    assert elsewhere.requests == []


def test_a_refusal_says_what_to_do(scripted, wire):
    scripted.answer = lambda _: wire.problem(401, "key_missing")
    with Client(scripted.url) as client, pytest.raises(errors.NotAllowed) as caught:
        client.model()
    assert "ALEXNET_KEY, as --key-file FILE, or Client(key=)" in str(caught.value)
    with Client(scripted.url, key=KEY) as client, pytest.raises(errors.NotAllowed) as caught:
        client.model()
    assert "does not know the key that was sent" in str(caught.value)
    scripted.answer = lambda _: wire.problem(403, "forbidden")
    with Client(scripted.url, key=KEY) as client, pytest.raises(errors.NotAllowed) as caught:
        client.add(b"pixels")
    assert "may read but not write" in caught.value.detail
    assert len(scripted.requests) == 3  # none is repeated
    assert KEY not in str(caught.value) + repr(vars(client))


def test_the_command_says_it_too(scripted, wire, tmp_path, capsys):
    scripted.answer = lambda _: wire.problem(401, "key_missing")
    picture = tmp_path / "a.jpg"
    picture.write_bytes(b"pixels")
    assert cli.main(["classify", str(picture), "--server", scripted.url]) == 1
    assert "--key-file FILE" in capsys.readouterr().err
