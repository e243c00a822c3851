from __future__ import annotations

import io
import json
import logging
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from alexnet_server import log_lines
from alexnet_server.log_lines import JsonLines, LogWriter, logging_to_stderr
from tests.waiting import WAIT_S, wait_until

ODD = 'a\nb\r\x00\u202egpj.\u2028\ud83d\x1b[31m"}' + "x" * 20_000


def strict(line: str) -> dict[str, Any]:
    entry = json.loads(line, parse_constant=pytest.fail)
    assert {"time", "level", "message"} <= entry.keys()
    return entry


def test_whatever_is_logged_is_one_short_line_of_ascii() -> None:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(JsonLines())
    log = logging.Logger("odd")
    log.addHandler(handler)
    log.error("failed: %s", ODD)
    log.error("%d is no number", "this")
    try:
        raise ValueError(ODD)
    except ValueError:
        log.exception("with its traceback")
    text = out.getvalue()
    assert text.isascii()
    assert not set(text) & set(map(chr, range(32))) - {"\n"}
    entries = [strict(line) for line in text.split("\n")[:-1]]
    assert len(entries) == 3
    assert entries[0]["message"].startswith("failed: a\nb\r\x00\u202egpj.\u2028?\x1b")
    assert entries[1]["message"] == "%d is no number"
    assert entries[2]["traceback"].endswith("x" * 100)
    assert max(map(len, text.split("\n"))) < 16_000  # where Docker's log driver cuts


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    try:
        yield reading, writing
    finally:
        for descriptor in (reading, writing):
            try:
                os.close(descriptor)
            except OSError:  # closed in the test
                continue


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("alexnet_server", logging.INFO, "", 0, text, None, None)


def test_a_log_that_nobody_reads_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_lines, "_MOST_WAITING", 100)
    with pipe() as (reading, writing):
        writer = LogWriter(writing)

        def log() -> None:
            for _ in range(500):
                writer.handle(record("y" * 1000))  # a pipe holds 64 KiB

        logging_thread = threading.Thread(target=log, daemon=True)
        logging_thread.start()
        logging_thread.join(WAIT_S / 4)
        assert not logging_thread.is_alive()
        assert writer.dropped > 100
        read: list[bytes] = []

        def drain() -> None:
            while piece := os.read(reading, 65536):
                read.append(piece)

        thread = threading.Thread(target=drain)
        thread.start()
        writer.close()
        os.close(writing)
        thread.join(WAIT_S)
    entries = [strict(line) for line in b"".join(read).decode().splitlines()]
    assert len(entries) == 500 - writer.dropped


def test_a_log_whose_reader_is_gone_ends_nothing() -> None:
    with pipe() as (reading, writing):
        writer = LogWriter(writing)
        os.close(reading)
        writer.handle(record("one"))
        writer.handle(record("two"))
        wait_until(lambda: writer.dropped == 2)
        writer.close()


def test_everything_goes_to_stderr_as_lines(capfd: pytest.CaptureFixture[str]) -> None:
    with logging_to_stderr():
        logging.getLogger("alexnet_server").info("ours")
        logging.getLogger("of.a.library").info("not ours")
        logging.getLogger("of.a.library").warning("theirs")
        logging.getLogger("waitress").error("Exception while serving /images/an-id")
        logging.getLogger("waitress").warning("Malformed proxy header %s value: %s", "X", "a-key")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("of Python's", stacklevel=1)

        def fail() -> None:
            raise ValueError("of a thread")

        thread = threading.Thread(target=fail, name="short")
        thread.start()
        thread.join()
    entries = [strict(line) for line in capfd.readouterr().err.splitlines()]
    said = [entry["message"] for entry in entries]
    assert said[:4] == ["ours", "theirs", "Exception while", "Malformed proxy header X"]
    assert "of Python's" in said[4]
    assert said[5] == "a thread ended: short"
    assert "ValueError: of a thread" in entries[5]["traceback"]
    assert "an-id" not in str(entries)
    assert "a-key" not in str(entries)
