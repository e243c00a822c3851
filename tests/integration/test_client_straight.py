"""``alexnet score --triton``: the command, where no server is but a Triton (here a fake one).

That a real Triton and the server before it say the same is shown in ``tests/triton``.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from alexnet_client import cli
from tests.fakes.one_model import Model, served
from tests.load.pictures import write_small

PICTURES = 5
LIKELIEST = {"label": "a:b", "class_id": 0, "probability": 1.0}


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def url(model: Model) -> Iterator[str]:
    with served(model) as url:
        yield url


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    write_small(tmp_path / "photos", PICTURES)
    (tmp_path / "photos" / "text.jpg").write_bytes(b"no picture")
    return tmp_path / "photos"


def score(photos: Path, url: str, *flags: str) -> int:
    out = photos.with_name("out.jsonl")
    return cli.main(
        ["score", str(photos), "--out", str(out), "--top-k", "1", "--triton", url, *flags]
    )


def lines(photos: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in photos.with_name("out.jsonl").read_bytes().splitlines()]


def test_lines_are_those_of_a_server(
    photos: Path, url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALEXNET_SERVER", "http://127.0.0.1:9")  # nobody is there, or asked
    assert score(photos, url, "--json") == 1
    summary = json.loads(capsys.readouterr().out)
    assert (summary["labelled"], summary["failed"]) == (PICTURES, 1)
    *good, bad = lines(photos)
    assert [line["path"] for line in (*good, bad)] == sorted(map(str, photos.iterdir()))
    assert [line["predictions"] for line in good] == [[LIKELIEST]] * PICTURES
    assert bad["error"]["code"] == "unsupported_format"


def test_another_model_is_refused_or_noted(
    photos: Path, url: str, model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    assert score(photos, url) == 1
    write_small(photos, PICTURES + 1)  # one is new
    model.version, model.digest, model.labels = "2", "def", ("new", "c")
    capsys.readouterr()
    assert score(photos, url, "--json") == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "model_changed"
    assert len(lines(photos)) == PICTURES + 1
    assert score(photos, url, "--allow-model-change") == 1
    new = lines(photos)[-1]
    assert (new["predictions"][0]["label"], new["model"]) == ("new", "def")


def test_where_no_triton_is_the_exit_code_says_so(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert score(photos, f"grpc://127.0.0.1:{port}", "--json") == 3
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "server_unreachable"


@pytest.mark.parametrize("url", ["http://h:8001", "grpc://h", "grpc://:1", "grpc://h:x", "h:8001"])
def test_an_address_that_cannot_be_meant(
    photos: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        score(photos, url, "--json")
    assert ended.value.code == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], error["detail"]) == (
        "bad_command_line",
        "--triton takes grpc://HOST:PORT",
    )
    assert not photos.with_name("out.jsonl.run").exists()
