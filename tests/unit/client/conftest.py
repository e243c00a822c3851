"""A real HTTP server on a free port that answers as the test tells it."""

import base64
import email
import email.policy
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

MODEL = {"name": "alexnet", "version": "1", "digest": "sha256:abc"}


@dataclass
class Request:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query)

    @property
    def form(self) -> list[tuple[str, str | None, bytes]]:
        """(field, file name, content) of every part, in order."""
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        message = email.message_from_bytes(head + self.body, policy=email.policy.HTTP)
        return [
            (
                part.get_param("name", header="content-disposition"),
                part.get_filename(),
                part.get_payload(decode=True),
            )
            for part in message.iter_parts()
        ]

    def values(self, name: str) -> list[bytes]:
        return [content for field, _, content in self.form if field == name]


@dataclass
class Answer:
    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


def as_json(document: object, status: int = 200) -> Answer:
    return Answer(status, json.dumps(document).encode())


def problem(status: int, code: str, **headers: str) -> Answer:
    document = {
        "type": "about:blank",
        "title": code.title(),
        "status": status,
        "detail": f"what came was {code}",
        "code": code,
        "request_id": "req-7",
    }
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, json.dumps(document).encode(), "application/problem+json", named)


def labels_of(request: Request) -> Answer:
    """Answer /classify: the label of a picture is its own bytes; the bytes ``bad`` are refused."""
    results = []
    for _, filename, content in request.form:
        if content == b"bad":
            error = {"code": "undecodable_picture", "title": "Broken", "detail": "cut short"}
            results.append({"filename": filename, "error": error})
        else:
            prediction = {"label": content.decode(), "class_id": 0, "probability": 0.75}
            results.append({"filename": filename, "predictions": [prediction]})
            if request.query.get("features") == ["base64"]:
                row = np.full(4096, len(content), "<f4").tobytes()
                results[-1]["features"] = base64.b64encode(row).decode()
    if len(results) == 1 and "error" in results[0]:
        return problem(422, "undecodable_picture")
    return as_json({"model": MODEL, "results": results})


class _Listening(ThreadingHTTPServer):
    request_queue_size = 128  # of 5, its own, connections opened together would be lost


class Scripted:
    """The server; ``answer`` is called for each request and may raise `DropConnection`."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answer: Callable[[Request], Answer] = labels_of
        self.released = threading.Event()  # lets go of handlers that stall on purpose
        self.http = _Listening(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def in_turn(self, *answers: Answer) -> None:
        """Give these answers, one a request."""
        left = list(answers)
        self.answer = lambda request: left.pop(0)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                length = int(self.headers.get("content-length", 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(self.command, self.path, headers, self.rfile.read(length))
                scripted.requests.append(request)
                try:
                    answer = scripted.answer(request)
                except DropConnection:
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                self.send_header("content-type", answer.content_type)
                if answer.status != 204:
                    self.send_header("content-length", str(len(answer.body)))
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body)

            do_GET = do_POST = do_PUT = do_DELETE = handle_one

            def log_message(self, *_: object) -> None:
                pass

        return Handler


class DropConnection(Exception):
    """Close the connection without an answer."""


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    server = Scripted()
    server.http.daemon_threads = True
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.released.set()
    server.http.shutdown()
    server.http.server_close()
    thread.join()


@pytest.fixture
def wire():
    """The builders of answers, for tests in a folder that is no package."""

    class Wire:
        Answer = Answer
        DropConnection = DropConnection
        MODEL = MODEL
        as_json = staticmethod(as_json)
        problem = staticmethod(problem)
        labels_of = staticmethod(labels_of)

    return Wire
