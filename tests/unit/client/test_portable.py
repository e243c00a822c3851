"""Nothing that one system alone has is used without asking whether it is there."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[3] / "client" / "alexnet_client"
ONE_SYSTEMS_MODULES = re.compile(
    "_posixsubprocess|_winapi|crypt|curses|fcntl|grp|msvcrt|nis|nt|ossaudiodev|posix|pty|pwd|"
    "readline|resource|spwd|syslog|termios|tty|winreg|winsound"
)
ONE_SYSTEMS_NAMES = re.compile(
    "O_(BINARY|DIRECT|DIRECTORY|NOFOLLOW)|SIG(ALRM|CHLD|CONT|HUP|KILL|PIPE|QUIT|STOP|TSTP|USR[12]|"
    "WINCH)|(set)?(alarm|itimer)|l?chown|f(chmod|chown|datasync|ork|orkpty)|get(e?[gu]id|groups|"
    "loadavg|pgid|pgrp)|set(pgid|priority|sid)|mk(fifo|nod)|p(read|readv|write|writev)|"
    "posix_(fadvise|fallocate|spawn)|sched_[gs]etaffinity|add_signal_handler|chroot|ctermid|"
    "copy_file_range|killpg|lockf|nice|openpty|sendfile|splice|startfile|statvfs|sync|sysconf|"
    "uname|wait[34]"
)
ASKED = ("sys.platform", "os.name", "hasattr(", "platform.system(")


def unguarded(source: str) -> list[str]:
    """Return what a file uses that one system alone has, outside of any question for it."""
    found: list[str] = []
    _search(ast.parse(source), found)
    return found


def _search(node: ast.AST, found: list[str]) -> None:
    match node:
        case ast.If(test=test) | ast.IfExp(test=test) if any(
            question in ast.unparse(test) for question in ASKED
        ):
            return
        case ast.Try(handlers=handlers) if any(
            handler.type and ast.unparse(handler.type) in ("ImportError", "ModuleNotFoundError")
            for handler in handlers
        ):
            return
        case ast.Import(names=names):
            found += [one.name for one in names if ONE_SYSTEMS_MODULES.fullmatch(one.name)]
        case ast.ImportFrom(module=module, names=names):
            found += [module] if ONE_SYSTEMS_MODULES.fullmatch(module or "") else []
            found += [one.name for one in names if ONE_SYSTEMS_NAMES.fullmatch(one.name)]
        case ast.Attribute(value=ast.Name(id="os" | "signal" | "loop" | "socket"), attr=name):
            found += [name] if ONE_SYSTEMS_NAMES.fullmatch(name) else []
    for child in ast.iter_child_nodes(node):
        _search(child, found)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import fcntl", ["fcntl"]),
        ("def f():\n    from pwd import getpwuid", ["pwd"]),
        ("from os import fork", ["fork"]),
        ("os.kill(1, signal.SIGKILL)", ["SIGKILL"]),
        ("if sys.platform != 'win32':\n    import fcntl", []),
        ("try:\n    import fcntl\nexcept ImportError:\n    fcntl = None", []),
        ("try:\n    import fcntl\nexcept ValueError:\n    fcntl = None", ["fcntl"]),
        ("import os\nos.replace(a, b)", []),
    ],
)
def test_the_search_finds_what_it_is_for(source, expected):
    assert unguarded(source) == expected


def test_the_package_runs_on_windows_macos_and_linux():
    files = list(PACKAGE.rglob("*.py"))
    assert len(files) > 20
    found = {path.name: unguarded(path.read_text(encoding="utf-8")) for path in files}
    assert {name: what for name, what in found.items() if what} == {}


def without_encoding(source: str) -> list[int]:
    """Return the lines that open a text file in the encoding the system happens to have."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="os" | "Image"))):
                continue
            case ast.Call(func=ast.Attribute(attr="open" | "read_text" | "write_text")):
                said = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                modes = [*map(ast.unparse, node.args), said.get("mode", "")]
                named = any(re.search("[rwax][+]?b", mode) for mode in modes)
                is_binary = named or "buffering" in said  # text cannot be without a buffer
                found += [] if is_binary or "encoding" in said else [node.lineno]
    return found


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("path.open()", [1]),
        ("path.write_text(page)", [1]),
        ("path.open('rb')", []),
        ("path.open('ab' if more else 'wb')", []),
        ("path.open(mode, buffering=0)", []),
        ("path.read_text(encoding='utf-8')", []),
        ("os.open(path, os.O_RDONLY)", []),
    ],
)
def test_the_search_finds_what_has_no_encoding(source, expected):
    assert without_encoding(source) == expected


def test_text_files_name_their_encoding():
    """Left out, it is the system's own: another on Windows."""
    files = PACKAGE.rglob("*.py")
    found = {path.name: without_encoding(path.read_text(encoding="utf-8")) for path in files}
    assert {name: lines for name, lines in found.items() if lines} == {}
