"""The arithmetic of docs/scale.md, done again from its own first table."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

from alexnet_server.index.blocks import HEAD_BYTES
from alexnet_server.index.milvus import collection

LINES = (Path(__file__).parents[2] / "docs/scale.md").read_text().splitlines()
PICTURES = [10**6, 10**7, 10**8, 10**9]
SIZES = {"TB": 1e12, "GB": 1e9, "MB": 1e6}
TIMES = {"days": 86_400, "h": 3_600, "min": 60}


def table(first: str) -> list[list[str]]:
    """The cells of the rows of the table that begins with ``first``, without its head."""
    start = next(number for number, line in enumerate(LINES) if line.startswith(first))
    rows = []
    for line in LINES[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def size(count: float) -> str:
    unit, factor = next((u, f) for u, f in SIZES.items() if count >= f)
    return f"{count / factor:.3g} {unit}"


def duration(seconds: float) -> str:
    for unit, factor in TIMES.items():
        if seconds >= 2 * factor:
            return f"{seconds / factor:.3g} {unit}"
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"


def whole(count: float) -> str:
    return f"{math.ceil(count):,}"


def test_the_large_table_follows_from_the_small_one() -> None:
    values = [float(row[1].replace(",", "")) for row in table("| | | from |")]
    (features, thumbnail, texts, code, head, learned) = values[:6]
    (scanned, compared, opened, stored, looked) = values[6:11]
    (in_segment, sq8, lists, probed, memory, full, may_take) = values[11:]
    searched = code * probed / lists
    rows: list[tuple[Callable[[float], str], float]] = [
        (size, features),
        (size, features + thumbnail + texts + code),
        (size, code + head),
        (size, learned),
        (duration, 1 / compared),
        (whole, 1 / compared / may_take),
        (duration, 1 / opened),
        (duration, 1 / stored),
        (duration, 1 / looked),
        (whole, 1 / in_segment),
        (size, code + sq8),
        (whole, (code + sq8) / memory / full),
        # A VARCHAR has the thumbnail in base64.
        (size, features + thumbnail * 4 / 3 + code + sq8),
        (size, searched),
        (whole, searched / scanned / may_take),
    ]
    written = table("| pictures | 1 million")
    assert len(written) == len(rows)
    for (name, *cells), (text, each) in zip(written, rows, strict=True):
        assert cells == [text(count * each) for count in PICTURES], name


def test_the_small_table_says_what_the_code_does() -> None:
    said = {row[0]: row[1] for row in table("| | | from |")}
    units = 4096
    assert said["features, bytes"] == f"{4 * units:,}"
    assert said["code, bytes"] == f"{units // 8:,}"
    assert said["head of a code, bytes"] == str(HEAD_BYTES)
    assert said["pictures in a segment of a Milvus"] == f"{2**30 // (4 * units):,}"
    assert said["lists of a segment"] == f"{collection._RABITQ['nlist']:,}"
    assert said["lists a search reads"] == str(collection._RABITQ_SEARCH["nprobe"])
    assert collection._RABITQ["refine_type"] == "SQ8"
    assert said["SQ8 of the features, bytes"] == f"{units:,}"


def test_the_text_repeats_the_table() -> None:
    text = " ".join(LINES)
    rows = {row[0]: row[1:] for row in table("| pictures | 1 million")}
    assert f"{rows['cores that compare them in time'][1]} cores, 6 GB" in text
    assert f"and {rows['cores that compare them in time'][2]} cores could scan" in text
    assert f"is {rows['query nodes'][3]} query nodes" in text
    assert re.search(f"and {rows['two cores compute their features in'][3]} of these", text)
