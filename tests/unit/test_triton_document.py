"""docs/triton.md: its commands are those of the programs."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pytest
from deploy.local_triton import start

from alexnet_export import cli
from alexnet_server import variables

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "triton.md").read_text()


def commands(program: str) -> list[list[str]]:
    """Arguments of every command line of ``program`` in the document."""
    blocks = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    lines = [shlex.split(line) for block in blocks for line in block.splitlines()]
    return [line[line.index(program) + 1 :] for line in lines if program in line]


def test_from_a_checkpoint_to_a_repository_for_two_gpus(
    narrow_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "flowers").symlink_to(narrow_checkpoint)
    monkeypatch.chdir(tmp_path)
    deploying, verifying, *_ = commands("alexnet-export")
    assert (deploying[0], verifying[0]) == ("deploy", "verify")
    assert cli.main(deploying) == 0
    assert cli.main(verifying) == 0
    assert "towers on cuda:0, cuda:1" in capsys.readouterr().out


def test_every_export_command_is_one() -> None:
    for arguments in commands("alexnet-export"):
        cli._parser().parse_args(arguments)


def test_tritons_flags_are_those_the_local_one_is_tried_with() -> None:
    options = argparse.Namespace(
        repository=Path("r"), model_control="explicit", http_port=1, grpc_port=2, metrics_port=3
    )
    tried = set(start.command(options))
    (flags,) = commands("tritonserver")
    assert len(flags) == 6
    for flag in flags:
        assert flag in tried or flag == "--model-repository=/serving/model_repository"


def test_the_servers_flags() -> None:
    parser = argparse.ArgumentParser()
    variables.add_flags(parser)
    (arguments,) = commands("alexnet-server")
    chosen = variables.parse(parser.parse_args(arguments[1:]), {})
    assert chosen.engine == "triton://localhost:8001"
