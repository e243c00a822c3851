"""A file of keys: what it may hold, and how it is followed."""

from __future__ import annotations

import ast
import hashlib
import inspect
import logging
import os
import re
import secrets
import threading
from pathlib import Path

import pytest

from alexnet_server import access, keys
from alexnet_server.errors import SettingsError
from alexnet_server.keys import MAX_CHARACTERS, MAX_FILE_BYTES, MIN_CHARACTERS, Keys, Right, parse

READ, WRITE, OTHER = (hashlib.sha256(name).hexdigest() for name in (b"read", b"write", b"other"))


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(f"# ours\n\nread {READ}\nwrite {WRITE}  # the loader's\n")
    return path


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def held(file: Path, clock: Clock) -> Keys:
    return Keys(file, clock)


@pytest.fixture
def log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(logging.getLogger("alexnet_server"), "propagate", True)
    caplog.set_level(logging.INFO, "alexnet_server")
    return caplog


def test_each_key_has_its_right(held: Keys) -> None:
    assert held.right(READ) is Right.READ
    assert held.right(WRITE) is Right.WRITE
    assert held.counts() == "1 read, 1 write"


@pytest.mark.parametrize(
    "sent",
    [
        *("", " ", WRITE[:-1], WRITE + "A", f" {WRITE}", WRITE.swapcase(), OTHER, "write"),
        *(f"write {WRITE}", "é" * 43, "\udcff", "\x00", "x" * 8192, f"{WRITE}, {WRITE}"),
    ],
)
def test_nothing_else_has_a_right(held: Keys, sent: str) -> None:
    assert held.right(sent) is Right.NONE


def test_several_keys_of_each_kind_and_line_ends_of_windows() -> None:
    lines = [f"read {secrets.token_hex(16)}" for _ in range(3)] + [f"\twrite\t{WRITE}  "]
    rights = list(parse("\r\n".join(lines).encode("utf-8-sig")).values())
    assert rights == [Right.READ] * 3 + [Right.WRITE]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "there is no key in it"),
        ("# read nothing\n", "there is no key in it"),
        (f"read {READ}\n{WRITE}\n", "line 2 is neither 'read KEY' nor 'write KEY'"),
        (f"\nadmin {READ}", "line 2 is neither"),
        (f"READ {READ}", "line 1 is neither"),
        (f"read {READ} {WRITE}", "line 1 is neither"),
        (f"read:{READ}", "line 1 is neither"),
        ("write", "line 1 is neither"),
        (f"read {READ[:31]}", "the key in line 1 has 31 characters and must have 32 to 512; make"),
        (f"read {READ * 12}", "the key in line 1 has 768 characters"),
        (f"write {WRITE}é", "the key in line 1 has a character that no key may have"),
        (f"write {WRITE}:", "the key in line 1 has a character"),
        (f"write ={WRITE}", "the key in line 1 has a character"),
        (f"write {'abcdefg' * 9}", "the key in line 1 can be guessed; make one with: python3 -c"),
        (f"read {READ}\n# more\nread {READ}", "line 3 has the key of line 1 again"),
        (f"read {READ}\nwrite {READ}", "line 2 has the key of line 1 again"),
    ],
)
def test_a_line_that_cannot_be_used_is_named_and_no_key(content: str, message: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)) as caught:
        parse(content.encode())
    assert READ[:31] not in str(caught.value)
    assert WRITE not in str(caught.value)


def test_what_is_no_text_or_no_list_of_keys_is_refused() -> None:
    with pytest.raises(SettingsError, match="line 2 is not UTF-8"):
        parse(f"read {READ}\nwrite \xff".encode("latin-1"))
    with pytest.raises(SettingsError, match="more than 65,536 bytes"):
        parse(b"#" * (MAX_FILE_BYTES + 1))
    for length in (MIN_CHARACTERS, MAX_CHARACTERS):
        assert len(parse(f"read {READ * 12:.{length}}".encode())) == 1


def test_the_way_to_make_a_key_makes_one() -> None:
    command = re.search(r'python3 -c "(.+)"', keys._HOW)
    printed: list[str] = []
    exec(command[1], {"print": printed.append})
    assert parse(f"read {printed[0]}".encode())


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "empty"])
def test_a_server_does_not_start_without_a_file_of_keys(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "empty":
        path.touch()
    with pytest.raises(SettingsError, match=f"the key file {re.escape(str(path))} cannot be used"):
        Keys(path)


def test_a_key_is_exchanged_while_the_server_runs(
    file: Path, held: Keys, clock: Clock, log: pytest.LogCaptureFixture
) -> None:
    file.write_text(f"write {WRITE}\nwrite {OTHER}\n")
    clock.now_s = 0.9
    assert held.right(OTHER) is Right.NONE  # looked at most once a second
    clock.now_s = 1.0
    assert held.right(OTHER) is held.right(WRITE) is Right.WRITE
    assert held.right(READ) is Right.NONE
    file.write_text(f"write {OTHER}\n")
    clock.now_s = 2.0
    assert held.right(WRITE) is Right.NONE
    assert log.messages == [
        f"key file {file} was read again: 0 read, 2 write",
        f"key file {file} was read again: 0 read, 1 write",
    ]


def test_a_change_within_the_same_time_stamp_counts(file: Path, held: Keys, clock: Clock) -> None:
    before = file.stat()
    with file.open("r+") as same:  # same size, same inode, same time
        same.write(file.read_text().replace(WRITE, OTHER))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    clock.now_s = 1.0
    assert (held.right(WRITE), held.right(OTHER)) == (Right.NONE, Right.WRITE)


@pytest.mark.parametrize("broken", ["gone", "", "write short", f"write {OTHER}\nwrite {OTHER}"])
def test_a_broken_file_keeps_the_keys_and_is_logged_once(
    file: Path, held: Keys, clock: Clock, log: pytest.LogCaptureFixture, broken: str
) -> None:
    whole = file.read_text()
    if broken == "gone":
        file.unlink()
    else:
        file.write_text(broken)
    for second in range(1, 4):
        clock.now_s = float(second)
        assert held.right(WRITE) is Right.WRITE
        assert held.right(OTHER) is Right.NONE
    assert len(log.messages) == 1
    assert log.messages[0].startswith(f"key file {file} cannot be used: ")
    assert OTHER not in log.messages[0]
    file.write_text(whole)
    clock.now_s = 5.0
    assert held.right(WRITE) is Right.WRITE
    assert len(log.messages) == 1
    file.write_text(broken or "#")
    clock.now_s = 6.0
    held.right(WRITE)
    assert len(log.messages) == 2  # broken once more


def test_one_thread_looks_and_the_others_do_not_wait(
    file: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Keys(file, clock)
    reading, go_on = threading.Event(), threading.Event()
    read = keys._read

    def slow(path: Path) -> bytes:
        reading.set()
        assert go_on.wait(60)
        return read(path)

    monkeypatch.setattr(keys, "_read", slow)
    clock.now_s = 1.0
    first = threading.Thread(target=held.right, args=(WRITE,))
    first.start()
    assert reading.wait(60)
    clock.now_s = 9.0
    assert held.right(WRITE) is Right.WRITE
    go_on.set()
    first.join()


def test_no_key_is_kept_in_memory(held: Keys) -> None:
    kept = repr(vars(held)).encode() + b"".join(held._rights)
    assert WRITE.encode() not in kept
    assert {len(digest) for digest in held._rights} == {32}


SECRET = {"key", "known", "sent", "digest", "content", "rights", "_taken", "_rights", "token"}


def test_no_secret_is_compared_but_in_constant_time() -> None:
    compared = 0
    for module in (keys, access):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "hmac.compare_digest":
                compared += 1
            if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.NotEq):
                sides = {ast.unparse(side) for side in (node.left, *node.comparators)}
                names = {side.rpartition(".")[2] for side in sides}
                assert not names & SECRET, ast.unparse(node)
    assert compared == 2  # a key with each that is known, a file with the one before
