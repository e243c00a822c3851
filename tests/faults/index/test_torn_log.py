"""A log whose end is torn off at any byte: everything before its last transaction is there."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import numpy as np

from tests.faults.size import sized
from tests.unit.server.index.given import UNITS, opened, picture
from tests.waiting import wait_until

PICTURES = 5
FRAME_BYTES = 24 + 4096  # sqlite.org/fileformat.html, section 4.1
CUTS = sized(12, 3 * FRAME_BYTES)
A_REOPENING = 8  # cuts: opening is most of what one takes


def test_every_cut_leaves_what_came_before(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    index = opened(whole / "index.sqlite")
    wait_until(lambda: index._writer._erase_at_s is None)  # the log is emptied at each start
    rows = np.random.default_rng(3).random((PICTURES + 1, UNITS), np.float32)
    for i in range(PICTURES):
        index.upsert([picture(f"p{i}", rows[i])])
    copies = tmp_path / "copies"
    # By another process: where one of this closes a file, SQLite's locks on it are gone.
    subprocess.run(["cp", "-r", whole, copies], check=True)
    index.close()
    content = (copies / "index.sqlite-wal").read_bytes()
    assert len(content) > 3 * FRAME_BYTES
    last = range(len(content) - 3 * FRAME_BYTES, len(content))
    for number, cut in enumerate([len(content), *random.Random(3).sample(last, CUTS)]):
        place = tmp_path / "cut"
        place.mkdir()
        shutil.copy(copies / "index.sqlite", place)
        (place / "index.sqlite-wal").write_bytes(content[:cut])
        index = opened(place / "index.sqlite")
        expected = PICTURES if cut == len(content) else PICTURES - 1
        assert index.count() == expected
        for i in range(expected):
            assert np.array_equal(index.features(f"p{i}"), rows[i])
        index.upsert([picture("after", rows[PICTURES])])
        if number % A_REOPENING == 0:
            index.close()
            index = opened(place / "index.sqlite")
        assert np.array_equal(index.features("after"), rows[PICTURES])
        assert index.count() == expected + 1
        index.close()
        shutil.rmtree(place)
