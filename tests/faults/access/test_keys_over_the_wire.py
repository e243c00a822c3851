"""A real server that asks for a key: what is let in, what is not, and that no key leaks."""

from __future__ import annotations

import json
import subprocess
import threading
from pathlib import Path

import httpx
import pytest

from alexnet_client import Client, errors
from tests.faults.access.asking import (
    NEW,
    READ,
    UNKNOWN,
    WRITE,
    Answer,
    Keyed,
    ask,
    bearer,
    metrics_port,
)
from tests.faults.size import sized
from tests.running_server import clean_environment, command, running_server
from tests.waiting import wait_until

OPEN = (b"/", b"/livez", b"/readyz", b"/openapi.json", b"/docs", b"/page/page.js", b"/page/key.js")
READING = (
    *(b"GET /model", b"GET /images", b"GET /images/a", b"GET /images/a/thumbnail"),
    *(b"GET /images/a/similar", b"HEAD /model", b"POST /classify", b"POST /features"),
    b"POST /towers",
    *(b"POST /search", b"POST /v1/embeddings", b"GET /nothing", b"OPTIONS /images"),
)
WRITING = (b"PUT /images/a", b"POST /images", b"DELETE /images/a", b"POST /images/delete")


def shape(answer: Answer) -> tuple[int, dict, str | None]:
    body = json.loads(answer.body)
    assert body.pop("request_id") == answer.headers["X-Request-Id"]
    return answer.status, body, answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    "header",
    [
        b"Authorization:",
        b"Authorization: Bearer",
        b"Authorization: Basic " + READ.encode(),
        b"Authorization: " + READ.encode(),
        bearer(READ[:-1]),
        bearer(READ[1:]),
        bearer(READ + "0"),
        bearer(UNKNOWN),
        bearer("x" * 8192),
        b"Authorization: Bearer caf\xe9",
        b"Authorization: Bearer " + bytes(range(0x80, 0x100)),
        b"Authorization: bearer " + UNKNOWN.encode(),
        b"Authorization: Bearer " + READ.encode() + b", Bearer " + WRITE.encode(),
        bearer(READ) + b"\r\n" + bearer(WRITE),
        b"X-Authorization: Bearer " + READ.encode(),
        b"Cookie: key=" + READ.encode(),
        b"Proxy-" + bearer(READ),
    ],
)
def test_whatever_is_no_key_is_answered_alike(keyed: Keyed, header: bytes) -> None:
    missing = shape(keyed.ask(b"GET /model"))
    assert missing[0] == 401
    assert missing[2] == "Bearer"
    for request in (b"GET /model", b"POST /images/delete", b"PUT /images/a", b"GET /nothing"):
        assert shape(keyed.ask(request, header)) == missing


def test_the_scheme_is_not_case_sensitive(keyed: Keyed) -> None:
    """RFC 9110, section 11.1."""
    for scheme in (b"bearer", b"BEARER", b"Bearer"):
        answer = keyed.ask(b"GET /model", b"authorization: " + scheme + b" " + READ.encode())
        assert answer.status == 200


def test_each_request_with_each_key(keyed: Keyed) -> None:
    for path in OPEN:
        for method in (b"GET ", b"HEAD "):
            assert keyed.ask(method + path).status == 200, path
    for request in READING:
        assert keyed.ask(request).status == 401, request
        for key in (READ, WRITE):
            assert keyed.ask(request, bearer(key)).status not in (401, 403), request
    for request in WRITING:
        assert keyed.ask(request).status == 401, request
        assert keyed.ask(request, bearer(READ)).code == "forbidden", request
        assert keyed.ask(request, bearer(WRITE)).status not in (401, 403), request


def test_a_refused_write_changes_nothing(keyed: Keyed, picture: bytes) -> None:
    with Client(keyed.server.url, key=WRITE) as writer:
        writer.add(picture, id="kept", label="mine")
        for headers in ((), (bearer(READ),), (bearer(UNKNOWN),)):
            keyed.ask(b"PUT /images/other", *headers, body=picture)
            keyed.ask(b"DELETE /images/kept", *headers)
            named = (*headers, b"Content-Type: application/json")
            keyed.ask(b"POST /images/delete", *named, body=b'{"ids": ["kept"]}')
        assert [stored.id for stored in writer.list()] == ["kept"]
        writer.delete("kept")


def test_the_client_says_what_to_do(keyed: Keyed, picture: bytes) -> None:
    with Client(keyed.server.url, key=READ) as reader:
        assert reader.model().classes
        assert reader.classify(picture).predictions
        with pytest.raises(errors.NotAllowed, match="may read but not write"):
            reader.add(picture)
    with Client(keyed.server.url) as nobody, pytest.raises(errors.NotAllowed, match="--key-file"):
        nobody.model()


def test_keys_are_exchanged_while_requests_go_on(keyed: Keyed, picture: bytes) -> None:
    """Add the new one, change the client, take the old one out: no request of theirs is refused."""
    before = keyed.file.read_text()
    in_use, refused, answered = [WRITE], [], []
    stop = threading.Event()

    def work() -> None:
        with httpx.Client(base_url=keyed.server.url, verify=False) as client:
            while not stop.is_set():
                key = in_use[0]
                answer = client.get("/model", headers={"Authorization": f"Bearer {key}"})
                (answered if answer.status_code == 200 else refused).append(key)

    def status(key: str) -> int:
        return keyed.ask(b"GET /model", bearer(key)).status

    worker = threading.Thread(target=work)
    worker.start()
    try:
        keyed.file.write_text(f"{before}write {NEW}\n")
        wait_until(lambda: status(NEW) == 200)
        in_use[0] = NEW
        wait_until(lambda: answered[-1:] == [NEW])
        keyed.file.write_text(f"read {READ}\nwrite {NEW}\n")
        wait_until(lambda: status(WRITE) == 401)
        keyed.file.write_text("write short\n")  # a slip: nothing but the log changes
        wait_until(lambda: status(NEW) == 200 and "stay in force" in log(keyed))
        keyed.file.unlink()
        wait_until(lambda: status(NEW) == 200 and "there is no such file" in log(keyed))
    finally:
        stop.set()
        worker.join()
        keyed.file.write_text(before)
    wait_until(lambda: status(WRITE) == 200)
    assert status(NEW) == 401
    assert refused == []
    assert {*answered} == {WRITE, NEW}


def log(keyed: Keyed) -> str:
    return "".join(keyed.server.messages)


def test_no_key_is_ever_written(keyed: Keyed, picture: bytes) -> None:
    """Neither in the log, nor in the metrics, nor in an answer, nor in the list of processes."""
    before = keyed.file.read_text()
    answers: list[bytes] = []

    def sent(request: bytes, *headers: bytes, body: bytes = b"") -> int:
        answer = keyed.ask(request, *headers, body=body)
        answers.append(str(answer.headers).encode() + answer.body)
        return answer.status

    for key in (READ, WRITE, UNKNOWN):
        word = key.encode()
        for _ in range(sized(2, 100)):
            sent(b"POST /classify", bearer(key), body=picture)
            sent(b"POST /images", bearer(key), body=b"no picture")
            sent(b"POST /search", bearer(key), b"Content-Type: application/json", body=b"{")
            sent(b"GET /images/none", bearer(key))
            sent(b"GET /model?key=" + word)
            sent(b"GET /model?key=" + word, bearer(READ))
            sent(b"BREW /" + word, bearer(key))
            sent(b"GET /" + word, b"Authorization: " + word)
            sent(b"GET /model", b"Authorization: Bearer " + word + b" " + word)
    keyed.file.write_text(f"{before}write {NEW} {NEW}\n")
    wait_until(
        lambda: sent(b"GET /model", bearer(READ)) == 200 and "line 3 is neither" in log(keyed)
    )
    keyed.file.write_text(before)
    keyed.ask(b"GET /model", b"X-Request-Id: the-last")
    wait_until(lambda: "the-last" in log(keyed))
    metrics = httpx.get(f"http://127.0.0.1:{metrics_port(keyed.server)}/metrics", verify=False)
    arguments = Path(f"/proc/{keyed.server.process.pid}/cmdline").read_bytes()
    assert log(keyed).count('"key_missing"') > len(answers) / 4  # those requests are in it
    assert metrics.status_code == 200
    for key in (READ, WRITE, UNKNOWN, NEW):
        for text in (log(keyed).encode(), metrics.content, arguments, *answers):
            assert key[:16].encode() not in text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f"write {WRITE[:20]}", "the key in line 1 has 20 characters and must have 32 to 512"),
        (None, "there is no such file"),
    ],
)
def test_no_start_with_a_file_that_cannot_be_used(
    repository: Path, tmp_path: Path, content: str | None, said: str
) -> None:
    file = tmp_path / "keys"
    if content is not None:
        file.write_text(content)
    done = start(repository, tmp_path, "--keys", str(file))
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert WRITE[:20] not in done.stderr
    assert READ not in done.stderr


@pytest.mark.parametrize("host", sized(["0.0.0.0", "::"], ["0.0.0.0", "::", "", "*"]))
def test_no_start_beyond_this_machine_without_keys(
    repository: Path, tmp_path: Path, host: str
) -> None:
    done = start(repository, tmp_path, "--host", host)
    assert done.returncode == 1
    assert "can be reached from other machines" in done.stderr
    assert "--keys FILE" in done.stderr
    assert "--insecure" in done.stderr
    assert not (tmp_path / "index").exists()


def start(repository: Path, folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(command("alexnet-server"), "serve", "--port", "0", "--metrics-port", "0"),
            *("--repository", str(repository), "--index", f"sqlite:///{folder}/index", *flags),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=clean_environment(),
    )


def test_beyond_this_machine_with_keys_or_insecure(
    repository: Path, picture: bytes, tmp_path: Path
) -> None:
    file = tmp_path / "keys"
    file.write_text(f"read {READ}\n")
    flags = ("--host", "0.0.0.0", "--metrics-port", "0")
    with running_server(repository, tmp_path / "1", *flags, "--keys", str(file)) as server:
        host = b"Host: gpu-box.lan"
        assert ask(server.port, b"GET /model", host).status == 401
        assert ask(server.port, b"GET /model", host, bearer(READ)).status == 200
    with running_server(repository, tmp_path / "2", *flags, "--insecure") as server:
        assert ask(server.port, b"PUT /images/a", host, body=picture).status == 201
        foreign = (host, b"Origin: http://evil.example")
        assert ask(server.port, b"DELETE /images/a", *foreign).code == "foreign_origin"
        own = (host, b"Origin: http://gpu-box.lan")
        assert ask(server.port, b"DELETE /images/a", *own).status == 204
        assert any("whoever reaches 0.0.0.0 may change" in line for line in server.messages)
