import socket
import threading
import time

import pytest

from alexnet_client import AsyncClient, Client, Timeouts, errors


def _card(wire):
    fields = {"dialect": "alexnet2012", "layout": "single", "precision": "fp32"}
    return wire.as_json(wire.MODEL | fields | {"classes": ["cat"], "about": "", "metrics": {}})


def test_overload_is_repeated_until_it_passes(scripted, wire):
    scripted.in_turn(wire.problem(503, "overloaded"), wire.problem(503, "overloaded"), _card(wire))
    with Client(scripted.url) as client:
        assert client.model().classes == ("cat",)
    assert len(scripted.requests) == 3


def test_three_tries_are_all(scripted, wire):
    scripted.answer = lambda _: wire.problem(503, "overloaded")
    with Client(scripted.url) as client, pytest.raises(errors.Overloaded) as caught:
        client.model()
    assert len(scripted.requests) == 3
    assert caught.value.code == "overloaded"
    assert caught.value.request_id == "req-7"


def test_retries_can_be_switched_off(scripted, wire):
    scripted.answer = lambda _: wire.problem(503, "overloaded")
    with Client(scripted.url, max_retries=0) as client, pytest.raises(errors.Overloaded):
        client.model()
    assert len(scripted.requests) == 1


@pytest.mark.parametrize(("status", "code"), [(400, "bad_parameter"), (500, "internal_error")])
def test_what_will_not_pass_is_not_repeated(scripted, wire, status, code):
    scripted.answer = lambda _: wire.problem(status, code)
    with Client(scripted.url) as client, pytest.raises(errors.ClientError):
        client.model()
    assert len(scripted.requests) == 1


def test_retry_after_is_waited_for(scripted, wire):
    scripted.in_turn(wire.problem(503, "overloaded", retry_after="1"), _card(wire))
    start_s = time.monotonic()
    with Client(scripted.url) as client:
        client.model()
    assert 1 <= time.monotonic() - start_s < 4


def test_a_wait_past_the_deadline_is_not_begun(scripted, wire):
    scripted.answer = lambda _: wire.problem(503, "overloaded", retry_after="20")
    start_s = time.monotonic()
    with Client(scripted.url, timeout_s=10) as client, pytest.raises(errors.Overloaded) as caught:
        client.model()
    assert time.monotonic() - start_s < 5
    assert caught.value.retry_after_s == 20


def test_a_lost_answer_is_asked_for_again_with_the_same_body(scripted, wire):
    def answer(request):
        if len(scripted.requests) == 1:
            raise wire.DropConnection
        return wire.as_json(
            {"model": wire.MODEL, "id": "a", "label": None, "metadata": None, "created": True}
        )

    scripted.answer = answer
    with Client(scripted.url) as client:
        assert client.add(b"pixels", id="a").created
    first, second = scripted.requests
    assert first.values("image") == second.values("image") == [b"pixels"]


def test_a_server_that_is_not_there_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with Client(url) as client, pytest.raises(errors.ServerUnreachable, match=url) as caught:
            client.model()
    assert caught.value.retryable


def test_no_answer_is_a_timeout(scripted, wire):
    def stall(_):
        scripted.released.wait(30)
        raise wire.DropConnection

    scripted.answer = stall
    start_s = time.monotonic()
    with Client(scripted.url, timeout_s=0.5) as client, pytest.raises(errors.Timeout):
        client.model()
    assert time.monotonic() - start_s < 3
    assert len(scripted.requests) == 1


def test_a_dripping_answer_is_a_timeout():
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def drip():
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
            try:
                while not done.wait(0.05):
                    connection.sendall(b" ")
            except OSError:
                pass  # the client has hung up, as it should

    thread = threading.Thread(target=drip)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    start_s = time.monotonic()
    try:
        with Client(url, timeout_s=1) as client, pytest.raises(errors.Timeout):
            client.model()
        assert time.monotonic() - start_s < 5
    finally:
        done.set()
        thread.join()
        listener.close()


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"{}", b"[]", b"7", b"\xff"])
def test_another_kind_of_server_is_recognised(scripted, wire, body):
    scripted.answer = lambda _: wire.Answer(200, body, "text/html")
    with (
        Client(scripted.url) as client,
        pytest.raises(errors.UnexpectedReply, match="check the URL"),
    ):
        client.model()


def test_the_url_comes_from_the_argument_then_the_environment(monkeypatch):
    monkeypatch.setenv("ALEXNET_SERVER", "http://from.environment:1/")
    with Client() as client:
        assert client.url == "http://from.environment:1"
    with Client("http://from.argument:2") as client:
        assert client.url == "http://from.argument:2"
    monkeypatch.delenv("ALEXNET_SERVER")
    with Client() as client:
        assert client.url == "http://127.0.0.1:8080"


def test_a_prefix_in_the_url_is_kept(scripted, wire):
    scripted.answer = lambda _: _card(wire)
    with Client(f"{scripted.url}/behind/") as client:
        client.model()
    assert scripted.requests[0].path == "/behind/model"


@pytest.mark.parametrize("url", ["localhost:8080", "cat.jpg", "ftp://x", "http://", "http://a\nb"])
def test_what_is_no_url_is_refused_at_once(url):
    with pytest.raises(ValueError, match="http://"):
        Client(url)


@pytest.mark.parametrize("client", [Client, AsyncClient])
@pytest.mark.parametrize(
    "options",
    [
        {"timeout_s": 0},
        {"timeout_s": float("nan")},
        {"max_retries": -1},
        {"max_connections": 0},
        {"max_idle_connections": -1},
    ],
)
def test_numbers_that_cannot_be_meant_are_refused(client, options):
    with pytest.raises(ValueError, match="must be"):
        client(**options)


@pytest.mark.parametrize("options", [{"connect_s": 0}, {"total_s": float("inf")}])
def test_timeouts_that_cannot_be_meant_are_refused(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))} is .* must be above 0"):
        Timeouts(**options)


def test_a_number_is_the_time_for_the_whole_request():
    assert Timeouts.of(7) == Timeouts(connect_s=5, total_s=7)
    assert Timeouts.of(Timeouts(connect_s=1, total_s=2)) == Timeouts(connect_s=1, total_s=2)


def test_a_connection_that_does_not_come_about_is_given_up_early():
    """A full backlog: what connects is neither taken nor refused."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()[:2]
        waiting = []
        try:
            for _ in range(4):
                one = socket.socket()
                one.setblocking(False)
                one.connect_ex(address)
                waiting.append(one)
            start_s = time.monotonic()
            timeouts = Timeouts(connect_s=0.3, total_s=20)
            with (
                Client(
                    "http://{}:{}".format(*address), timeout_s=timeouts, max_retries=0
                ) as client,
                pytest.raises(errors.ServerUnreachable),
            ):
                client.model()
            assert time.monotonic() - start_s < 10
        finally:
            for one in waiting:
                one.close()


def test_connections_are_used_again_and_the_pool_is_as_large_as_was_said(scripted, wire):
    scripted.answer = lambda _: _card(wire)
    taken = []
    handle = scripted.http.process_request
    scripted.http.process_request = lambda *given: (taken.append(given[1]), handle(*given))
    with Client(scripted.url, max_idle_connections=1) as client:
        for _ in range(4):
            client.model()
    assert len(taken) == 1
    with Client(scripted.url, max_idle_connections=0) as client:
        for _ in range(4):
            client.model()
    assert len(taken) == 5


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(scripted, wire, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    scripted.answer = lambda _: _card(wire)
    with Client(scripted.url, max_retries=0) as client:
        assert client.model().name == "alexnet"
