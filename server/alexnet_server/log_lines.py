"""The server's log: one JSON object a line on stderr, and no request that waits for its reader."""

from __future__ import annotations

import json
import logging
import os
import queue
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

_MOST_WAITING = 2_000  # lines; some 1 MB
_MOST_AT_ONCE = 100
_MOST_MESSAGE = 2_000  # characters
_MOST_TRACEBACK = 8_000
_CLOSE_S = 2.0


class JsonLines(logging.Formatter):
    """A record as one line of ASCII: whatever a text holds, it is escaped and cut.

    ``fields`` of the record (``extra=``) are put beside ``time``, ``level`` and ``message``.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        entry: dict[str, Any] = {
            "time": _time(record.created),
            "level": record.levelname.lower(),
            "message": _whole(_message(record))[:_MOST_MESSAGE],
        }
        entry |= getattr(record, "fields", {})
        if record.exc_info:
            # The end says what went wrong.
            entry["traceback"] = _whole(self.formatException(record.exc_info))[-_MOST_TRACEBACK:]
        return json.dumps(entry, allow_nan=False)


class LogWriter(logging.Handler):
    """Writes lines to the file ``descriptor`` on a thread of its own.

    Where nobody reads them, that thread waits and no request does: ``dropped`` counts the lines
    that found no room.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self.setFormatter(JsonLines())
        self.dropped = 0  # written by one thread at a time: emit holds the handler's lock
        self._descriptor = descriptor
        self._lines: queue.Queue[bytes | None] = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Have the record written, or counted as dropped."""
        try:
            self._lines.put_nowait(f"{self.format(record)}\n".encode())
        except Exception:  # noqa: BLE001 (a record that cannot be written must stop no request)
            self.dropped += 1

    def close(self) -> None:
        """Write what waits, for at most 2 s."""
        try:
            self._lines.put(None, timeout=_CLOSE_S)
        except queue.Full:
            return  # nobody reads: the thread ends with the process
        self._thread.join(_CLOSE_S)
        super().close()

    def _write(self) -> None:
        is_over = False
        while not is_over:
            lines, is_over = self._waiting()
            text = b"".join(lines)
            try:
                while text:
                    text = text[os.write(self._descriptor, text) :]
            except OSError:  # stderr is closed, or its disk is full
                self.acquire()  # as who calls emit has done
                self.dropped += len(lines)
                self.release()

    def _waiting(self) -> tuple[list[bytes], bool]:
        """Some of the lines that wait, at least one, and whether they are the last.

        One write a line would take the interpreter from the requests twice for each of them.
        """
        lines: list[bytes | None] = [self._lines.get()]
        while lines[-1] is not None and len(lines) < _MOST_AT_ONCE and not self._lines.empty():
            lines.append(self._lines.get_nowait())
        return [line for line in lines if line is not None], lines[-1] is None


@contextmanager
def logging_to_stderr() -> Iterator[LogWriter]:
    """Everything that is logged, and what ends a thread, goes to stderr as JSON lines meanwhile."""
    writer = LogWriter(sys.stderr.fileno())
    root, ours, waitress = map(logging.getLogger, (None, "alexnet_server", "waitress"))
    root.addHandler(writer)
    ours.setLevel(logging.INFO)
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # the gates tell it better
    waitress.addFilter(_without_what_was_sent)
    logging.captureWarnings(True)
    before, threading.excepthook = threading.excepthook, _log_end_of_thread
    try:
        yield writer
    finally:
        threading.excepthook = before
        logging.captureWarnings(False)
        waitress.removeFilter(_without_what_was_sent)
        root.removeHandler(writer)
        writer.close()


def _without_what_was_sent(record: logging.LogRecord) -> bool:
    """Cut off waitress's messages what a sender wrote: "... while serving PATH", "... value: X"."""
    said = _message(record)
    for mark in (" serving ", " value: "):
        said = said.partition(mark)[0]
    record.msg, record.args = said, None
    return True


def _log_end_of_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is not None:
        logging.getLogger("alexnet_server").error(
            "a thread ended: %s",
            ended.thread.name if ended.thread else "unknown",
            exc_info=(ended.exc_type, ended.exc_value, ended.exc_traceback),
        )


def _time(created_s: float) -> str:
    moment = datetime.fromtimestamp(created_s, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):  # arguments that do not fit their text lose no line
        return str(record.msg)


def _whole(text: str) -> str:
    """``text`` without half surrogates, which strict readers of JSON refuse."""
    return text.encode("utf-8", "replace").decode()
