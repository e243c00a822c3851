"""docs/networks.md against the layer table."""

from __future__ import annotations

import re
from pathlib import Path

from alexnet_export.dialects import DIALECTS
from alexnet_export.layers import parameter_count
from alexnet_training.network.exchange import exchanged_numbers

TEXT = (Path(__file__).parents[2] / "docs" / "networks.md").read_text()


def number(text: str) -> int:
    return int(text.replace(",", ""))


def test_weights_and_exchanges_are_those_of_the_table() -> None:
    rows = [line.split("|")[1:-1] for line in TEXT.splitlines() if line.startswith("| `")]
    seen = []
    for names, _, weights, crossing in (row for row in rows if len(row) == 4):
        dialects = re.findall(r"`([^`]+)`", names)
        counts = [number(one) for one in re.findall(r"[0-9,]+[0-9]", crossing)]
        seen += dialects
        for place, name in enumerate(dialects):
            assert parameter_count(DIALECTS[name], 1000) == number(weights.strip()), name
            found = sum(exchanged_numbers(DIALECTS[name]).values())
            assert found == counts[min(place, len(counts) - 1)], name
    assert len(seen) == 7


def test_every_dialect_is_named() -> None:
    for name in DIALECTS:
        assert f"`{name}`" in TEXT or f"--dialect {name}`" in TEXT, name


def test_the_smaller_network_has_the_weights_that_are_said() -> None:
    said = f"{parameter_count(DIALECTS['no-exchange'], 1000):,}"
    assert f"`no-exchange` has {said} weights" in TEXT
