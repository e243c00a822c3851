import email.utils
import json
import time

import pytest

from alexnet_client import errors

PROBLEM = {"content-type": "application/problem+json; charset=utf-8"}


def _problem(**fields: object) -> bytes:
    return json.dumps(
        {"title": "T", "detail": "D", "code": "c", "request_id": "r"} | fields
    ).encode()


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (400, errors.BadRequest, False),
        (401, errors.NotAllowed, False),
        (403, errors.NotAllowed, False),
        (404, errors.NotFound, False),
        (405, errors.BadRequest, False),
        (408, errors.Timeout, True),
        (409, errors.Conflict, False),
        (413, errors.BadPicture, False),
        (415, errors.BadPicture, False),
        (422, errors.BadPicture, False),
        (429, errors.Overloaded, True),
        (500, errors.ServerFault, False),
        (502, errors.ServerFault, False),
        (503, errors.Overloaded, True),
        (504, errors.Timeout, True),
        (507, errors.ServerFault, False),
    ],
)
def test_problem_json_becomes_the_error_of_its_status(status, kind, retryable):
    error = errors.from_reply(status, PROBLEM, _problem())
    assert type(error) is kind
    assert error.retryable is retryable
    assert (error.code, error.title, error.detail) == ("c", "T", "D")
    assert (error.status, error.request_id) == (status, "r")
    assert str(error) == "D [c] (request r)"


def test_plain_text_413_of_a_web_server_is_understood():
    body = b"Request Entity Too Large\r\n\r\nexceeds max_body of 67174400\r\n\r\n(by waitress)"
    error = errors.from_reply(413, {"content-type": "text/plain; charset=utf-8"}, body)
    assert type(error) is errors.BadPicture
    assert error.code == "http_413"
    assert "exceeds max_body of 67174400" in error.detail


def test_html_503_of_a_proxy_is_overload():
    error = errors.from_reply(503, {"content-type": "text/html"}, b"<h1>try later</h1>")
    assert type(error) is errors.Overloaded


@pytest.mark.parametrize("status", [301, 404, 405])
def test_a_strangers_page_is_no_missing_picture(status):
    error = errors.from_reply(status, {"content-type": "text/html"}, b"<h1>nginx</h1>")
    assert type(error) is errors.UnexpectedReply


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"code": 7, "detail": null}'])
def test_a_broken_problem_body_still_gives_the_status(body):
    error = errors.from_reply(500, PROBLEM, body)
    assert type(error) is errors.ServerFault
    assert error.code == "http_500"
    assert error.detail


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("2", 2.0), ("1.5", 1.5), ("-4", 0.0), ("soon", None), ("inf", None), ("nan", None)],
)
def test_retry_after_in_seconds(value, seconds):
    headers = PROBLEM | {"retry-after": value}
    assert errors.from_reply(503, headers, _problem()).retry_after_s == seconds


def test_retry_after_as_a_date():
    date = email.utils.formatdate(time.time() + 100, usegmt=True)
    error = errors.from_reply(503, PROBLEM | {"retry-after": date}, _problem())
    assert 90 < error.retry_after_s <= 100


def test_text_of_the_server_cannot_steer_the_terminal():
    error = errors.from_reply(500, PROBLEM, _problem(detail="a\x1b[2Jb"))
    assert str(error).startswith(r"a\x1b[2Jb")


def test_a_proxy_that_reaches_no_server_is_asked_again():
    error = errors.from_reply(502, {"content-type": "text/html"}, b"<h1>Bad Gateway</h1>")
    assert isinstance(error, errors.ServerUnreachable)
    assert (error.retryable, error.code) == (True, "http_502")
    assert not errors.from_reply(502, PROBLEM, _problem(code="backend_failed")).retryable
