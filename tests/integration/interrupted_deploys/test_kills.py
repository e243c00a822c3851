"""Deploys and rollbacks killed at some of their steps: the root is the old one or the new."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from tests.integration.interrupted_deploys.place import SCENARIOS, Prepared, deploy, is_every_step
from tests.interrupted import Commands, Ended

SAMPLED = 3
SAMPLED_SCENARIOS = ("first", "third, one pruned", "rollback over two")
AROUND_THE_COMMIT = 1


def stops(ended: Ended) -> list[int]:
    """Steps to stop at: all, or some and those around the commit."""
    every = range(len(ended.steps))
    if is_every_step():
        return list(every)
    spread = np.linspace(0, len(every) - 1, SAMPLED).round().astype(int).tolist()
    near = range(ended.commit - AROUND_THE_COMMIT, ended.commit + AROUND_THE_COMMIT + 1)
    return sorted({*spread, *(step for step in near if step in every)})


@pytest.mark.parametrize("scenario", SCENARIOS if is_every_step() else SAMPLED_SCENARIOS)
def test_killed_at_any_step_the_old_or_the_new_is_served(
    scenario: str, prepared: Prepared, commands: Commands, tmp_path: Path
) -> None:
    _, command = SCENARIOS[scenario]
    before = prepared(scenario)
    start, ended = before.start, before.ended
    old, new = start.served(), before.whole.served()
    assert old != new
    served = []
    for step in stops(ended):
        place = start.copy(tmp_path / str(step))
        killed = command(commands, place, kill_at=step)
        assert killed.status == -signal.SIGKILL, killed.messages
        assert place.served() == (new if step > ended.commit else old), (step, killed.steps[-3:])
        served.append(place.served())
        # Whatever the kill left is gone after the next one, and nothing was lost or repeated.
        following = deploy(commands, place, "d", "--layout", "towers")
        assert following.status == 0, following.messages
        assert place.is_tidy(), step
        version = place.served()[0]
        assert version not in place.kept()
        if place.served() != new:
            assert int(version) > max(map(int, place.kept()), default=0)
            former = new if step > ended.commit else old
            assert former is None or former[0] in place.kept()
        shutil.rmtree(place.folder)
    assert set(served) == {old, new}
