"""One process keeps the pictures of one model; the others are told, at once and in plain words."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from alexnet_server.errors import IndexInUse, IndexMismatch
from alexnet_server.index.opening import Indexes
from tests.unit.server.index.given import BINDING, LATER, fill, opened, picture
from tests.waiting import wait_until

HOLDER = """
import sys
from pathlib import Path
import numpy as np
from tests.unit.server.index.given import opened, picture
index = opened(Path(sys.argv[1]))
index.upsert([picture("held", np.ones(64, np.float32))])
print("holding", flush=True)
sys.stdin.readline()
index.close()
"""
OPENER = """
import sys
from pathlib import Path
from tests.unit.server.index.given import opened
print("ready", flush=True)
sys.stdin.readline()
print(opened(Path(sys.argv[1])).count())
"""
WRITER = """
import sys
import numpy as np
from pathlib import Path
from tests.unit.server.index.given import opened, picture
index = opened(Path(sys.argv[1]))
for number in range(100_000):
    index.upsert([picture(f"n{number}", np.full(64, number, np.float32))])
    print(number, flush=True)
"""


@contextmanager
def process(program: str, path: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as started:
        try:
            yield started
        finally:
            started.kill()


def test_a_second_process_is_refused_until_the_first_is_killed(
    tmp_path: Path, features: np.ndarray
) -> None:
    path = tmp_path / "index.sqlite"
    index = opened(path)  # empty: nobody's
    with process(HOLDER, path) as holder:
        assert holder.stdout.readline() == "holding\n"
        began = time.monotonic()
        for ask in (
            index.count,
            lambda: index.get("held"),
            lambda: index.search(features[0], 3),
            lambda: index.upsert([picture("mine", features[0])]),
            lambda: index.delete(["held"]),
        ):
            with pytest.raises(IndexInUse, match=f"another process, {holder.pid}, has"):
                ask()
        assert time.monotonic() - began < 1
        other = opened(path, LATER)  # another model's is free
        fill(other, features[:3])
        other.close()
        holder.send_signal(signal.SIGKILL)
    assert index.count() == 1  # the same index, with no restart
    assert [one.id for one in index.search(features[0], 3)] == ["held"]
    index.close()


def test_what_another_process_stored_in_the_empty_index_is_seen_after_it(
    tmp_path: Path, features: np.ndarray
) -> None:
    path = tmp_path / "index.sqlite"
    index = opened(path)
    assert (index.count(), index.search(features[0], 3), index.page("", 5).count) == (0, [], 0)
    with process(HOLDER, path) as holder:
        holder.stdout.readline()
        holder.communicate("go on\n", timeout=30)
    assert index.count() == 1
    index.upsert([picture("mine", features[0])])
    assert index.count() == 2
    index.close()


def test_servers_that_start_together_make_one_file(tmp_path: Path) -> None:
    openers = []
    try:
        for _ in range(4):
            openers.append(
                subprocess.Popen(
                    [sys.executable, "-c", OPENER, str(tmp_path / "index.sqlite")],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
        for opener in openers:
            assert opener.stdout.readline() == "ready\n"
        for opener in openers:
            opener.stdin.write("go\n")
            opener.stdin.flush()
        for opener in openers:
            answer, complaint = opener.communicate(timeout=30)
            assert answer == "0\n", complaint
    finally:
        for opener in openers:
            opener.kill()


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    with process(WRITER, path) as writer:
        acknowledged = [int(next(writer.stdout)) for _ in range(40)]
        writer.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in writer.stdout]
    index = opened(path)
    for number in acknowledged:
        assert (index.features(f"n{number}") == number).all()
    assert index.count() - len(acknowledged) in (0, 1)  # one may be stored and not yet told
    index.close()


def test_what_is_being_built_is_nobody_elses(tmp_path: Path, features: np.ndarray) -> None:
    path = tmp_path / "index.sqlite"
    server = Indexes(path)
    live = server.open(BINDING)
    fill(live, features[:5])
    later = server.open(LATER)  # deployed before it was made
    assert later.count() == 0
    builder = Indexes(path)
    built = builder.open(LATER, builds=True)
    built.restore(live.records("", 3))
    with pytest.raises(IndexInUse, match="being made: 3 of 5 pictures"):
        later.search(features[0], 3)
    built.close()  # a builder that stopped in between
    with pytest.raises(IndexInUse, match="being made: 3 of 5 pictures"):
        later.upsert([picture("mine", features[0])])
    built = builder.open(LATER, builds=True)
    built.restore(live.records("", 5))
    assert built.describe()["state"] == "building"
    built.switch({"neighbors_kept_at_10": 1.0})
    assert built.describe()["state"] == "live"
    built.close()
    assert later.count() == 5
    with pytest.raises(IndexInUse, match=f"another process, {os.getpid()}, has"):
        builder.open(LATER, builds=True)  # it is the server's
    server.close()
    with pytest.raises(IndexMismatch, match="in use already"):
        builder.open(LATER, builds=True)
    other = opened(path, LATER)  # which let go of it again
    assert other.count() == 5
    other.close()
    builder.close()


def test_a_claim_leaves_with_the_last_index(tmp_path: Path, features: np.ndarray) -> None:
    path = tmp_path / "index.sqlite"
    first, second = Indexes(path), Indexes(path)
    one = first.open(BINDING)
    fill(one, features[:3])
    other = second.open(BINDING)
    with pytest.raises(IndexInUse):
        other.count()
    one.close()
    wait_until(lambda: other.count() == 3)
    other.close()
