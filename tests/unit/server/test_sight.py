"""Waiting for a turn to decode ends with the call's time, and a turn is always given back."""

from __future__ import annotations

import time

import pytest

from alexnet_pixels.errors import UndecodablePicture
from alexnet_server.call import Call
from alexnet_server.errors import ClientGone, DeadlineExceeded
from alexnet_server.served import Served
from alexnet_server.settings import Settings
from tests.local_engine import unhurried


@pytest.fixture
def served() -> Served:
    return Served.of(Settings(), deploys=None)  # no deploy is looked at here


def take_all(served: Served) -> int:
    """Take every turn that there is now; how many there were."""
    taken = 0
    while served.decoding.acquire(blocking=False):
        taken += 1
    return taken


def test_nobody_waits_for_a_turn_beyond_the_deadline(served: Served) -> None:
    turns = take_all(served)
    assert turns >= 1
    call = Call(timeout_s=0.2)
    with pytest.raises(DeadlineExceeded), served.turn_to_decode(call):
        pytest.fail("there was no turn")
    assert -5 < call.left_s() <= 0
    late = Call(timeout_s=5.0, began_s=time.monotonic() - 9)
    with pytest.raises(DeadlineExceeded), served.turn_to_decode(late):
        pytest.fail("there was no turn")
    assert take_all(served) == 0


def test_a_turn_that_comes_too_late_is_given_back(served: Served) -> None:
    turns = take_all(served)
    served.decoding.release(turns)
    gone = Call(timeout_s=5.0, is_connected=lambda: False)
    for _ in range(turns + 1):
        with pytest.raises(ClientGone), served.turn_to_decode(gone):
            pytest.fail("nobody is there")
    assert take_all(served) == turns


def test_a_picture_that_cannot_be_decoded_gives_its_turn_back(served: Served) -> None:
    turns = take_all(served)
    served.decoding.release(turns)
    for _ in range(turns + 1):
        with pytest.raises(UndecodablePicture), served.turn_to_decode(unhurried()):
            raise UndecodablePicture("corrupt")
    assert take_all(served) == turns
