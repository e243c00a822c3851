from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from alexnet_export.cli import main
from alexnet_export.deploy import Deployment, deploy
from alexnet_export.dialects import DIALECTS
from alexnet_export.drawing.caption import TIMES
from alexnet_export.drawing.dataflow import Dataflow, read_dataflow
from alexnet_export.drawing.svg import draw_svg
from alexnet_export.drawing.text import draw_text, plain
from alexnet_repository.files import read_manifest
from alexnet_repository.repository import Repository
from tests.narrow_dialects import NARROW_CAFFE
from tests.random_checkpoint import NARROW, write_random_checkpoint

SVG = "{http://www.w3.org/2000/svg}"
PLACES = {
    "two GPUs": (NARROW, "towers", ("cuda:0", "cuda:1")),
    "one GPU": (NARROW, "towers", ("cuda:0",)),
    "CPU": (NARROW, "towers", ("cpu",)),
    "one graph": (NARROW, "single", ("cpu",)),
    "norm across two GPUs": (NARROW_CAFFE, "towers", ("cuda:0", "cuda:1")),
}
# Of the narrow network; an "x" stands for the multiplication sign.
TOWERS = """\
          tower 0 on cuda:0                          tower 1 on cuda:1

images 224x224x3 uint8, 150,528 bytes      images 224x224x3 uint8, 150,528 bytes
                  ▼                                          ▼
┌─ s1_conv12_tower0 ────────────────┐      ┌─ s1_conv12_tower1 ────────────────┐
│ conv1  11x11/4       4 maps 55x55 │      │ conv1  11x11/4       4 maps 55x55 │
│        norm, pool 3x3/2     27x27 │      │        norm, pool 3x3/2     27x27 │
│ conv2  5x5           4 maps 27x27 │      │ conv2  5x5           4 maps 27x27 │
│        norm, pool 3x3/2     13x13 │      │        norm, pool 3x3/2     13x13 │
└─────────────────┬─────────────────┘      └─────────────────┬─────────────────┘
                  │                                          │
                  ├─── conv2_tower0 4x13x13, 2,704 bytes ───►│
                  │◄─── conv2_tower1 4x13x13, 2,704 bytes ───┤
                  │            5,408 bytes fp32              │
                  ▼                                          ▼
┌─ s2_conv345_tower0 ───────────────┐      ┌─ s2_conv345_tower1 ───────────────┐
│ conv3  3x3           6 maps 13x13 │      │ conv3  3x3           6 maps 13x13 │
│ conv4  3x3           6 maps 13x13 │      │ conv4  3x3           6 maps 13x13 │
│ conv5  3x3           4 maps 13x13 │      │ conv5  3x3           4 maps 13x13 │
│        pool 3x3/2             6x6 │      │        pool 3x3/2             6x6 │
└─────────────────┬─────────────────┘      └─────────────────┬─────────────────┘
                  │                                          │
                  ├───── conv5_tower0 4x6x6, 576 bytes ─────►│
                  │◄───── conv5_tower1 4x6x6, 576 bytes ─────┤
                  │            1,152 bytes fp32              │
                  ▼                                          ▼
┌─ s3_fc6_tower0 ───────────────────┐      ┌─ s3_fc6_tower1 ───────────────────┐
│ fc6                      16 units │      │ fc6                      16 units │
└─────────────────┬─────────────────┘      └─────────────────┬─────────────────┘
                  │                                          │
                  ├──────── fc6_tower0 16, 64 bytes ────────►│
                  │◄──────── fc6_tower1 16, 64 bytes ────────┤
                  │             128 bytes fp32               │
                  ▼                                          ▼
┌─ s4_fc7_tower0 ───────────────────┐      ┌─ s4_fc7_tower1 ───────────────────┐
│ fc7                      16 units │      │ fc7                      16 units │
└─────────────────┬─────────────────┘      └─────────────────┬─────────────────┘
                  │                                          │
                  │◄──────── fc7_tower1 16, 64 bytes ────────┘
                  │              64 bytes fp32
                  ▼
┌─ s5_fc8 ──────────────────────────┐
│ fc8    softmax          6 classes │
└─────────────────┬─────────────────┘
                  ▼
     features 32 fp32, 128 bytes
   probabilities 6 fp32, 24 bytes
"""
SINGLE = """\
             all on cpu

images 224x224x3 uint8, 150,528 bytes
                  ▼
┌─ s1_single ───────────────────────┐
│ conv1  11x11/4       8 maps 55x55 │
│        norm, pool 3x3/2     27x27 │
│ conv2  5x5         2x4 maps 27x27 │
│        norm, pool 3x3/2     13x13 │
│ conv3  3x3          12 maps 13x13 │
│ conv4  3x3         2x6 maps 13x13 │
│ conv5  3x3         2x4 maps 13x13 │
│        pool 3x3/2             6x6 │
│ fc6                      32 units │
│ fc7                      32 units │
│ fc8    softmax          6 classes │
└─────────────────┬─────────────────┘
                  ▼
     features 32 fp32, 128 bytes
   probabilities 6 fp32, 24 bytes
"""


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    folder = tmp_path_factory.mktemp("narrow")
    with pytest.MonkeyPatch.context() as patch:
        for dialect in (NARROW, NARROW_CAFFE):
            patch.setitem(DIALECTS, dialect.name, dialect)
            (folder / dialect.name).mkdir()
            write_random_checkpoint(dialect, folder / dialect.name)
        found = {place: folder / place / "root" for place in PLACES}
        for place, (dialect, layout, devices) in PLACES.items():
            deploy(folder / dialect.name, Deployment(found[place], layout, devices))
        yield found


@pytest.fixture
def root(request: pytest.FixtureRequest, roots: dict[str, Path]) -> Path:
    return roots[request.param]


@pytest.fixture
def flow(root: Path) -> Dataflow:
    return read_dataflow(Repository(root, read_manifest(root)))


def texts(drawing: str) -> list[Xml.Element]:
    return list(Xml.fromstring(drawing).iter(f"{SVG}text"))


@pytest.mark.parametrize(
    ("root", "expected"),
    [("two GPUs", TOWERS), ("one graph", SINGLE)],
    indirect=["root"],
)
def test_text(flow: Dataflow, expected: str) -> None:
    assert draw_text(flow).replace(TIMES, "x") + "\n" == expected


@pytest.mark.parametrize("root", ["one GPU", "CPU"], indirect=True)
def test_text_of_one_device_says_what_stays(flow: Dataflow) -> None:
    drawing = draw_text(flow)
    device = flow.devices[0]
    assert drawing.count(f"none leaves {device}") == 4
    crossing = [row for row in drawing.splitlines() if "►│" in row or "│◄" in row]
    assert len(crossing) == 7
    assert all("┄" in row and "─" not in row for row in crossing)


@pytest.mark.parametrize("root", PLACES, indirect=True)
def test_text_fits_80_columns_and_is_ascii_where_it_must(flow: Dataflow) -> None:
    drawing = draw_text(flow)
    assert max(map(len, drawing.splitlines())) <= 80
    assert plain(drawing).isascii()
    assert [len(row) for row in plain(drawing).splitlines()] == [
        len(row) for row in drawing.splitlines()
    ]


@pytest.mark.parametrize(
    ("root", "told"),
    [
        (
            "two GPUs",
            "Between the towers: 5,408 + 1,152 + 128 + 64 = 6,752 bytes a picture.\n"
            "Between devices: 6,752 bytes a picture.\n",
        ),
        (
            "CPU",
            "Between the towers: 5,408 + 1,152 + 128 + 64 = 6,752 bytes a picture.\n"
            "Between devices: nothing, both towers are on cpu.\n",
        ),
        ("one graph", "Between the towers: nothing.\nBetween devices: nothing.\n"),
    ],
    indirect=["root"],
)
def test_page_begins_with_facts_and_ends_with_sums(
    root: Path, flow: Dataflow, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", "--repository", str(root)]) == 0
    page = capsys.readouterr().out
    first, _, rest = page.partition("\n\n")
    manifest = flow.manifest
    lines = [" ".join(line.split()) for line in first.splitlines()]
    assert lines[:4] == [
        "model alexnet, version 1",
        f"digest {manifest['model']['digest']}",
        "network narrow, 6 classes",
        f"runs as {manifest['layout']} in fp32 on {' and '.join(manifest['devices'])}",
    ]
    assert "checkpoint top-1 25.0%, top-5 75.0% of 12 validation pictures" in lines
    assert "100.0% of the top-5 agree; 12 pictures" in " ".join(lines)
    assert rest == f"{draw_text(flow)}\n\n{told}"


@pytest.mark.parametrize("root", PLACES, indirect=True)
def test_svg_is_one_readable_file(flow: Dataflow) -> None:
    drawing = draw_svg(flow)
    svg = Xml.fromstring(drawing)
    labels = [svg.find(f"{SVG}{name}") for name in ("title", "desc")]
    assert svg.get("role") == "img"
    assert svg.get("aria-labelledby") == " ".join(label.get("id") for label in labels)
    network = flow.manifest["dialect"]
    assert labels[0].text == f"{network} in fp32 on {' and '.join(dict.fromkeys(flow.devices))}"
    for stage in flow.stages:
        for part in stage.parts:
            assert f"{part.step.model} on {part.step.device}: {part.layers[0].name}" in (
                labels[1].text
            )
    without_namespace = drawing.replace('"http://www.w3.org/2000/svg"', "")
    assert not [
        word for word in ("http", "url(", "@import", "href", "data:") if word in without_namespace
    ]
    assert flow.manifest["model"]["digest"][:8] not in drawing


@pytest.mark.parametrize("root", PLACES, indirect=True)
def test_svg_has_every_number_and_dashes_what_stays(flow: Dataflow) -> None:
    drawing = draw_svg(flow)
    said = [element.text for element in texts(drawing)]
    sent = [each for stage in flow.exchanges for each in stage.exchange]
    for each in sent:
        assert said.count(f"{each.value.bytes:,} bytes") >= 1
    arrows = [path.get("class") for path in Xml.fromstring(drawing).iter(f"{SVG}path")]
    dashed = [kind for kind in arrows if kind.startswith("arrow within")]
    assert len(dashed) == (0 if len(set(flow.devices)) > 1 else len(sent))
    panels = [box for box in Xml.fromstring(drawing).iter(f"{SVG}rect")
              if box.get("class") == "device" and box.get("rx") == "10"]  # fmt: skip
    assert len(panels) == len(set(flow.devices))


@pytest.mark.parametrize("root", PLACES, indirect=True)
def test_svg_texts_do_not_meet(flow: Dataflow) -> None:
    sheet = float(Xml.fromstring(draw_svg(flow)).get("width"))
    lines: dict[str, list[tuple[float, float, str]]] = {}
    for element in texts(draw_svg(flow)):
        kind = (element.get("class") or "").split()
        # px a character in a wide font (DejaVu Sans).
        width = len(element.text) * (12 if "title" in kind else 6.6 if "soft" in kind else 7.7)
        x = float(element.get("x"))
        start = x - width * (0.5 if "middle" in kind else 1 if "right" in kind else 0)
        lines.setdefault(element.get("y"), []).append((start, start + width, element.text))
    for line in lines.values():
        line.sort()
        assert line[0][0] >= 0
        assert line[-1][1] <= sheet
        for (_, end, left), (start, _, right) in pairwise(line):
            assert end <= start, f"{left!r} runs into {right!r}"


@pytest.mark.parametrize("root", ["norm across two GPUs"], indirect=True)
def test_svg_gives_a_norm_that_is_cut_off_the_room_of_two_lines(flow: Dataflow) -> None:
    drawing = Xml.fromstring(draw_svg(flow))
    names = [element for element in drawing.iter(f"{SVG}text") if element.text == "norm2"]
    tops = {float(element.get("y")) - 19 for element in names}
    layers = [box for box in drawing.iter(f"{SVG}rect") if "layer" in (box.get("class") or "")]
    boxes = [box for box in layers if float(box.get("y")) in tops]
    assert [box.get("height") for box in boxes] == ["46", "46"]
