"""docs/triton.md: its commands are those of the programs, its numbers those that were measured."""

from __future__ import annotations

import argparse
import json
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


def rates(size: int, ms: dict[str, float]) -> str:
    """Pictures a second: the median, and the slowest and the fastest round."""
    median, slowest, fastest = (1000 * size / ms[part] for part in ("median", "max", "min"))
    return f"{median:.0f} ({slowest:.0f} to {fastest:.0f})"


def test_tables_are_those_of_the_results() -> None:
    results = ROOT / "benchmarks" / "results"
    performance = (ROOT / "docs" / "performance.md").read_text()
    engine = json.loads((results / "engine.json").read_text())
    for name, way in engine["ways"].items():
        cells = [rates(row["size"], row["ms"][name]) for row in engine["batches"]]
        assert f"| {way['precision']} | {' | '.join(cells)} |" in performance
    for value, shown in zip(engine["ratios"].values(), ("{:.2f}", "{:.1f}", "{:.1f}"), strict=True):
        assert f"{shown.format(value)} times" in performance
    serve = json.loads((results / "serve.json").read_text())
    (busiest,) = (row["servers"] for row in serve["clients"] if row["clients"] == 32)
    for one in busiest.values():
        per_s = one["pictures_per_s"]
        row = f"| {per_s['median']:.0f} ({per_s['min']:.0f} to {per_s['max']:.0f}) | "
        assert f"{row}{one['p50_ms']:.0f} | {one['p99_ms']:.0f} |" in performance
        assert (
            f"| {per_s['median']:.0f} | {one['p50_ms']:.0f} |" in (ROOT / "README.md").read_text()
        )
    decode = json.loads((results / "decode.json").read_text())
    assert f"Pillow takes {decode['ours_over_pillow']:.2f} times as long" in performance
    for row in json.loads((results / "towers.json").read_text())["batches"]:
        median = row["median_ms"]
        assert (
            f"| {row['size']} | {median['single']:.1f} | {median['towers']:.1f} | "
            f"{row['towers_over_single']:.2f} |" in performance
        )
    triton = json.loads((results / "triton.json").read_text())
    for row in [*triton["triton"], triton["in_process_one_at_a_time"]]:
        assert (
            f"| {row['name']} | {row['n']} | {row['median_ms']:.1f} | {row['p99_ms']:.1f} | "
            f"{row['pictures_per_s']:.1f} |" in performance
        )
