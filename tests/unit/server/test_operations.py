"""docs/operations.md says what the code does: limits, codes, probes."""

from __future__ import annotations

import argparse
import re
from dataclasses import fields
from pathlib import Path

from alexnet_server.commands.reindex import add_commands
from alexnet_server.metrics import FAILED, SHED
from alexnet_server.request_log import SLOW_S
from alexnet_server.settings import MIB, Limits, Settings

DOCUMENT = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()


def section(title: str) -> str:
    found = DOCUMENT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    assert found, title
    return found


def test_every_limit_with_a_flag_stands_there_with_its_default() -> None:
    rows = re.findall(r"^\| `--([a-z-]+)` \| ([\d.]+) \|", section("Limits"), re.MULTILINE)
    told = {flag.replace("-", "_"): float(default) for flag, default in rows}
    numbers = {
        setting.name: setting.default
        for setting in fields(Settings)
        if type(setting.default) in (int, float) and setting.name != "port"
    }
    assert told == numbers


def test_the_limits_without_a_flag_are_those_of_the_code() -> None:
    text, limits = section("Limits"), Limits()
    millions = limits.pixels.max_pixels // 10**6, limits.pixels.max_pixels_reduced // 10**6
    picture = f"{limits.max_picture_bytes // MIB} MiB, {millions[0]} megapixels ({millions[1]} "
    assert picture in text
    assert f"{limits.max_request_bytes // MIB} MiB, {limits.max_views} views" in text
    embeddings = f"{limits.max_embeddings_bytes // MIB} MiB for `/v1/embeddings`"
    assert f"{limits.max_json_bytes // MIB} MiB; {embeddings}" in text


def test_every_code_of_the_counters_is_told() -> None:
    for name, codes in (("shed", SHED), ("failed", FAILED)):
        (row,) = re.findall(rf"^\| `alexnet_{name}_requests_total` .*", DOCUMENT, re.MULTILINE)
        told = set(re.findall(r"`([a-z_]+)`", row)) - {f"alexnet_{name}_requests_total", "code"}
        assert told == set(codes)


def test_from_when_a_request_is_slow() -> None:
    assert f"`slow` | from {SLOW_S:g} s on" in section("Log")


def test_every_flag_and_file_that_is_named_exists() -> None:
    known = {f"--{setting.name.replace('_', '-')}" for setting in fields(Settings)}
    reindex = argparse.ArgumentParser().add_subparsers()
    add_commands(reindex)
    known |= set(reindex.choices["reindex"]._option_string_actions)
    others = {"--triton", "--repository"}  # alexnet-export's
    # Docker's own; tests/unit/containers looks at those lines.
    text = re.sub(r"^docker (.*\\\n)*.*", "", DOCUMENT, flags=re.MULTILINE)
    others |= {"--build-arg", "--entrypoint", "--devices"}  # docker's, and alexnet-export's
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) <= known | others
    here = Path(__file__).parents[3] / "docs"
    for target in re.findall(r"\]\(([^)#]+)\)", DOCUMENT):
        assert (here / target).exists(), target
