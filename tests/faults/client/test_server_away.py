"""A server that goes away, that wants another key, or that serves another model of a sudden."""

from __future__ import annotations

import threading
from pathlib import Path

from tests.faults.client.scoring import Scoring, assert_right, write_named
from tests.faults.client.small_server import SmallServer, listening
from tests.waiting import wait_until

PICTURES = 60
ANOTHER = "b" * 64


def scoring_of(server: SmallServer, tmp_path: Path, *flags: str) -> tuple[Scoring, list[Path]]:
    paths = write_named(tmp_path / "photos", PICTURES)
    return Scoring(server.url, tmp_path / "photos", tmp_path / "out.jsonl", flags), paths


def test_it_comes_back(tmp_path: Path) -> None:
    server = SmallServer()
    server.delay_s = 0.05
    said: list[str] = []
    with listening(server):
        scoring, paths = scoring_of(server, tmp_path)
        process = scoring.start()
        wait_until(lambda: scoring.written() > 0)
    listener = threading.Thread(target=lambda: said.extend(process.stderr))
    listener.start()
    wait_until(lambda: any("to come back" in line for line in said))
    with listening(server, server.port):
        assert process.wait(60) == 0
    listener.join()
    process.stdout.close()
    process.stderr.close()
    assert_right(scoring.lines(), paths)
    assert any("is back" in line for line in said)


def test_it_stays_away(tmp_path: Path) -> None:
    server = SmallServer()
    server.delay_s = 0.05
    with listening(server):
        scoring, paths = scoring_of(server, tmp_path, "--wait", "0.5")
        process = scoring.start()
        wait_until(lambda: scoring.written() > 0)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 3, err
    left = PICTURES - scoring.written()
    assert 0 < left < PICTURES
    assert f"{left} are unfinished" in err
    # The list of them can be scored as it is.
    unfinished = tmp_path / "out.jsonl.run" / "unfinished"
    assert unfinished.read_text().splitlines() == [str(path) for path in paths[-left:]]
    with listening(server, server.port):
        assert scoring.run().returncode == 0
    assert_right(scoring.lines(), paths)
    assert not unfinished.exists()


def test_a_wrong_key_ends_it_at_once(small: SmallServer, tmp_path: Path) -> None:
    small.key = "right"
    scoring, paths = scoring_of(small, tmp_path)
    done = scoring.run()
    assert done.returncode == 1
    assert "key_missing" in done.stderr
    assert "ALEXNET_KEY" in done.stderr
    assert not small.seen
    key = tmp_path / "key"
    key.write_text("right\n")
    assert scoring.run("--key-file", str(key)).returncode == 0
    assert_right(scoring.lines(), paths)


def test_another_model_is_refused_or_noted(small: SmallServer, tmp_path: Path) -> None:
    small.model_after = PICTURES // 2, ANOTHER
    scoring, paths = scoring_of(small, tmp_path)
    done = scoring.run()
    assert done.returncode == 1
    assert "model_changed" in done.stderr
    assert ANOTHER in done.stderr
    before = scoring.written()
    assert 0 < before < PICTURES
    assert all("model" not in line for line in scoring.lines())

    assert "--allow-model-change" in scoring.run().stderr
    assert scoring.written() == before
    assert scoring.run("--allow-model-change").returncode == 0
    assert_right(scoring.lines(), paths)
    noted = [line.get("model") for line in scoring.lines()]
    assert noted == [None] * before + [ANOTHER] * (PICTURES - before)
