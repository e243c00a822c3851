import base64
import json

import numpy as np
import pytest

from alexnet_client import Client, errors


@pytest.fixture
def client(scripted):
    with Client(scripted.url, max_retries=0) as client:
        yield client


def _pictures(request) -> list[bytes]:
    urls = json.loads(request.body)["input"]
    return [base64.b64decode(url.partition(";base64,")[2]) for url in urls]


def _embeddings(wire, request):
    """The features of a picture: its length, 4096 times; the last comes first."""
    data = [
        {"index": place, "embedding": _text(np.full(4096, len(picture)))}
        for place, picture in enumerate(_pictures(request))
    ]
    return wire.as_json({"object": "list", "data": data[::-1], "model": "alexnet"})


def _text(row) -> str:
    return base64.b64encode(row.astype("<f4").tobytes()).decode()


def test_embeddings_are_float32_rows_in_order(client, scripted, wire):
    scripted.answer = lambda request: _embeddings(wire, request)
    rows = client.embeddings([bytes(n) for n in range(1, 71)])
    assert rows.dtype == np.float32
    assert rows.shape == (70, 4096)
    assert rows[:, 0].tolist() == rows[:, -1].tolist() == list(range(1, 71))
    assert client.embeddings(b"12345").shape == (1, 4096)
    assert client.embeddings([]).shape == (0, 4096)
    assert [len(_pictures(request)) for request in scripted.requests] == [64, 6, 1]
    assert {request.path for request in scripted.requests} == {"/v1/embeddings"}


def test_no_request_is_larger_than_the_server_takes(client, scripted, wire):
    scripted.answer = lambda request: _embeddings(wire, request)
    assert client.embeddings([bytes(10 * 2**20), bytes(3 * 2**20), bytes(5)]).shape == (3, 4096)
    assert max(len(request.body) for request in scripted.requests) <= 16 * 2**20


def test_the_bad_picture_is_named(client, scripted, wire, tmp_path):
    def answer(request):
        place = _pictures(request).index(b"bad")
        problem = json.loads(wire.problem(422, "undecodable_picture").body)
        problem["detail"] = f"input {place}: it is cut short"
        return wire.Answer(422, json.dumps(problem).encode(), "application/problem+json")

    scripted.answer = answer
    path = tmp_path / "broken.jpg"
    path.write_bytes(b"bad")
    with pytest.raises(errors.BadPicture, match=r"broken\.jpg: input 1"):
        client.embeddings([b"good", path])
    with pytest.raises(errors.BadPicture, match=r"broken\.jpg"):
        client.embeddings(path)
    with pytest.raises(errors.BadPicture, match=r"gone\.jpg"):
        client.embeddings([b"good", tmp_path / "gone.jpg"])


def _data(*entries: tuple[int, int]) -> list[dict]:
    return [{"index": place, "embedding": _text(np.zeros(size))} for place, size in entries]


@pytest.mark.parametrize(
    "data",
    [_data((0, 4096)), _data((0, 4096), (0, 4096)), _data((0, 4096), (1, 4095)), [{}, {}], None],
)
def test_an_answer_of_another_shape_is_not_believed(client, scripted, wire, data):
    scripted.answer = lambda _: wire.as_json({"data": data})
    with pytest.raises(errors.UnexpectedReply, match="shape"):
        client.embeddings([b"a", b"b"])
