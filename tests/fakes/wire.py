"""A TCP proxy that breaks connections in the ways networks and dying machines do."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
import time

_LOOK_S = 0.05


class Wire:
    """Forwards ``port`` of the loopback to ``target_port``.

    ``mode`` is read for every piece that comes back: ``pass``; ``reset`` (RST in place of the
    answer); ``half`` (half of the piece, then the end); ``drip`` (one byte a second); ``stall``
    (nothing any more on this connection, whatever ``mode`` becomes).
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self.mode = "pass"
        self.port = 0
        self._sockets: list[socket.socket] = []
        self.open()

    def open(self) -> None:
        """Listen, on the same port each time."""
        self._server = socket.create_server(("127.0.0.1", self.port))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()

    def close(self) -> None:
        """As the death of the process behind it: connections end, new ones are refused."""
        for each in (self._server, *self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._sockets.clear()

    def _accept(self, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = server.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self._target_port))
                except OSError:
                    near.close()
                    continue
                self._sockets += [near, far]
                for one, other, is_back in ((near, far, False), (far, near, True)):
                    run = threading.Thread(target=self._pump, args=(one, other, is_back))
                    run.daemon = True
                    run.start()

    def _pump(self, source: socket.socket, sink: socket.socket, is_back: bool) -> None:
        with contextlib.suppress(OSError, ValueError):  # ValueError: closed by the other thread
            while data := _read(source):
                if is_back and not self._deliver(sink, data):
                    break
                if not is_back:
                    sink.sendall(data)
        source.close()
        sink.close()

    def _deliver(self, sink: socket.socket, data: bytes) -> bool:
        """Whether the connection goes on."""
        if self.mode == "pass":
            sink.sendall(data)
        elif self.mode == "reset":
            sink.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        elif self.mode == "half":
            sink.sendall(data[: len(data) // 2])
            sink.shutdown(socket.SHUT_RDWR)
            return False
        elif self.mode == "drip":
            for place in range(len(data)):
                sink.sendall(data[place : place + 1])
                time.sleep(1)  # the fault itself
        else:
            threading.Event().wait()
        return True


def _read(source: socket.socket) -> bytes:
    # A socket that another thread waits on is closed, towards the network, when that wait ends.
    while not select.select([source], [], [], _LOOK_S)[0]:
        continue
    return source.recv(65536)
