"""P6: a repository that is not what was deployed is never served, and the file is named.

What else is refused, and how it is told, is in tests/unit/repository and tests/unit/export/verify;
here the server's own command is started on it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import onnx
from onnx import numpy_helper

from alexnet_repository.files import model_files
from tests.running_server import clean_environment, running_server
from tests.unit.repository.relisted import relist
from tests.waiting import WAIT_S, wait_until

ROOT = Path(__file__).parents[3]
LIMIT_S = 180


@dataclass(frozen=True)
class Tampering:
    """How a copy of the repository was changed, and what the refusal must say."""

    change: Callable[[Path], None]
    said: str


def flip(name: str) -> Tampering:
    def change(root: Path) -> None:
        content = bytearray((root / name).read_bytes()) or bytearray(1)
        content[len(content) // 2] ^= 1
        (root / name).write_bytes(content)

    return Tampering(change, f"{name} was changed")


def add(name: str) -> Tampering:
    def change(root: Path) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("import os\n")

    return Tampering(change, f"{name} is not listed")


def add_listed(name: str) -> Tampering:
    def change(root: Path) -> None:
        add(name).change(root)
        relist(root, name)

    return Tampering(change, name)


def swap(stage: str, *, listed: bool) -> Tampering:
    names = [f"{stage}_tower{tower}/1/model.onnx" for tower in (0, 1)]

    def change(root: Path) -> None:
        one, other = (root / name for name in names)
        kept = one.read_bytes()
        one.write_bytes(other.read_bytes())
        other.write_bytes(kept)
        for name in names if listed else ():
            relist(root, name)

    return Tampering(change, names[0] if listed else f"{names[0]} was changed")


def other_weights(name: str) -> Tampering:
    """Listed digest and all: only the known answers tell."""

    def change(root: Path) -> None:
        graph = onnx.load(root / name)
        weight = max(graph.graph.initializer, key=lambda one: int(np.prod(one.dims)))
        values = -numpy_helper.to_array(weight)
        weight.CopyFrom(numpy_helper.from_array(values, weight.name))
        onnx.save(graph, root / name)
        relist(root, name)

    return Tampering(change, "does not give its known answers")


def tamperings(repository: Path) -> dict[str, Tampering]:
    found = {f"flip {name}": flip(name) for name in model_files(repository)}
    for name in ("s5_fc8/1/model.py", "alexnet/model.py", "evil/1/model.py", "s5_fc8/1/lib.so"):
        found[f"add {name}"] = add(name)
    found["add and list s5_fc8/1/model.py"] = add_listed("s5_fc8/1/model.py")
    for stage in ("s1_conv12", "s2_conv345", "s3_fc6", "s4_fc7"):
        found[f"swap {stage}"] = swap(stage, listed=False)
        found[f"swap and list {stage}"] = swap(stage, listed=True)
    for name in ("s1_conv12_tower0", "s3_fc6_tower1", "s5_fc8"):
        found[f"other weights in {name}"] = other_weights(f"{name}/1/model.onnx")
    return found


def test_no_tampered_repository_is_served(repository: Path, tmp_path: Path) -> None:
    made = tamperings(repository)
    roots = [tmp_path / str(number) / "repository" for number in range(len(made))]
    for root, tampering in zip(roots, made.values(), strict=True):
        shutil.copytree(repository, root)
        tampering.change(root)
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.promises.starting", *map(str, roots)],
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
        cwd=ROOT,
        env=clean_environment(),
    )
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(results) == len(made), done.stderr
    for (name, tampering), (code, said) in zip(made.items(), results, strict=True):
        assert code == 1, f"{name}: {code}, {said}"
        assert tampering.said in said, f"{name}: {said}"
        assert said.startswith("alexnet-server: ")


def test_one_tampered_under_a_running_server_is_not_taken_up(
    repository: Path, pictures: list[bytes], tmp_path: Path
) -> None:
    """The server goes on with what it has in memory, says so, and never takes the changed files."""
    root = tmp_path / "repository"
    shutil.copytree(repository, root)
    name = "s5_fc8/1/model.onnx"
    with (
        running_server(root, tmp_path / "index.sqlite") as server,
        httpx.Client(base_url=server.url, timeout=WAIT_S, verify=False) as client,
    ):
        before = client.post("/classify", content=pictures[0]).json()
        other_weights(name).change(root)
        manifest = root / "alexnet" / "manifest.json"
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"about": "another"}))
        wait_until(lambda: (client.get("/model").json()["next"] or {}).get("state") == "refused")
        assert client.post("/classify", content=pictures[0]).json() == before
