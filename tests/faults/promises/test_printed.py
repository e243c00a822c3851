"""ARCHITECTURE.md prints the seven promises, and each names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SECTION = re.compile(r"^## Promises\n(.*?)^## ", re.MULTILINE | re.DOTALL)
PROMISE = re.compile(r"^- \*\*(.*?)\*\*(.*?)(?=^- |\nAnd of|\Z)", re.MULTILINE | re.DOTALL)


def promises() -> dict[str, list[str]]:
    """The tests that are named with each promise."""
    (section,) = SECTION.findall((ROOT / "ARCHITECTURE.md").read_text())
    return {name: re.findall(r"`(tests/[^`]+)`", text) for name, text in PROMISE.findall(section)}


def test_all_seven_are_printed_in_order() -> None:
    numbers = [name.partition(":")[0] for name in promises() if re.match(r"P\d:", name)]
    assert numbers == [f"P{number}" for number in range(1, 8)]


@pytest.mark.parametrize("promise", promises())
def test_each_names_tests_that_are_there(promise: str) -> None:
    named = promises()[promise]
    assert named
    for name in named:
        path = ROOT / name
        files = [path] if path.is_file() else sorted(path.rglob("test_*.py"))
        assert files, f"{name} is not there"
        assert any(re.search(r"^def test_", one.read_text(), re.MULTILINE) for one in files)


def test_the_table_of_faults_names_tests_that_are_there() -> None:
    text = (ROOT / "docs" / "faults.md").read_text()
    named = re.findall(r"`((?:tests|benchmarks)/[^`\s]+)`", text)
    assert len(named) > 20
    assert not [name for name in named if not (ROOT / name).exists()]
