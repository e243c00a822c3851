from __future__ import annotations

import os
import resource
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from alexnet_client.errors import BadPicture, Overloaded
from alexnet_client.results import Prediction
from alexnet_client.scoring import line
from alexnet_client.scoring.errors import Damaged
from alexnet_client.scoring.ledger import Ledger
from alexnet_client.scoring.scorer import Scored

PATHS = ["a.jpg", "line\nbreak.jpg", os.fsdecode(b"caf\xe9.jpg"), "d.jpg"]
GOOD = [line.of(path, Scored((Prediction("cat", 1, 0.5),))) for path in PATHS]
PASSING = line.of_error(PATHS[1], Overloaded("too much", code="overloaded"))
OPEN_FILES = Path("/proc/self/fd")
FOR_GOOD = line.of_error(PATHS[2], BadPicture("no picture", code="undecodable_picture"))

Open = Callable[[], Ledger]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


@pytest.fixture
def opened(file: Path) -> Open:
    return lambda: Ledger(file, file.with_name("again"), PATHS)


def test_odd_names_are_ascii_and_come_back(file: Path, opened: Open) -> None:
    with closing(opened()) as ledger:
        ledger.append(GOOD)
    assert file.read_bytes().isascii()
    assert [line.decoded(text)["path"] for text in file.read_bytes().splitlines()] == PATHS


def test_a_torn_end_is_cut_wherever_it_is(file: Path, opened: Open) -> None:
    whole = b"".join(map(line.encoded, GOOD))
    for length in range(0, len(whole) + 1, 13):
        file.write_bytes(whole[:length])
        with closing(opened()) as ledger:
            assert ledger.done == whole[:length].count(b"\n")
            ledger.append(GOOD[ledger.done :])
        assert file.read_bytes() == whole


def test_blocks_that_a_loss_of_power_left_unwritten_are_cut(file: Path, opened: Open) -> None:
    first = line.encoded(GOOD[0])
    file.write_bytes(first + b"\0" * 500 + b"\n" + b"\0" * 100)
    with closing(opened()) as ledger:
        assert ledger.done == 1
    assert file.read_bytes() == first


@pytest.mark.parametrize(
    "lines",
    [
        [GOOD[0], {"path": 3}, GOOD[2]],
        [GOOD[1], GOOD[0]],
        [*GOOD, GOOD[0]],
        [{"path": PATHS[0]}, GOOD[1]],
        [{"path": PATHS[0], "error": "mine"}, GOOD[1]],
        [{"path": PATHS[0], "error": {"code": "mine"}}, GOOD[1]],
        [{"path": PATHS[0], "predictions": "mine"}, GOOD[1]],
        [{"path": PATHS[0], "predictions": [{"label": "mine"}]}, GOOD[1]],
    ],
    ids=[
        *("no line in the middle", "sorted", "longer", "neither labels nor error"),
        *("error is text", "half an error", "labels are text", "half a label"),
    ],
)
def test_a_file_that_somebody_changed_is_refused(
    file: Path, opened: Open, lines: list[dict[str, Any]]
) -> None:
    content = b"".join(map(line.encoded, lines))
    file.write_bytes(content)
    with pytest.raises(Damaged):
        opened()
    assert file.read_bytes() == content


def test_passing_errors_are_replaced_and_others_stay(file: Path, opened: Open) -> None:
    with closing(opened()) as ledger:
        ledger.append([GOOD[0], PASSING, FOR_GOOD])
        assert (ledger.tally.labelled, ledger.tally.failed, ledger.tally.retryable) == (1, 1, 1)
    with closing(opened()) as ledger:
        assert list(ledger.passing) == [1]
        ledger.replace({1: GOOD[1]})
        assert (ledger.tally.labelled, ledger.tally.failed, ledger.tally.retryable) == (2, 1, 0)
        assert ledger.tally.codes == {"undecodable_picture": 1}
    # Killed before the merge: the new line is kept, and not asked for again.
    with closing(opened()) as ledger:
        assert not any(line.is_retryable(one) for one in ledger.passing.values())
        ledger.append([GOOD[3]])
        ledger.merge()
    expected = [GOOD[0], GOOD[1], FOR_GOOD, GOOD[3]]
    assert file.read_bytes() == b"".join(map(line.encoded, expected))
    with closing(opened()) as ledger:
        assert ledger.passing == {}
        assert ledger.tally.lines == 4


@pytest.mark.skipif(not OPEN_FILES.is_dir(), reason="only Linux tells what is open")
def test_nothing_takes_the_place_of_an_open_file(
    file: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which Linux would let pass, and Windows refuses."""
    replaced, really = [], Path.replace

    def replace(part: Path, path: Path) -> None:
        assert path.resolve() not in {one.resolve() for one in OPEN_FILES.iterdir()}
        really(part, path)
        replaced.append(path)

    monkeypatch.setattr(Path, "replace", replace)
    with closing(opened()) as ledger:
        ledger.append([GOOD[0], PASSING])
    with closing(opened()) as ledger:
        ledger.replace({1: GOOD[1]})
        ledger.merge()
        ledger.append([FOR_GOOD])
    assert replaced == [file]
    expected = [GOOD[0], GOOD[1], FOR_GOOD]
    assert file.read_bytes() == b"".join(map(line.encoded, expected))


def test_killed_between_merge_and_tidying(file: Path, opened: Open) -> None:
    with closing(opened()) as ledger:
        ledger.append([GOOD[0], PASSING])
    with closing(opened()) as ledger:
        ledger.replace({1: GOOD[1]})
        again = file.with_name("again").read_bytes()
        ledger.merge()
    merged = file.read_bytes()
    file.with_name("again").write_bytes(again)
    with closing(opened()) as ledger:
        assert ledger.tally.labelled == 2
        ledger.merge()
    assert file.read_bytes() == merged
    assert file.with_name("again").read_bytes() == b""


def test_a_write_that_fails_half_way_leaves_nothing_half(file: Path, opened: Open) -> None:
    first = line.encoded(GOOD[0])
    with closing(opened()) as ledger:
        ledger.append(GOOD[:1])
        old = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(first) + 20, old[1]))
        try:
            with pytest.raises(OSError, match="too large"):
                ledger.append(GOOD[1:])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, old)
        assert file.read_bytes() == first
        assert ledger.done == 1
