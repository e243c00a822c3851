"""A file on a real socket, from a server that can be told to misbehave."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FileServer:
    """Its switches may be turned while it serves; of a list, each answer takes the first.

    Attributes:
        content: the file.
        tag: its entity tag, None for none.
        statuses: answers of no file at all.
        has_ranges: whether it knows Range.
        shift: how many bytes a partial answer lies beside the range that was asked for.
        claimed: a Content-Length other than the true one; -1 for none, and the end is the end.
        cuts: after how many bytes of an answer it hangs up.
        stalls: after how many bytes of an answer it says nothing any more.
        pause_s: before each twentieth of the file.
        leads_to: where it redirects to.
        seen: the headers of every request.
    """

    content: bytes
    tag: str | None = '"first"'
    statuses: list[int] = field(default_factory=list)
    has_ranges: bool = True
    shift: int = 0
    claimed: int | None = None
    cuts: list[int] = field(default_factory=list)
    stalls: list[int] = field(default_factory=list)
    pause_s: float = 0
    leads_to: dict[str, str] = field(default_factory=dict)
    seen: list[Message] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/file"

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def ranges(self) -> list[str | None]:
        """What each request asked for; None for all of it."""
        return [headers["Range"] for headers in self.seen]


@contextmanager
def served(content: bytes) -> Iterator[FileServer]:
    told = FileServer(content)

    class Handler(_Handler):
        file = told

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield told
    finally:
        told.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    file: FileServer

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        file = self.file
        file.seen.append(self.headers)
        self.close_connection = True
        if target := file.leads_to.get(self.path):
            self._head(302, {"Location": target, "Content-Length": "0"})
            return
        if file.statuses:
            self._head(file.statuses.pop(0), {"Content-Length": "0"})
            return
        start = self._start()
        if start >= len(file.content):
            headers = {"Content-Range": f"bytes */{len(file.content)}", "Content-Length": "0"}
            self._head(416, headers)
            return
        start += file.shift if start else 0
        body = file.content[start:]
        headers = {"ETag": file.tag} if file.tag else {}
        if file.claimed != -1:
            headers["Content-Length"] = str(file.claimed or len(body))
        if start:
            whole = len(file.content)
            headers["Content-Range"] = f"bytes {start}-{whole - 1}/{whole}"
        self._head(206 if start else 200, headers)
        self._send(body)

    def _start(self) -> int:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        condition = self.headers["If-Range"]
        if not self.file.has_ranges or (condition and condition != self.file.tag):
            return 0
        return int(asked[1]) if asked else 0

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Connection": "close", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, body: bytes) -> None:
        file = self.file
        stall = file.stalls.pop(0) if file.stalls else None
        cut = file.cuts.pop(0) if file.cuts else None
        body = body[:stall] if stall is not None else body[:cut]
        piece = max(len(file.content) // 20, 1) if file.pause_s else max(len(body), 1)
        try:
            for begin in range(0, len(body), piece):
                file.released.wait(file.pause_s)
                self.wfile.write(body[begin : begin + piece])
            if stall is not None:
                file.released.wait()
        except OSError:  # the client has hung up, as some tests want it to
            pass
