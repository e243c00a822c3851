import io
import os

import numpy as np
import pytest

from alexnet_client import Client, errors
from alexnet_client.picture import MAX_PICTURE_BYTES


@pytest.fixture
def client(scripted):
    with Client(scripted.url, max_retries=0) as client:
        yield client


def test_one_picture_gives_one_result(client, scripted):
    result = client.classify(b"cat", top_k=3, views=10)
    assert result.top.label == "cat"
    assert result.top.probability == 0.75
    assert result.model.digest == "sha256:abc"
    assert scripted.requests[0].query == {"top_k": ["3"], "views": ["10"]}


def test_path_text_bytes_and_open_file_are_all_pictures(client, scripted, tmp_path):
    path = tmp_path / "cat.jpg"
    path.write_bytes(b"cat")
    with path.open("rb") as file:
        given = [path, str(path), b"cat", bytearray(b"cat"), io.BytesIO(b"cat"), file]
        results = client.classify(given)
    assert [result.top.label for result in results] == ["cat"] * 6
    names = [str(path), str(path), "picture", "picture", "picture", str(path)]
    assert [result.filename for result in results] == names


def test_the_folders_of_this_machine_are_not_sent(client, scripted, tmp_path):
    path = tmp_path / "cat.jpg"
    path.write_bytes(b"cat")
    client.classify(path)
    assert [name for _, name, _ in scripted.requests[0].form] == ["cat.jpg"]
    assert str(tmp_path).encode() not in scripted.requests[0].body


def test_many_pictures_go_64_a_request_and_come_back_in_order(client, scripted):
    names = [f"label-{number}" for number in range(150)]
    results = client.classify(name.encode() for name in names)
    assert [result.top.label for result in results] == names
    assert [len(request.form) for request in scripted.requests] == [64, 64, 22]


def test_ten_views_count_tenfold(client, scripted):
    client.classify([b"cat"] * 13, views=10)
    assert [len(request.form) for request in scripted.requests] == [6, 6, 1]


def test_no_request_is_larger_than_64_mib(client, scripted, wire):
    picture = bytes(MAX_PICTURE_BYTES)
    item = {"predictions": []}
    scripted.answer = lambda request: wire.as_json(
        {"model": wire.MODEL, "results": [item] * len(request.form)}
    )
    assert len(client.classify([picture] * 7)) == 7
    assert len(scripted.requests) == 2
    assert max(len(request.body) for request in scripted.requests) <= 64 * 2**20


def test_no_pictures_need_no_server(client, scripted):
    assert client.classify([]) == []
    assert client.features([]).shape == (0, 4096)
    assert scripted.requests == []


def test_a_bad_picture_spoils_no_other(client, scripted, tmp_path):
    results = client.classify([b"cat", b"bad", tmp_path / "gone.jpg", b"dog"])
    codes = [result.error and result.error.code for result in results]
    assert codes == [None, "undecodable_picture", "unreadable_file", None]
    assert [result.top.label for result in (results[0], results[3])] == ["cat", "dog"]
    assert scripted.requests[0].values("image") == [b"cat", b"bad", b"dog"]
    with pytest.raises(errors.BadPicture, match="cut short"):
        _ = results[1].top


def test_a_single_bad_picture_raises_and_in_a_list_it_does_not(client):
    with pytest.raises(errors.BadPicture) as caught:
        client.classify(b"bad")
    assert caught.value.filename == "picture"
    assert caught.value.request_id == "req-7"
    (result,) = client.classify([b"bad"])
    assert result.error.code == "undecodable_picture"


def test_what_cannot_be_read_is_never_sent(client, scripted, tmp_path):
    huge = tmp_path / "huge.jpg"
    with huge.open("wb") as file:
        file.truncate(MAX_PICTURE_BYTES + 1)
    with pytest.raises(errors.BadPicture) as caught:
        client.classify(huge)
    assert caught.value.code == "picture_too_large"
    for nothing in (tmp_path / "gone.jpg", tmp_path, "a\0b.jpg"):
        with pytest.raises(errors.BadPicture) as caught:
            client.classify(nothing)
        assert caught.value.code == "unreadable_file"
    assert scripted.requests == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.timeout(20)  # opened for reading, a pipe waits for its writer
def test_a_named_pipe_is_no_picture(client, tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (result,) = client.classify([tmp_path / "pipe.jpg"])
    assert result.error.code == "unreadable_file"


@pytest.mark.parametrize("wrong", [7, [7], io.StringIO("text"), None])
def test_what_is_no_picture_is_a_type_error(client, wrong):
    with pytest.raises(TypeError):
        client.classify(wrong)


def test_a_refused_request_is_halved_down_to_the_one_too_large(client, scripted, wire):
    def answer(request):
        if len(request.body) > 3000:
            return wire.Answer(413, b"too much", "text/plain")
        return wire.labels_of(request)

    scripted.answer = answer
    results = client.classify([b"a" * 1000, b"b" * 1000, b"c" * 4000, b"d" * 1000])
    assert [result.error and result.error.code for result in results] == [
        None,
        None,
        "http_413",
        None,
    ]
    assert [result.predictions[0].label[0] for result in results if not result.error] == [
        *"abd",
    ]


def test_an_answer_with_a_result_too_few_is_not_believed(client, scripted, wire):
    scripted.answer = lambda _: wire.as_json(
        {"model": wire.MODEL, "results": [{"predictions": []}]}
    )
    with pytest.raises(errors.UnexpectedReply):
        client.classify([b"cat", b"dog"])


def _features(wire, request):
    """The features of a picture: its length, 4096 times."""
    contents = request.values("image")
    if request.headers["accept"] == "application/x-npy":
        if b"bad" in contents:
            return wire.problem(422, "undecodable_picture")
        buffer = io.BytesIO()
        np.save(buffer, np.array([[len(c)] * 4096 for c in contents], dtype=np.float32))
        return wire.Answer(200, buffer.getvalue(), "application/x-npy")
    if contents == [b"bad"]:
        return wire.problem(422, "undecodable_picture")
    error = {"code": "undecodable_picture", "title": "Broken", "detail": "cut short"}
    results = [{"error": error} if c == b"bad" else {"features": [len(c)] * 4096} for c in contents]
    return wire.as_json({"model": wire.MODEL, "results": results})


def test_features_are_float32_rows_in_order(client, scripted, wire):
    scripted.answer = lambda request: _features(wire, request)
    rows = client.features([bytes(n) for n in range(1, 71)])
    assert rows.dtype == np.float32
    assert rows.shape == (70, 4096)
    assert rows[:, 0].tolist() == rows[:, -1].tolist() == list(range(1, 71))
    assert client.features(b"12345").shape == (1, 4096)


@pytest.mark.parametrize("features", ["AAAA", "no base64!", 5, None])
def test_features_beside_labels_are_not_believed_in_another_shape(client, scripted, wire, features):
    results = [{"filename": "x", "predictions": [], "features": features}]
    scripted.answer = lambda _: wire.as_json({"model": wire.MODEL, "results": results})
    with pytest.raises(errors.UnexpectedReply):
        client.classify(b"cat", features=True)


def test_features_name_the_picture_that_has_none(client, scripted, wire, tmp_path):
    scripted.answer = lambda request: _features(wire, request)
    path = tmp_path / "broken.jpg"
    path.write_bytes(b"bad")
    with pytest.raises(errors.BadPicture, match=r"broken\.jpg"):
        client.features([b"cat", path])
    with pytest.raises(errors.BadPicture, match=r"broken\.jpg"):
        client.features(path)


def test_features_each_goes_past_a_bad_picture(client, scripted, wire):
    scripted.answer = lambda request: _features(wire, request)
    first, bad, last = client.features_each([b"a", b"bad", b"abcde"])
    assert (first.vector[0], bad.vector, last.vector[0]) == (1, None, 5)
    assert bad.error.code == "undecodable_picture"
    assert last.vector.dtype == np.float32


@pytest.mark.parametrize("rows", [np.zeros((2, 4096), np.float32), np.zeros((1, 9), np.float32)])
def test_features_of_another_shape_are_not_believed(client, scripted, wire, rows):
    buffer = io.BytesIO()
    np.save(buffer, rows)
    scripted.answer = lambda _: wire.Answer(200, buffer.getvalue(), "application/x-npy")
    with pytest.raises(errors.UnexpectedReply):
        client.features(b"cat")


def test_a_pickle_in_place_of_features_is_not_loaded(client, scripted, wire):
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    scripted.answer = lambda _: wire.Answer(200, buffer.getvalue(), "application/x-npy")
    with pytest.raises(errors.UnexpectedReply):
        client.features(b"cat")
