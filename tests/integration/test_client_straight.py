"""``alexnet score --triton``: the command, where no server is but a Triton (here a fake one).

That a real Triton and the server before it say the same is shown in ``tests/triton``.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from alexnet_client import cli, errors
from alexnet_client.picture import Upload
from alexnet_client.scoring.scorer import Scored
from alexnet_client.triton_direct.scorer import TritonScorer
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


def test_views_are_cut_as_the_version_that_is_asked_takes_them(
    photos: Path, url: str, model: Model
) -> None:
    picture = Upload("one.jpg", min(photos.glob("*.jpg")).read_bytes())

    async def score(scorer: TritonScorer) -> Scored:
        (one,) = await scorer.score([picture], top_k=1, views=10, features=False)
        return one

    async def ask() -> list[Scored]:
        async with TritonScorer(url) as scorer:
            found = [await score(scorer)]
            model.version, model.side = "2", 224
            with pytest.raises(errors.Overloaded):  # its version is gone: send it again
                await score(scorer)
            found.append(await score(scorer))
            model.side = 227  # another Triton in its place, and a version of the same number
            with pytest.raises(errors.UnexpectedReply, match="unexpected shape"):
                await score(scorer)
            return [*found, await score(scorer)]

    model.side = 227
    assert [one.predictions[0].label for one in asyncio.run(ask())] == ["a:b"] * 3


@pytest.mark.parametrize("side", [0, 257])
def test_a_model_that_takes_no_views_of_ours(
    photos: Path, url: str, model: Model, side: int, capsys: pytest.CaptureFixture[str]
) -> None:
    model.side = side
    assert score(photos, url, "--json") == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "unexpected_reply"
    assert "no input images of [side, side, 3]" in error["detail"]


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
