"""docs/models.md: its tables are the layer table's, its commands and tests are there."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest

from alexnet_export import cli as exporting
from alexnet_export.dialects import ALEXNET2012, CAFFE, CAFFE224, TORCHVISION
from alexnet_export.importing import source
from alexnet_export.importing.caffe_steps import MEAN_PIXEL
from alexnet_export.importing.imagenet_names import imagenet_names
from alexnet_export.importing.published import PUBLISHED
from alexnet_export.layers import Dialect
from alexnet_training import cli as training
from tests.model_tables import DOCUMENT, crossing_bytes, with_tables

ROOT = Path(__file__).parents[2]
TEXT = DOCUMENT.read_text(encoding="utf-8")
LINES = [
    shlex.split(line)
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    for line in block.splitlines()
]
# Each tower gives the other its half of what a full layer reads: 4 bytes a number.
CROSSING = {
    "alexnet2012": {"conv3": 173_056, "fc6": 36_864, "fc7": 16_384, "fc8": 8_192},
    "caffe": {"norm2": 11_664, "conv3": 173_056, "fc6": 36_864, "fc7": 16_384, "fc8": 8_192},
    "torchvision": {
        "conv2": 64 * 27 * 27 * 4,
        "conv3": 192 * 13 * 13 * 4,
        "conv4": 384 * 13 * 13 * 4,
        "conv5": 256 * 13 * 13 * 4,
        "fc6": 256 * 6 * 6 * 4,
        "fc7": 4096 * 4,
        "fc8": 2048 * 4,
    },
}


def test_tables_are_those_of_the_layers() -> None:
    """``python -m tests.model_tables`` writes them anew."""
    assert with_tables(TEXT) == TEXT


@pytest.mark.parametrize(
    "dialect", [ALEXNET2012, CAFFE, CAFFE224, TORCHVISION], ids=lambda dialect: dialect.name
)
def test_what_crosses_is_what_the_layers_read(dialect: Dialect) -> None:
    assert crossing_bytes(dialect) == CROSSING[dialect.name.removesuffix("224")]


def test_a_document_without_a_place_for_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="'layers'"):
        with_tables(TEXT.replace("<!-- layers -->", ""))


def test_every_command_is_one() -> None:
    parsers = {"alexnet-export": exporting._parser(None), "alexnet-train": training._parser()}
    asked = [line for line in LINES if line[0] in parsers]
    assert {line[0] for line in asked} == set(parsers)
    for program, *arguments in asked:
        parsers[program].parse_args(arguments)


def test_make_serves_what_the_document_names() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"MODEL=(\w+)", TEXT))
    assert named == {"imagenet", "torchvision"}
    for model in named:
        assert re.search(rf"\b{model}\b", makefile), model


def test_files_and_mean_pixel_are_those_of_the_import() -> None:
    for file in PUBLISHED.values():
        assert f"| `{file.name}`, {file.size_bytes / 1e6:.0f} MB |" in TEXT
    for colour, value in zip(("red", "green", "blue"), MEAN_PIXEL, strict=True):
        assert f"{colour} {value:.8f}" in TEXT


def test_figures_that_an_import_tells_are_those_of_the_document() -> None:
    rows = re.findall(r"\| ([\d.]+) % \| ([\d.]+) % \|", TEXT)
    assert len(rows) == 6
    published = {(round(float(top1), 1), round(float(top5), 1)) for top1, top5 in rows}
    for about in source._ABOUT.values():
        top1, top5 = map(float, re.findall(r"([\d.]+) %", about))
        assert (top1, top5) in published


def test_what_it_leads_to_is_there() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", TEXT):
        assert (DOCUMENT.parent / target).is_file(), target


def test_a_class_is_named_as_the_document_says() -> None:
    (said,) = re.findall(r"`(n\d{8} [^`]+)`", TEXT)
    assert said in imagenet_names()


def test_every_claim_is_shown_by_a_test_that_is_there() -> None:
    (table,) = re.findall(r"\| claim \| shown by \|\n\|[-|]+\|\n((?:\|.+\n)+)", TEXT)
    for row in table.splitlines():
        named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", row)
        assert named, row
        for path, name in named:
            tree = ast.parse((ROOT / path).read_text())
            found = {one.name for one in tree.body if isinstance(one, ast.FunctionDef)}
            assert name in found if name else any(one.startswith("test_") for one in found), row
