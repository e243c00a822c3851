"""Waiting for a turn to decode ends with the call's time, and a turn is always given back."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from alexnet_pixels.errors import UndecodablePicture
from alexnet_server.call import Call
from alexnet_server.errors import ClientGone, DeadlineExceeded
from alexnet_server.served import Served
from alexnet_server.settings import Settings
from tests.local_engine import unhurried
from tests.waiting import WAIT_S, wait_until


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


def test_who_hangs_up_while_waiting_for_a_turn_makes_room_at_once(served: Served) -> None:
    take_all(served)
    hung_up = threading.Event()
    looks = []

    def is_connected() -> bool:
        looks.append(True)
        return not hung_up.is_set()

    def wait() -> None:
        with served.turn_to_decode(Call(WAIT_S, is_connected=is_connected)):
            pytest.fail("there was no turn")

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(wait)
        wait_until(lambda: len(looks) >= 2 or waiting.done(), 10)  # it looks again and again
        assert not waiting.done()
        hung_up.set()
        with pytest.raises(ClientGone):
            waiting.result(10)


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
