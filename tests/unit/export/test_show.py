"""``alexnet-export show``: the drawing in the documents, JSON, and what it does not draw."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from alexnet_export.cli import main
from alexnet_export.deploy import Deployment, deploy
from alexnet_repository.files import read_manifest
from tests.running_server import command

TOWERS_SVG = Path(__file__).parents[3] / "docs" / "triton" / "towers.svg"


def test_documents_show_what_a_deploy_gives(two_gpus: Path, tmp_path: Path) -> None:
    drawn = tmp_path / "towers.svg"
    assert main(["show", "--repository", str(two_gpus), "--svg", str(drawn)]) == 0
    kept = TOWERS_SVG.read_text() if TOWERS_SVG.is_file() else ""
    assert drawn.read_text() == kept, f"look at {drawn}, then copy it to {TOWERS_SVG}"


def test_json_has_the_manifest_and_the_bytes(
    two_gpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", "--repository", str(two_gpus), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["manifest"] == read_manifest(two_gpus)
    assert found["bytes_a_picture"] == {"between_towers": 234_496, "between_devices": 234_496}
    between = [0, 173_056, 36_864, 16_384, 8_192]
    assert [stage["bytes_between_towers"] for stage in found["stages"]] == between
    part = found["stages"][0]["parts"][1]
    assert (part["model"], part["device"], part["tower"]) == ("s1_conv12_tower1", "cuda:1", 1)
    conv1 = part["layers"][0]
    assert (conv1["name"], conv1["kernel"], conv1["stride"]) == ("conv1", 11, 4)
    assert (conv1["activation"], conv1["output"]) == ([48, 55, 55], [48, 27, 27])
    assert found["stages"][-1]["exchange"] == [
        {
            "name": "fc7_tower1",
            "dtype": "fp32",
            "dims": [2048],
            "bytes": 8_192,
            "from": {"model": "s4_fc7_tower1", "tower": 1, "device": "cuda:1"},
            "to": {"model": "s5_fc8", "tower": 0, "device": "cuda:0"},
        }
    ]


def test_a_terminal_without_box_drawing_gets_ascii(
    single_repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main(["show", "--repository", str(single_repository)]) == 0
    terminal.flush()
    assert b"| conv1  11x11/4 " in terminal.buffer.getvalue()  # type: ignore[attr-defined]


def test_a_changed_repository_is_not_drawn(
    narrow_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy(narrow_checkpoint, Deployment(tmp_path / "root"))
    config = tmp_path / "root" / "s5_fc8" / "config.pbtxt"
    config.write_text(config.read_text() + "\n")
    assert main(["show", "--repository", str(tmp_path / "root")]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert "s5_fc8/config.pbtxt was changed after its deploy" in output.err


def test_a_reader_that_has_read_enough_is_no_error(two_gpus: Path) -> None:
    shown = subprocess.Popen(
        [command("alexnet-export"), "show", "--json", "--repository", str(two_gpus)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    shown.stdout.close()
    assert shown.wait(60) == 0
    assert shown.stderr.read() == b""
    shown.stderr.close()
