"""Others at the same root while a deploy is under way: a second deploy, and readers."""

from __future__ import annotations

from pathlib import Path

from alexnet_repository.errors import RepositoryError
from alexnet_repository.files import deployed
from alexnet_repository.repository import open_repository
from tests.integration.interrupted_deploys.place import Place, deploy
from tests.interrupted import Commands
from tests.waiting import wait_until

DEPLOYS = 10


def test_two_at_once(empty: Place, commands: Commands, tmp_path: Path) -> None:
    place, hold = empty.copy(tmp_path / "place"), tmp_path / "hold"
    flags = ("--repository", place.root)
    first = commands.start("deploy", place.runs / "a", *flags, hold=hold)
    wait_until(hold.exists)
    for arguments in (("deploy", place.runs / "b"), ("rollback",)):
        refused = commands.run(*arguments, *flags)
        assert refused.status == 1
        assert "another deploy" in refused.messages
        assert place.served() is None
    hold.unlink()
    assert commands.wait(first).status == 0
    assert place.served() is not None
    assert deploy(commands, place, "b").status == 0


def test_a_reader_never_sees_anything_but_a_whole_deploy(
    empty: Place, commands: Commands, tmp_path: Path
) -> None:
    place = empty.copy(tmp_path / "place")
    assert deploy(commands, place, "a").status == 0
    seen, versions = set(), 1
    for number in range(DEPLOYS):
        flags = ("--repository", place.root, "--layout", ("towers", "single")[number // 3 % 2])
        name = "bcad"[number % 4]
        running = commands.start("deploy", place.runs / name, *flags)
        while True:
            stamp = deployed(place.root)
            try:
                seen.add(open_repository(place.root).version)
            except RepositoryError as error:
                assert deployed(place.root) != stamp, error
            if str(versions + 1) in seen:
                break
        assert commands.wait(running).status == 0
        versions += 1
    assert seen == {str(number + 1) for number in range(DEPLOYS + 1)}
