"""The scorer as a stage of Ray Data, and a whole job, on a Ray of two CPUs on this machine."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alexnet_client import Client
from alexnet_client.scoring.errors import InUse, ModelChanged, NotTheSame, ScoringError, ServerAway
from alexnet_client.scoring.lock import Lock
from tests.conftest import Serving

if importlib.util.find_spec("ray") is None and not os.environ.get("CI"):
    pytest.skip("needs the extra [ray]: pip install './client[ray]'", allow_module_level=True)

import ray
import ray.data

from alexnet_client.ray.job import Tally, score_on_ray
from alexnet_client.ray.partition import PartitionStage, Place
from alexnet_client.ray.stage import ScoreStage

# Made once a process, its own settings warn of themselves, whoever reads them.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.data.context")

OBJECT_STORE_BYTES = 80 * 2**20  # Ray takes no less than 75 MB


@pytest.fixture(scope="module", autouse=True)
def _local_ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # Else it writes a token into the home folder, for a cluster that nobody else can reach.
        patch.setenv("RAY_AUTH_MODE", "disabled")
        # Its programs come from the disk the first time, where half a minute may be too little.
        patch.setenv("RAY_gcs_server_port_wait_time_s", "120")
        ray.init(
            num_cpus=2,
            object_store_memory=OBJECT_STORE_BYTES,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
        yield
        ray.shutdown()


@pytest.fixture(scope="module")
def listed(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Six photos, one that is broken, one that is not there, and one with an odd name."""
    found = sorted(str(path) for path in photos.rglob("*.jpg"))
    odd = tmp_path_factory.mktemp("odd") / "two\nlines \udce9.jpg"
    odd.write_bytes(Path(found[0]).read_bytes())
    return [*found, str(photos / "nowhere.jpg"), str(odd)]


Verdicts = list[tuple[str | None, str | None]]


def verdicts(rows: list[dict]) -> Verdicts:
    """Of each row its first label, or its error's code."""
    return [
        (None, row["error"]["code"]) if row["error"] else (row["predictions"][0]["label"], None)
        for row in rows
    ]


def expected(serving: Serving, paths: list[str]) -> Verdicts:
    with Client(serving.url) as client:
        return [
            (None, result.error.code) if result.error else (result.top.label, None)
            for result in client.classify(paths)
        ]


def job(serving: Serving, out: Path, pictures: list[str], **options: Any) -> Tally:
    given = {"server": serving.url, "partition_pictures": 4, "actors": 2} | options
    return score_on_ray(pictures, out, **given)


def test_a_stage_takes_bytes_and_gives_what_the_client_gives(
    serving: Serving, listed: list[str]
) -> None:
    paths = listed[:7]
    assert any(path.endswith("broken.jpg") for path in paths)
    pictures = [{"path": path, "bytes": Path(path).read_bytes()} for path in paths]
    rows = (
        ray.data.from_items(pictures)
        .map_batches(
            ScoreStage,
            fn_constructor_args=(serving.url,),
            fn_constructor_kwargs={"features": True, "top_k": 2},
            batch_format="pyarrow",
            batch_size=len(paths),
            compute=ray.data.ActorPoolStrategy(size=1),
        )
        .take_all()
    )
    assert [row["path"] for row in rows] == paths
    assert verdicts(rows) == expected(serving, paths)
    good = [row for row in rows if row["error"] is None]
    assert {len(row["predictions"]) for row in good} == {2}
    with Client(serving.url) as client:
        known = client.features([row["path"] for row in good])
        assert {row["model"] for row in good} == {client.model().digest}
    np.testing.assert_allclose([row["features"] for row in good], known, rtol=1e-4, atol=1e-4)


@pytest.fixture(scope="module")
def scored(serving: Serving, listed: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a whole job."""
    out = tmp_path_factory.mktemp("job") / "scored"
    assert job(serving, out, listed) == Tally(pictures=9, errors=2)
    return out


@pytest.fixture
def out(scored: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(scored, tmp_path / "scored")


def test_a_job_has_a_row_a_picture_in_order(
    serving: Serving, listed: list[str], scored: Path
) -> None:
    rows = pq.read_table(scored).to_pylist()  # a folder is read as one table
    assert [row["path"] for row in rows[:-1]] == listed[:-1]
    assert rows[-1]["path"].endswith("two\\nlines \\udce9.jpg")
    assert os.fsdecode(rows[-1]["path_bytes"]) == listed[-1]
    assert verdicts(rows) == expected(serving, listed)


def test_a_job_is_gone_on_with_where_it_stopped(
    serving: Serving, listed: list[str], out: Path
) -> None:
    rows = pq.read_table(out).to_pylist()
    parts = sorted(out.glob("part-*"))
    assert [part.name for part in parts] == [f"part-00000{n}.parquet" for n in range(3)]
    before = [part.stat().st_mtime_ns for part in parts]
    # As after a kill: one partition was only begun.
    parts[1].unlink()
    (out / ".part-000001.parquet.0123").write_bytes(b"PAR1 half")
    assert job(serving, out, listed) == Tally(pictures=9, errors=2)
    after = [part.stat().st_mtime_ns for part in parts]
    assert [new == old for new, old in zip(after, before, strict=True)] == [True, False, True]
    assert pq.read_table(out).to_pylist() == rows
    names = ["_job.json", "_lock", "_pictures.jsonl", *(part.name for part in parts)]
    assert sorted(path.name for path in out.iterdir()) == names


def test_another_question_is_refused(serving: Serving, listed: list[str], out: Path) -> None:
    with pytest.raises(NotTheSame, match="other pictures"):
        job(serving, out, listed[:-1])
    with pytest.raises(NotTheSame, match="another top_k"):
        job(serving, out, listed, top_k=1)
    begun = json.loads((out / "_job.json").read_text())
    begun["model"]["digest"] = "of another model"
    (out / "_job.json").write_text(json.dumps(begun))
    with pytest.raises(ModelChanged, match="of another model"):
        job(serving, out, listed)
    assert job(serving, out, listed, allow_model_change=True).pictures == 9
    with Lock(out / "_lock"), pytest.raises(InUse):
        job(serving, out, listed)


def test_a_model_that_changes_while_a_job_runs_writes_nothing(
    serving: Serving, listed: list[str], tmp_path: Path
) -> None:
    (tmp_path / "list").write_text(json.dumps(listed[0]) + "\n")
    place = Place(tmp_path / "list", tmp_path, tmp_path)
    stage = PartitionStage(place, "of another model", {"server": serving.url, "features": False})
    with closing(stage):
        outcome = stage(pa.table({"number": [0], "offset": [0], "pictures": [1]})).to_pylist()
    assert [(each["pictures"], each["may_pass"]) for each in outcome] == [(0, False)]
    assert "the model changed" in outcome[0]["reason"]
    assert [path.name for path in tmp_path.iterdir()] == ["list"]


def test_a_server_that_is_away_stops_the_job_and_says_so(listed: list[str], out: Path) -> None:
    begun = json.loads((out / "_job.json").read_text())
    (out / "part-000000.parquet").unlink()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        away = Serving(f"http://127.0.0.1:{taken.getsockname()[1]}", ())
    with pytest.raises(ServerAway, match="server_unreachable"):
        job(away, out, listed, patience_s=0.0)
    assert json.loads((out / "_job.json").read_text()) == begun
    assert len(list(out.glob("part-*"))) == 2


def test_what_stops_an_actor_reaches_whoever_asked(
    serving: Serving, listed: list[str], tmp_path: Path
) -> None:
    with pytest.raises(ScoringError, match=r"views.*bad_parameter"):
        job(serving, tmp_path, listed[:1], views=3)
    assert list(tmp_path.glob("part-*")) == []
