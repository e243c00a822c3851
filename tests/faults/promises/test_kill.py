"""P1: what was answered 200, 201 or 204 is still there after kill -9, with its bytes, and whole."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from PIL import Image

from alexnet_server.index.checking import check
from tests.faults.size import sized
from tests.running_server import RunningServer, running_server
from tests.waiting import WAIT_S, wait_until

SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
KILLS = sized(3, 50)
WRITERS = 4
NAMES = 8  # ids of each writer: small, so that most requests replace, describe or delete
MOST_ANSWERS = sized(40, 80)  # before a kill, which comes up to MOST_S after them
MOST_S = 0.02
START_S = 5.0  # of processor time: the machine may have other things to do
# Each request is a pass of its own, so that the same pictures give the same bits again.
ALONE = ("--batch-views", "1")


@dataclass(frozen=True)
class Row:
    """What a client may rely on for one id; ``sent`` are the pictures of its request."""

    sha256: str
    label: str
    metadata: dict[str, Any]
    sent: tuple[int, ...]

    def shown(self) -> tuple[str, dict[str, Any]]:
        return self.label, self.metadata


@dataclass
class Writer:
    """Changes pictures of its own until the server is gone; knows what it was answered.

    ``before`` is what was answered, ``after`` what the request under way asks for.
    """

    number: int
    pictures: list[bytes]
    dice: random.Random
    before: dict[str, Row] = field(default_factory=dict)
    after: dict[str, Row] = field(default_factory=dict)
    answered: int = 0
    faults: list[str] = field(default_factory=list)

    def run(self, url: str) -> None:
        with httpx.Client(base_url=url, timeout=WAIT_S, verify=False) as client:
            try:
                while True:
                    self._change(client)
                    self.before = self.after
                    self.answered += 1
            except httpx.TransportError:
                return  # killed: the last request may be stored or not
            except AssertionError as error:
                self.faults.append(str(error))

    def _change(self, client: httpx.Client) -> None:
        self.after = dict(self.before)
        if self.before and self.dice.random() < 0.2:
            name = self.dice.choice(sorted(self.before))
            del self.after[name]
            answer = client.delete(f"/images/{name}")
            assert answer.status_code == 204, answer.text
            return
        count = self.dice.choice([1, 1, 3])
        names = [f"w{self.number}-{n}" for n in self.dice.sample(range(NAMES), count)]
        sent = tuple(self.dice.sample(range(len(self.pictures)), count))
        label, metadata = f"label {self.dice.random()}", {"n": self.dice.random()}
        for name, number in zip(names, sent, strict=True):
            digest = hashlib.sha256(self.pictures[number]).hexdigest()
            was = self.before.get(name)
            again = was is not None and was.sha256 == digest  # then its features are kept
            self.after[name] = Row(digest, label, metadata, was.sent if again else sent)
        data = {"label": label, "metadata": json.dumps(metadata)}
        files = [("image", self.pictures[number]) for number in sent]
        if count == 1:
            answer = client.put(f"/images/{names[0]}", files=files, data=data)
        else:
            answer = client.post("/images", files=files, data=data | {"id": names})
        assert answer.status_code in (200, 201), answer.text


def kill_while_writing(server: RunningServer, writers: list[Writer], dice: random.Random) -> None:
    def answered() -> int:
        return sum(one.answered for one in writers)

    enough = answered() + dice.randrange(MOST_ANSWERS)
    threads = [threading.Thread(target=one.run, args=(server.url,)) for one in writers]
    for thread in threads:
        thread.start()
    wait_until(lambda: answered() >= enough or not any(one.is_alive() for one in threads))
    time.sleep(dice.uniform(0, MOST_S))  # the random moment
    server.process.send_signal(signal.SIGKILL)
    for thread in threads:
        thread.join(WAIT_S)
    assert not [one.faults for one in writers if one.faults]


def require_kept(client: httpx.Client, writers: list[Writer]) -> None:
    """Every writer finds what it was answered, or that and its last request, whole."""
    stored = client.get("/images?limit=1000").json()["images"]
    shown = {one["id"]: (one["label"], one["metadata"]) for one in stored}
    for writer in writers:
        mine = {key: one for key, one in shown.items() if key.startswith(f"w{writer.number}-")}
        for rows in (writer.after, writer.before):
            if mine == {name: row.shown() for name, row in rows.items()}:
                break
        else:
            pytest.fail(f"writer {writer.number} was answered {writer.before}, found {mine}")
        writer.before = rows
        for name, row in rows.items():
            require_whole(client, name, [writer.pictures[number] for number in row.sent], row)


def require_whole(client: httpx.Client, name: str, sent: list[bytes], row: Row) -> None:
    """The picture's features are bit for bit those of its bytes, and its thumbnail is one."""
    answer = client.post(
        f"/search?k=100&max_distance=0&label={row.label}", files=[("image", one) for one in sent]
    )
    assert answer.status_code == 200, answer.text
    place = [hashlib.sha256(one).hexdigest() for one in sent].index(row.sha256)
    found = {one["id"]: one["distance"] for one in answer.json()["results"][place]["neighbors"]}
    assert found.get(name) == 0, f"{name} is not at distance 0 from its own bytes"
    thumbnail = client.get(f"/images/{name}/thumbnail")
    Image.open(io.BytesIO(thumbnail.content)).load()


def test_kill_9_loses_nothing(
    repository: Path, pictures: list[bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dice = random.Random(SEED)
    writers = [Writer(number, pictures, random.Random(dice.random())) for number in range(WRITERS)]
    index = tmp_path / "index.sqlite"
    slowest_s = 0.0
    for killed in range(KILLS + 1):
        with (
            running_server(repository, index, *ALONE) as server,
            httpx.Client(base_url=server.url, timeout=WAIT_S, verify=False) as client,
        ):
            slowest_s = max(slowest_s, sum(psutil.Process(server.process.pid).cpu_times()[:2]))
            require_kept(client, writers)
            if killed < KILLS:
                kill_while_writing(server, writers, dice)
    assert check(index, None).counts == {}  # pages, texts, features, thumbnails
    answered = sum(one.answered for one in writers)
    assert answered > 4 * KILLS, "hardly anything was written"
    assert slowest_s < START_S, f"a start after a kill took {slowest_s:.1f} s"
    with capsys.disabled():
        sys.stdout.write(
            f"\nkill -9: {KILLS} kills from seed {SEED}, {answered} requests answered, "
            f"nothing lost, slowest start {slowest_s:.1f} s\n"
        )
