"""Export, import and copy: whole, once, and carried on with after a kill."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alexnet_server.cli import main
from alexnet_server.index import Index
from alexnet_server.index.opening import open_index
from alexnet_server.index.records import Binding, NewPicture, Record
from tests.faults.size import sized
from tests.index_suite import ODD_TEXTS, UNITS, fill, same
from tests.integration.index.conftest import DIGEST

ROOT = Path(__file__).parents[3]
BINDING = Binding(DIGEST, UNITS)
MANY = 1_000


def address(url: str | Path) -> str:
    return url if isinstance(url, str) else f"sqlite:///{url}"


def fill_with_many(url: str | Path) -> list[Record]:
    features = np.random.default_rng(1).gamma(0.5, 2, (MANY, UNITS)).astype(np.float32)
    with closing(open_index(url, BINDING)) as index:
        index.upsert(
            [
                NewPicture(f"m{n}", f"{n}", ODD_TEXTS[n % 8], {"n": n}, b"%d" % n, row, n)
                for n, row in enumerate(features)
            ]
        )
        return whole(index)


def whole(index: Index) -> list[Record]:
    found: list[Record] = []
    while some := index.records(found[-1].picture.id if found else "", 500):
        found += some
    return found


def told(capsys: pytest.CaptureFixture[str]) -> dict:
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("to_milvus", [True, False], ids=["to_milvus", "to_sqlite"])
def test_a_copy_is_killed_and_run_again(
    to_milvus: bool, milvus_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places: list[str | Path] = [tmp_path / "index.sqlite", milvus_url]
    source, target = places if to_milvus else reversed(places)
    stored = fill_with_many(source)
    count = 0
    for number in range(sized(2, 12)):
        # The first dies in its first batch, the others go on and die in the next.
        command = [sys.executable, "-m", "tests.integration.index.copied", str(source), str(target)]
        delay_ms = random.Random(number).uniform(0, 15)
        died = subprocess.run(
            [*command, str(min(number, 1) + 1), str(delay_ms)], cwd=ROOT, check=False
        )
        assert died.returncode == -signal.SIGKILL
        with closing(open_index(target, BINDING)) as index:
            there = whole(index)
        assert len(there) >= count
        assert all(map(same, there, stored))  # a beginning of it, and nothing half there
        count = len(there)
    assert count > 0
    assert main(["index", "copy", address(source), address(target)]) == 0
    (copied,) = told(capsys)["copied"]
    assert copied["pictures"] == copied["in_target"] == MANY
    assert 0 < copied["written"] <= MANY - count  # a Milvus ends a call whose client has died
    with closing(open_index(target, BINDING)) as index:
        assert all(map(same, whole(index), stored))
        assert index.count() == MANY
    assert main(["index", "copy", address(source), address(target)]) == 0
    assert told(capsys)["copied"][0]["written"] == 0


def test_a_copy_brings_every_model(
    milvus_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "index.sqlite"
    kinds = [BINDING, replace(BINDING, metric="cosine"), replace(BINDING, model_digest="cd" * 32)]
    for count, binding in enumerate(kinds, start=3):
        with closing(open_index(path, binding)) as index:
            fill(index, count)
    assert main(["index", "copy", address(path), milvus_url, "--model", "cd"]) == 0
    assert [one["written"] for one in told(capsys)["copied"]] == [5]
    assert main(["index", "copy", address(path), milvus_url]) == 0
    assert [one["written"] for one in told(capsys)["copied"]] == [3, 4, 0]
    again = tmp_path / "again.sqlite"
    assert main(["index", "copy", milvus_url, address(again)]) == 0
    assert sorted(one["written"] for one in told(capsys)["copied"]) == [3, 4, 5]
    for count, binding in enumerate(kinds, start=3):
        with closing(open_index(again, binding)) as index:
            assert index.count() == count


def test_who_has_nothing_cannot_be_copied(
    milvus_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "target.sqlite"
    for source in (milvus_url, address(tmp_path / "nobody.sqlite")):
        assert main(["index", "copy", source, address(target)]) == 1
    assert "no pictures of such a model" in capsys.readouterr().err
    assert not target.exists()
    assert not (tmp_path / "nobody.sqlite").exists()


def test_an_export_is_imported_as_it_was(
    url: str | Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = fill_with_many(url)
    out = tmp_path / "export"
    assert main(["index", "export", str(out), "--index", address(url)]) == 0
    assert told(capsys)["pictures"] == MANY
    features = np.load(out / "features.npy", allow_pickle=False)
    assert (features.shape, features.dtype) == ((MANY, UNITS), np.float32)
    new = tmp_path / "new.sqlite"
    for written in (MANY, 0):
        assert main(["index", "import", str(out), "--index", address(new)]) == 0
        assert told(capsys)["written"] == written
    with closing(open_index(new, BINDING)) as index:
        assert all(map(same, whole(index), stored))
        assert index.count() == MANY
    assert main(["index", "export", str(out), "--index", address(url)]) == 1
    assert "is there already" in capsys.readouterr().err


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    with closing(open_index(folder / "index.sqlite", BINDING)) as index:
        fill(index)
    command = ["index", "export", str(folder / "export")]
    assert main([*command, "--index", address(folder / "index.sqlite")]) == 0
    return folder / "export"


@pytest.mark.parametrize("name", ["binding.json", "features.npy", "pictures.jsonl", "sha256.json"])
@pytest.mark.parametrize("garbles", [True, False], ids=["garbled", "missing"])
def test_a_garbled_export_is_refused(
    exported: Path, name: str, garbles: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "export"
    shutil.copytree(exported, folder)
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).unlink()
    if garbles:
        (folder / name).write_bytes(data)
    path = tmp_path / "index.sqlite"
    assert main(["index", "import", str(folder), "--index", address(path)]) == 1
    assert "export" in capsys.readouterr().err
    assert not path.exists()


def test_a_cut_export_of_right_sums_stores_what_is_whole(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody but a person makes one: the sums are of what is there."""
    folder = tmp_path / "export"
    shutil.copytree(exported, folder)
    lines = (folder / "pictures.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "pictures.jsonl").write_bytes(b"".join(lines[:-1]))
    sums = json.loads((folder / "sha256.json").read_text())
    sums["pictures.jsonl"] = hashlib.sha256(b"".join(lines[:-1])).hexdigest()
    (folder / "sha256.json").write_text(json.dumps(sums))
    command = ["index", "import", str(folder), "--index", address(tmp_path / "index.sqlite")]
    assert main(command) == 1
    assert "pictures.jsonl does not fit" in capsys.readouterr().err


def test_several_models_are_exported_one_by_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "index.sqlite"
    for metric in ("l2", "cosine"):
        with closing(open_index(path, replace(BINDING, metric=metric))) as index:
            fill(index, 3)
    command = ["index", "export", str(tmp_path / "out"), "--index", address(path)]
    assert main(command) == 1
    assert "several models" in capsys.readouterr().err
    assert main([*command, "--metric", "cosine"]) == 0
    assert json.loads((tmp_path / "out" / "binding.json").read_text())["metric"] == "cosine"
