"""The arithmetic of docs/billion.md, done again from its own first table."""

from __future__ import annotations

import math
from pathlib import Path

from alexnet_client.ray.job import PARTITION_PICTURES

DOCS = Path(__file__).parents[2] / "docs"
LINES = (DOCS / "billion.md").read_text().splitlines()
BILLION = 10**9
DAY_S = 86_400
SIZES = {"TB": 1e12, "GB": 1e9, "MB": 1e6, "kB": 1e3}


def table(first: str, after: int = 0) -> dict[str, list[str]]:
    """The cells of each row of a table by the row's first cell, without its head."""
    starts = [number for number, line in enumerate(LINES) if line.startswith(first)]
    rows = {}
    for line in LINES[starts[after] + 2 :]:
        if not line.startswith("|"):
            break
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        rows[name] = cells
    return rows


def size(count: float) -> str:
    unit, factor = next((u, f) for u, f in SIZES.items() if count >= f)
    return f"{count / factor:.3g} {unit}"


GIVEN = {name: float(cells[0].replace(",", "")) for name, cells in table("| | | from |").items()}
RATES = [rate for name, rate in GIVEN.items() if name.startswith("pictures a second")]


def test_the_nodes_follow_from_the_rates() -> None:
    written = table("| a billion pictures | labels")
    days = [BILLION / rate / DAY_S for rate in RATES]
    assert written.pop("one node takes") == [f"{each:.3g} days" for each in days]
    for deadline in (30, 7, 1):
        name = f"nodes for {deadline} day{'s' if deadline > 1 else ''}"
        assert written.pop(name) == [str(math.ceil(each / deadline)) for each in days]
    read = [size(rate * GIVEN["bytes of a picture"]) for rate in RATES]
    assert written.pop("a node reads, bytes a second") == read
    minutes = [2 * GIVEN["pictures in a partition"] / rate / 60 for rate in RATES]
    taken = [f"{each:.3g} min" for each in minutes]
    assert written.pop("an actor of two takes for a partition") == taken
    assert written == {}


def test_the_bytes_follow() -> None:
    part, row = GIVEN["pictures in a partition"], GIVEN["bytes of a row, labels"]
    whole = GIVEN["bytes of a row, labels and features"]
    assert {name: cell for name, (cell,) in table("| a billion pictures | |").items()} == {
        "the pictures": size(BILLION * GIVEN["bytes of a picture"]),
        "the list": size(BILLION * GIVEN["bytes of a path in the list"]),
        "partitions, files": f"{BILLION / part:,.0f}",
        "rows with labels": size(BILLION * row),
        "rows with labels and features": size(BILLION * whole),
        "a file of labels": size(part * row),
        "a file of labels and features": size(part * whole),
    }


def test_what_is_given_is_what_the_other_pages_and_the_code_say() -> None:
    labels, both, triton, int8 = RATES
    performance = (DOCS / "performance.md").read_text()
    assert f"| {labels} |" in performance
    assert f"| {triton} |" in performance
    assert both == labels / 2
    assert f"| {int8:.0f} (" in performance
    assert GIVEN["pictures in a partition"] == PARTITION_PICTURES
