"""A reindex killed again and again beside a running server: in the end complete, nothing twice."""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import apsw
import httpx
import pytest
from PIL import Image

from alexnet_server.index.checking import check
from tests.faults.size import sized
from tests.narrow_repository import deploy_narrow
from tests.photos import crops
from tests.running_server import clean_environment, command, running_server
from tests.waiting import WAIT_S, wait_until

SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
COUNT = sized(160, 640)
KILLS = sized(2, 10)
MOST_S = 0.1
AT_A_TIME = 64


@pytest.fixture
def pictures() -> list[bytes]:
    found = []
    for number, pixels in enumerate(crops(COUNT, seed=31)):
        out = io.BytesIO()
        Image.fromarray(pixels[:64, :64]).save(out, "JPEG", quality=60 + number % 30)
        found.append(out.getvalue())
    return found


def reindex(repository: Path, index: Path, originals: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(command("alexnet-server"), "index", "reindex", "--index", f"sqlite:///{index}"),
            *("--repository", str(repository), "--originals", str(originals)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(),
    )


def built(index: Path) -> int:
    """Pictures of the generation that is being made, beside whoever makes it."""
    connection = apsw.Connection(str(index), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        connection.set_busy_timeout(1000)
        return connection.execute(
            "SELECT count(*) FROM pictures JOIN generations USING (generation)"
            " WHERE state = 'building'"
        ).get
    finally:
        connection.close()


def test_killed_and_run_again_it_is_complete(
    tmp_path: Path, pictures: list[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    first = deploy_narrow(tmp_path / "first")
    second = deploy_narrow(tmp_path / "second", seed=1959)
    index, originals = tmp_path / "index.sqlite", tmp_path / "originals"
    dice = random.Random(SEED)
    flags = ("--originals", str(originals))
    with (
        running_server(first, index, *flags) as server,
        httpx.Client(base_url=server.url, timeout=WAIT_S, verify=False) as client,
    ):
        store(client, pictures)
        came: list[int] = []
        for _ in range(KILLS):
            process = reindex(second, index, originals)
            enough = (came[-1] if came else 0) + dice.randrange(1, COUNT // KILLS // 2)
            wait_until(lambda: process.poll() is not None or built(index) >= enough)  # noqa: B023
            time.sleep(dice.uniform(0, MOST_S))  # the random moment
            process.kill()
            process.communicate()
            came.append(built(index))
            assert client.get("/images").json()["count"] == COUNT
        assert came == sorted(came), "something was lost"
        require_followed_to_the_end(client, second, index, originals)
    with running_server(second, index, *flags) as server:
        require_found(server.url, pictures)
        require_refused(reindex(second, index, originals), "has the index of this model")
    require_refused(reindex(second, index, originals), "nothing to make")
    findings = check(index, originals)
    assert (findings.counts, findings.originals) == ({}, {"missing": 0, "orphaned": 0})
    assert sorted(one["pictures"] for one in findings.generations) == [COUNT, COUNT]
    with capsys.disabled():
        sys.stdout.write(
            f"\nreindex killed {KILLS} times from seed {SEED}, with {came} of {COUNT} pictures "
            "done; then complete\n"
        )


def require_followed_to_the_end(
    client: httpx.Client, repository: Path, index: Path, originals: Path
) -> None:
    """A server on the new model refuses until the switch, and then has all; no restart."""
    with (
        running_server(repository, index) as server,
        httpx.Client(base_url=server.url, timeout=WAIT_S, verify=False) as other,
    ):
        refused = other.get("/images")
        assert (refused.status_code, refused.json()["code"]) == (409, "index_in_use")
        assert f"of {COUNT} pictures" in refused.json()["detail"]
        process = reindex(repository, index, originals)
        seen: set[tuple[int, int | None]] = set()

        def ended() -> bool:
            answer = other.get("/images?limit=1")
            seen.add((answer.status_code, answer.json().get("count")))
            return process.poll() is not None

        wait_until(ended)
        output, messages = process.communicate()
        assert process.returncode == 0, messages
        told = json.loads(output)
        assert (told["state"], told["pictures"], told["missing"]) == ("live", COUNT, 0)
        assert told["drift"]["pictures"] == COUNT
        assert 0 < told["drift"]["neighbors_kept_at_10"] < 1
        assert other.get("/images?limit=1").json()["count"] == COUNT
        assert seen <= {(409, None), (200, COUNT)}, "half of it was seen"
        assert client.get("/images?limit=1").json()["count"] == COUNT


def require_refused(process: subprocess.Popen[str], why: str) -> None:
    output, messages = process.communicate()
    assert (process.returncode, output) == (1, "")
    assert why in messages


def store(client: httpx.Client, pictures: list[bytes]) -> None:
    for start in range(0, COUNT, AT_A_TIME):
        some = range(start, min(start + AT_A_TIME, COUNT))
        answer = client.post(
            "/images",
            files=[("image", pictures[number]) for number in some],
            data={"id": [f"p{number}" for number in some], "label": f"from {start}"},
        )
        assert answer.status_code == 200, answer.text


def require_found(url: str, pictures: list[bytes]) -> None:
    """Each is there, described as it was, and at the place where the new model sees it."""
    with httpx.Client(base_url=url, timeout=WAIT_S, verify=False) as client:
        stored = client.get("/images?limit=1000").json()["images"]
        assert [one["id"] for one in stored] == sorted(f"p{number}" for number in range(COUNT))
        assert {one["label"] for one in stored} == {
            f"from {start}" for start in range(0, COUNT, AT_A_TIME)
        }
        for number in range(0, COUNT, 40):
            answer = client.post("/search?k=1", files=[("image", pictures[number])])
            (nearest,) = answer.json()["results"][0]["neighbors"]
            assert nearest["id"] == f"p{number}"
            assert nearest["distance"] < 1e-3
