from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest

from alexnet_export.checkpoint import load_checkpoint, save_checkpoint
from alexnet_export.dialects import DIALECTS
from tests.integration.interrupted_deploys.place import SCENARIOS, Before, Place, Prepared, deploy
from tests.interrupted import Commands
from tests.photos import crops
from tests.random_checkpoint import NARROW, write_random_checkpoint


@pytest.fixture(scope="session")
def commands() -> Iterator[Commands]:
    with Commands() as running:
        yield running


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Run folders of one dialect and one set of classes, other weights; little to prove."""
    folder, runs = (tmp_path_factory.mktemp(name) for name in ("interrupted", "runs"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DIALECTS, NARROW.name, NARROW)
        for number, name in enumerate("abcd"):
            (runs / name).mkdir()
            write_random_checkpoint(NARROW, runs / name)
            loaded, _ = load_checkpoint(runs / name)
            loaded.tensors["fc8.bias"][0] += number
            save_checkpoint(loaded, runs / name)
            np.savez(runs / name / "pictures.npz", images=crops(2), labels=np.arange(2))
    return Place(folder, runs)


@pytest.fixture(scope="session")
def prepared(
    empty: Place, commands: Commands, tmp_path_factory: pytest.TempPathFactory
) -> Prepared:
    """Makes what stands before a scenario's command, once for all the tests that ask for it."""
    folder = tmp_path_factory.mktemp("prepared")

    @cache
    def deployed(names: str) -> Place:
        if not names:
            return empty.copy(folder / "nothing")
        place = deployed(names[:-1]).copy(folder / names)
        assert deploy(commands, place, names[-1]).status == 0
        return place

    @cache
    def before(scenario: str) -> Before:
        names, command = SCENARIOS[scenario]
        whole = deployed(names).copy(folder / scenario)
        ended = command(commands, whole)
        assert ended.status == 0, ended.messages
        return Before(deployed(names), whole, ended)

    return before
