"""The key that a server may ask for: where it comes from, and that it travels in one header."""

from __future__ import annotations

import os
import re
from pathlib import Path

KEY_VARIABLE = "ALEXNET_KEY"
MAX_FILE_BYTES = 4096
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)  # b64token: RFC 6750, section 2.1


def headers(key: str | None) -> dict[str, str]:
    """The header that carries ``key``; None: the environment's ALEXNET_KEY, if it holds one.

    Raises:
        ValueError: it cannot be a key. The message does not repeat it.
    """
    source = "the key"
    if key is None:
        source, key = f"the key in {KEY_VARIABLE}", os.environ.get(KEY_VARIABLE)
        if not key:
            return {}
    if not _TOKEN.fullmatch(key):
        raise ValueError(
            f"{source} is empty or has a character that no key has "
            "(A-Z a-z 0-9 . _ ~ + / - and = at the end)"
        )
    return {"Authorization": f"Bearer {key}"}


def from_file(path: Path) -> str:
    """The key that stands alone in a file.

    Raises:
        OSError: the file cannot be read.
        ValueError: it does not hold one word. The message does not repeat what it holds.
    """
    with path.open("rb") as file:
        content = file.read(MAX_FILE_BYTES + 1)
    words = content.decode("utf-8-sig", "replace").split()
    if len(content) > MAX_FILE_BYTES or len(words) != 1:
        raise ValueError(f"{path} must hold one key and nothing else")
    return words[0]


def advice(code: str, is_sent: bool) -> str:
    """What to do about a server's refusal of that code; "" where keys are not the cause."""
    if code == "forbidden":
        return "the key that was sent may read but not write: ask the operator for one that may"
    if code != "key_missing":
        return ""
    if is_sent:
        return "the server does not know the key that was sent: ask the operator whether it changed"
    return f"give the key in the environment's {KEY_VARIABLE}, as --key-file FILE, or Client(key=)"
