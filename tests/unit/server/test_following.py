"""New deploys while requests are answered, with the embedded engine on real repositories."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from alexnet_export.checkpoint import load_checkpoint, save_checkpoint
from alexnet_export.deploy import Deployment, deploy
from alexnet_repository.files import deployed
from alexnet_repository.repository import Repository, open_repository
from alexnet_server import following
from alexnet_server.deployed import Deployed, open_deployed
from alexnet_server.engine.batching import BatchingEngine
from alexnet_server.errors import StorageFailed
from alexnet_server.following import Following
from alexnet_server.index.opening import Indexes
from alexnet_server.index.records import NewPicture
from alexnet_server.served import Served
from alexnet_server.settings import Settings
from tests.local_engine import local_engine, unhurried
from tests.photos import crops

PICTURE = np.ascontiguousarray(crops(1, seed=9)[:, 16:240, 16:240])
WAIT_S = 60


@pytest.fixture
def runs(narrow_checkpoint: Path, tmp_path: Path) -> list[Path]:
    """Run folders of three models; only their weights and labels differ."""
    made = [narrow_checkpoint]
    checkpoint, _ = load_checkpoint(narrow_checkpoint)
    for number in (1, 2):
        folder = tmp_path / f"run{number}"
        folder.mkdir()
        (folder / "pictures.npz").symlink_to(narrow_checkpoint / "pictures.npz")
        tensors = {
            name: value if name == "mean" else value * np.float32(1 + number / 10)
            for name, value in checkpoint.tensors.items()
        }
        classes = tuple(f"{name}{number}" for name in checkpoint.classes)
        save_checkpoint(replace(checkpoint, tensors=tensors, classes=classes), folder)
        made.append(folder)
    return made


@pytest.fixture
def root(runs: list[Path], tmp_path: Path) -> Path:
    deploy(runs[0], Deployment(tmp_path / "repository"))
    return tmp_path / "repository"


@pytest.fixture
def deploys(root: Path, tmp_path: Path) -> Iterator[Following]:
    made = Following(
        partial(open_deployed, root, local_engine, Indexes(tmp_path / "index.sqlite")),
        partial(deployed, root),
    )
    yield made
    made.close()


def version(deploys: Following) -> str:
    with deploys.hold() as now:
        return now.repository.version


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.01)


def test_a_new_deploy_takes_the_place_of_the_old_one(
    deploys: Following, root: Path, runs: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    deploys.look()
    assert (version(deploys), deploys.next()) == ("1", None)
    with deploys.hold() as old:
        pass
    deploy(runs[1], Deployment(root))
    deploys.look()
    with pytest.raises(StorageFailed, match="closed"):  # nobody used it any more
        old.pictures().delete(["a"])
    with deploys.hold() as now:
        assert now.model() == open_repository(root).manifest["model"]
        assert now.repository.classes[0].endswith("1")
    assert deploys.next() is None
    assert "serving version 2" in caplog.text
    assert "empty for this model" in caplog.text


def test_who_holds_the_old_one_keeps_it_whole(
    deploys: Following, root: Path, runs: list[Path]
) -> None:
    with deploys.hold() as first, deploys.hold() as old:
        assert first is old
        expected = old.engine.infer(PICTURE, unhurried()).features
        deploy(runs[1], Deployment(root))
        deploys.look()
        assert version(deploys) == "2"
        assert np.array_equal(old.engine.infer(PICTURE, unhurried()).features, expected)
        old.pictures().upsert([stored("in time", expected[0])])
    with pytest.raises(StorageFailed, match="closed"):
        old.pictures().upsert([stored("late", expected[0])])


def stored(name: str, features: np.ndarray) -> NewPicture:
    return NewPicture(name, f"sha-{name}", None, {}, b"jpeg", features)


def test_each_model_has_its_own_generation(
    deploys: Following, root: Path, runs: list[Path]
) -> None:
    with deploys.hold() as now:
        now.pictures().upsert([stored("a", now.engine.infer(PICTURE, unhurried()).features[0])])
    for run, count in ((runs[1], 0), (runs[0], 1)):
        deploy(run, Deployment(root))
        deploys.look()
        with deploys.hold() as now:
            assert now.pictures().count() == count


def test_a_bad_deploy_changes_nothing_until_it_is_repaired(
    deploys: Following,
    root: Path,
    runs: list[Path],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deploy(runs[1], Deployment(root))
    graph = next(root.glob("s5*/2/model.onnx"))
    whole = graph.read_bytes()
    graph.unlink()
    graph.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    for _ in range(3):
        deploys.look()
    assert version(deploys) == "1"
    assert deploys.next() == {"version": None, "state": "refused"}
    assert caplog.text.count("was changed after its deploy") == 1
    graph.write_bytes(whole)
    deploys.look()
    assert version(deploys) == "1"  # not looked at again so soon
    monkeypatch.setattr(following.time, "monotonic", lambda: 1e12)
    deploys.look()
    assert (version(deploys), deploys.next()) == ("2", None)


def test_a_deploy_taken_back_is_forgotten(
    deploys: Following, root: Path, runs: list[Path], tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    root.rename(kept)
    deploys.look()
    assert deploys.next() is None  # nothing is there: the old one goes on
    (root / "alexnet").mkdir(parents=True)
    (root / "alexnet" / "manifest.json").write_text("{")
    deploys.look()
    assert deploys.next() == {"version": None, "state": "refused"}
    (root / "alexnet" / "manifest.json").unlink()
    (root / "alexnet").rmdir()
    root.rmdir()
    kept.rename(root)
    deploys.look()
    assert (version(deploys), deploys.next()) == ("1", None)


def test_requests_see_one_deploy_each_while_deploys_follow_each_other(
    deploys: Following, root: Path, runs: list[Path], tmp_path: Path
) -> None:
    served = Served.of(Settings(index=f"sqlite:///{tmp_path}/index.sqlite"), deploys)
    answers: list[tuple[str, str, str, bytes]] = []
    is_over = threading.Event()
    faults: list[BaseException] = []

    def work(now: Deployed) -> tuple[str, str, str, bytes]:
        index = now.pictures().binding.model_digest
        features = now.engine.infer(PICTURE, unhurried()).features
        now.pictures().count()
        return now.model()["digest"], index, now.repository.classes[0], features.tobytes()

    def ask() -> None:
        try:
            while not is_over.is_set():
                answers.append(served.answer(unhurried(), work))
        except BaseException as fault:  # noqa: BLE001 (shown by the assertion below)
            faults.append(fault)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    deploys.start()
    try:
        for number, run in enumerate([*runs[1:], *runs], start=2):
            deploy(run, Deployment(root))
            wait_until(lambda number=number: version(deploys) == str(number))
            seen = len(answers)
            wait_until(lambda seen=seen: len(answers) > seen + 8 or bool(faults))
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    assert faults == []
    assert all(digest == index for digest, index, *_ in answers)
    assert len(set(answers)) == 3  # one combination of model, labels and features a model


def test_a_look_that_fails_is_not_the_last(
    root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    looks: list[int] = []

    def stamp() -> bytes | None:
        looks.append(1)
        if len(looks) == 1:
            raise ZeroDivisionError
        return deployed(root)

    index = tmp_path / "index.sqlite"
    deploys = Following(partial(open_deployed, root, local_engine, Indexes(index)), stamp)
    deploys.start()
    wait_until(lambda: len(looks) > 1)
    deploys.close()
    assert "ZeroDivisionError" in caplog.text


def test_a_deploy_that_cannot_be_opened_for_whatever_reason_is_refused_and_tried_again(
    root: Path, runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []

    def engine_of(repository: Repository) -> BatchingEngine:
        if repository.version == "2":
            tries.append(1)
            if len(tries) == 1:
                raise MemoryError
        return local_engine(repository)

    monkeypatch.setattr(following, "_AGAIN_S", 0.0)
    index = tmp_path / "index.sqlite"
    deploys = Following(
        partial(open_deployed, root, engine_of, Indexes(index)), partial(deployed, root)
    )
    deploy(runs[1], Deployment(root))
    with pytest.raises(MemoryError):
        deploys.look()
    assert deploys.next() == {"version": None, "state": "refused"}
    assert version(deploys) == "1"
    deploys.look()
    assert version(deploys) == "2"
    assert deploys.next() is None
    deploys.close()


def test_an_index_that_cannot_be_used_is_told_again_each_time(root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    now = open_deployed(root, local_engine, Indexes(tmp_path / "file" / "index.sqlite"))
    for _ in range(2):
        with pytest.raises(StorageFailed, match="cannot be opened"):
            now.pictures()
    now.close()
